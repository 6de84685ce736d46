"""A `Conversation` written as a chat completions request, and what has no place in one."""

from typing import Any, Final

from routing.dialects.spliced import ENCODER
from routing.exchange import (
    Conversation,
    Image,
    Message,
    OutputFormat,
    Part,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

MOST_STOPS: Final = 4
LONGEST_TOOL_NAME: Final = 64


def cannot_carry(conversation: Conversation) -> list[str]:
    """What a chat completions request has no place for, in words."""
    found = list(conversation.extras)
    if conversation.top_k is not None:
        found.append("top_k")
    if len(conversation.stop) > MOST_STOPS:
        found.append(f"more than {MOST_STOPS} stop sequences")
    if conversation.messages[-1].role == "assistant":
        found.append("an answer begun by the caller (the last message is the assistant's)")
    if any(len(tool.name) > LONGEST_TOOL_NAME for tool in conversation.tools):
        found.append(f"tool names longer than {LONGEST_TOOL_NAME} characters")
    if any(_pictures(result) for result in _results(conversation)):
        found.append("an image in a tool result")
    return found


def left_out(conversation: Conversation) -> list[str]:
    """The hints, and the mark that a tool failed: its words stay, the flag has no place."""
    failed = any(result.is_error for result in _results(conversation))
    return [*conversation.hints, *(["tool_result.is_error"] if failed else [])]


def _results(conversation: Conversation) -> list[ToolResult]:
    parts = (part for message in conversation.messages for part in message.parts)
    return [part for part in parts if isinstance(part, ToolResult)]


def _pictures(result: ToolResult) -> bool:
    return any(isinstance(part, Image) for part in result.parts)


def encode_request(
    conversation: Conversation, *, model: str, limit: dict[str, int], stream: bool
) -> bytes:
    """The request as JSON. `limit` is the token limit under the name that the upstream knows."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [line for message in conversation.messages for line in _lines(message)],
        **limit,
        **_tools(conversation),
        **_options(conversation),
    }
    if conversation.output_format is not None:
        body["response_format"] = _response_format(conversation.output_format)
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return ENCODER.encode(body)


def _options(conversation: Conversation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "temperature": conversation.temperature,
        "top_p": conversation.top_p,
        "seed": conversation.seed,
        "n": conversation.n if conversation.n > 1 else None,
        "stop": list(conversation.stop) or None,
        "frequency_penalty": conversation.frequency_penalty,
        "presence_penalty": conversation.presence_penalty,
        "logprobs": conversation.logprobs or None,
        "top_logprobs": conversation.top_logprobs,
        "reasoning_effort": conversation.effort,
        "user": conversation.user,
        "metadata": conversation.metadata or None,
        "service_tier": conversation.service_tier or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _tools(conversation: Conversation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if conversation.tools:
        found["tools"] = [_tool(tool) for tool in conversation.tools]
    if conversation.tool_choice is not None:
        found["tool_choice"] = _tool_choice(conversation.tool_choice)
    if conversation.parallel_tool_calls is not None and conversation.tools:
        found["parallel_tool_calls"] = conversation.parallel_tool_calls
    return found


def _tool(tool: Tool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": tool.strict,
    }
    return {
        "type": "function",
        "function": {name: value for name, value in function.items() if value is not None},
    }


def _tool_choice(choice: ToolChoice) -> str | dict[str, Any]:
    if choice.mode == "tool":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def _response_format(output: OutputFormat) -> dict[str, Any]:
    if output.kind == "json_object":
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": output.name, "schema": output.schema}
    if output.description is not None:
        schema["description"] = output.description
    if output.strict is not None:
        schema["strict"] = output.strict
    return {"type": "json_schema", "json_schema": schema}


def _lines(message: Message) -> list[dict[str, Any]]:
    lines = [_result_line(part) for part in message.parts if isinstance(part, ToolResult)]
    calls = [_call(part) for part in message.parts if isinstance(part, ToolCall)]
    rest = [part for part in message.parts if isinstance(part, Text | Image)]
    if rest or calls or not lines:
        line: dict[str, Any] = {"role": message.role, "content": _content(rest)}
        if calls:
            line["tool_calls"] = calls
            line["content"] = line["content"] or None
        lines.append(line)
    return lines


def _result_line(result: ToolResult) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": result.call_id, "content": _content(list(result.parts))}


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _content(parts: list[Part] | list[Text | Image]) -> str | list[dict[str, Any]]:
    if not parts:
        return ""
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    return [_part(part) for part in parts]


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    assert isinstance(part, Image)  # noqa: S101  # for the type checker: results and calls stand in lines of their own
    url = part.url or f"data:{part.media_type};base64,{part.data}"
    image = {"url": url, "detail": part.detail} if part.detail else {"url": url}
    return {"type": "image_url", "image_url": image}
