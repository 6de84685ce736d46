"""A `Conversation` written as a responses request, and what has no place in one."""

from typing import Any, Final

from routing.dialects.crossing import number_refusals
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

LONGEST_TOOL_NAME: Final = 64


def cannot_carry(conversation: Conversation) -> list[str]:
    """What a responses request has no place for, in words."""
    found = list(conversation.extras)
    found += number_refusals(conversation, fields=("frequency_penalty", "presence_penalty"))
    checks = {
        "seed": conversation.seed is not None,
        "top_k": conversation.top_k is not None,
        "stop sequences": bool(conversation.stop),
        "n above 1": conversation.n > 1,
        "an answer begun by the caller (the last message is the assistant's)": (
            conversation.messages[-1].role == "assistant"
        ),
        f"tool names longer than {LONGEST_TOOL_NAME} characters": any(
            len(tool.name) > LONGEST_TOOL_NAME for tool in conversation.tools
        ),
    }
    return found + [words for words, holds in checks.items() if holds]


def left_out(conversation: Conversation) -> list[str]:
    """The hints, and the mark that a tool failed: its words stay, the flag has no place."""
    parts = (part for message in conversation.messages for part in message.parts)
    failed = any(isinstance(part, ToolResult) and part.is_error for part in parts)
    return [*conversation.hints, *(["tool_result.is_error"] if failed else [])]


def encode_request(
    conversation: Conversation, *, model: str, limit: dict[str, int], stream: bool
) -> bytes:
    """The request as JSON; nothing of it is kept at the vendor."""
    body: dict[str, Any] = {
        "model": model,
        "input": [line for message in conversation.messages for line in _lines(message)],
        "store": False,
        **limit,
        **_options(conversation),
    }
    if stream:
        body["stream"] = True
    return ENCODER.encode(body)


def _options(conversation: Conversation) -> dict[str, Any]:
    wanted, choice = conversation.output_format, conversation.tool_choice
    found: dict[str, Any] = {
        "tools": [_tool(tool) for tool in conversation.tools] or None,
        "tool_choice": None if choice is None else _tool_choice(choice),
        "parallel_tool_calls": conversation.parallel_tool_calls if conversation.tools else None,
        "text": None if wanted is None else {"format": _format(wanted)},
        "temperature": conversation.temperature,
        "top_p": conversation.top_p,
        "include": ["message.output_text.logprobs"] if conversation.logprobs else None,
        "top_logprobs": conversation.top_logprobs,
        "reasoning": None if conversation.effort is None else {"effort": conversation.effort},
        "user": conversation.user,
        "metadata": conversation.metadata or None,
        "service_tier": conversation.service_tier or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _tool(tool: Tool) -> dict[str, Any]:
    # a missing `strict` means true in this dialect alone, and a missing schema is written out
    return {
        "type": "function",
        "name": tool.name,
        "parameters": tool.parameters or {"type": "object", "properties": {}},
        "strict": tool.strict or False,
        **({} if tool.description is None else {"description": tool.description}),
    }


def _tool_choice(choice: ToolChoice) -> str | dict[str, str]:
    return {"type": "function", "name": choice.name} if choice.mode == "tool" else choice.mode


def _format(output: OutputFormat) -> dict[str, Any]:
    if output.kind == "json_object":
        return {"type": "json_object"}
    more = {"description": output.description, "strict": output.strict}
    found = {"type": "json_schema", "name": output.name, "schema": output.schema}
    return found | {name: value for name, value in more.items() if value is not None}


def _lines(message: Message) -> list[dict[str, Any]]:
    lines = [_result(part) for part in message.parts if isinstance(part, ToolResult)]
    calls = [_call(part) for part in message.parts if isinstance(part, ToolCall)]
    rest = [part for part in message.parts if isinstance(part, Text | Image)]
    if rest or not (lines or calls):
        content = _content(rest, answered=message.role == "assistant")
        lines.append({"role": message.role, "content": content})
    return lines + calls


def _result(result: ToolResult) -> dict[str, Any]:
    parts = list(result.parts)
    return {
        "type": "function_call_output",
        "call_id": result.call_id,
        "output": _content(parts, answered=False),
    }


def _call(call: ToolCall) -> dict[str, Any]:
    return {
        "type": "function_call",
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments,
    }


def _content(
    parts: list[Part] | list[Text | Image], *, answered: bool
) -> str | list[dict[str, Any]]:
    if not parts:
        return ""
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    return [_part(part, "output_text" if answered else "input_text") for part in parts]


def _part(part: Part, kind: str) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": kind, "text": part.text}
    assert isinstance(part, Image)  # noqa: S101  # for the type checker: results and calls stand in lines of their own
    url = part.url or f"data:{part.media_type};base64,{part.data}"
    return {"type": "input_image", "image_url": url, "detail": part.detail or "auto"}
