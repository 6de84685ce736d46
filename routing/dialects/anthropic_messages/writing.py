"""A `Conversation` written as a messages request, and what has no place in one."""

import re
from typing import Any, Final

from routing.dialects.anthropic_messages.answer import is_object, tool_use
from routing.dialects.crossing import number_refusals
from routing.dialects.spliced import ENCODER
from routing.exchange import (
    Conversation,
    Image,
    Message,
    Part,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

SAMPLING_VERSION: Final = "2023-06-01"
_EFFORTS: Final = frozenset({"low", "medium", "high", "xhigh", "max"})
_PICTURES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_ID: Final = re.compile(r"[^a-zA-Z0-9_-]")
_MODES: Final = {"auto": "auto", "required": "any", "none": "none"}


def cannot_carry(conversation: Conversation) -> list[str]:
    """What a messages request has no place for, in words."""
    found = list(conversation.extras)
    found += number_refusals(conversation, fields=("frequency_penalty", "presence_penalty"))
    checks = {
        "seed": conversation.seed is not None,
        "n above 1": conversation.n > 1,
        "service_tier": bool(conversation.service_tier),
        "logprobs": conversation.logprobs or bool(conversation.top_logprobs),
        "temperature above 1": (conversation.temperature or 0) > 1,
        "response_format json_object (a json_schema can be carried)": (
            conversation.output_format is not None
            and conversation.output_format.kind == "json_object"
        ),
        "a stop sequence of white space only": any(not word.strip() for word in conversation.stop),
        f"reasoning_effort {conversation.effort}": (
            conversation.effort is not None and conversation.effort not in _EFFORTS
        ),
        "a conversation that ends with the assistant's turn": (
            conversation.messages[-1].role == "assistant"
        ),
        "messages without a user's turn": not any(
            message.role == "user" for message in conversation.messages
        ),
    }
    found += [words for words, holds in checks.items() if holds]
    return found + _parts_refused(conversation)


def _parts_refused(conversation: Conversation) -> list[str]:
    found: dict[str, None] = {}
    for part in (part for message in conversation.messages for part in message.parts):
        if isinstance(part, ToolCall) and not is_object(part.arguments):
            found["tool call arguments that are not a JSON object"] = None
        if isinstance(part, Image) and part.data and part.media_type not in _PICTURES:
            found[f"an image of type {part.media_type[:40]}"] = None
    return list(found)


def left_out(conversation: Conversation) -> list[str]:
    """The hints, the labels (they stay with the call here), and how closely to look at a picture."""
    found = list(conversation.hints)
    if conversation.metadata:
        found.append("metadata")
    parts = (part for message in conversation.messages for part in message.parts)
    if any(isinstance(part, Image) and part.detail not in {"", "auto"} for part in parts):
        found.append("image_url.detail")
    return found


def request_headers(conversation: Conversation) -> dict[str, str]:
    """Sampling controls were removed from API version 2026-10-21: a request that has some asks for the one before."""
    if conversation.dialect == "anthropic.messages":
        return {}
    sampled = conversation.temperature is not None or conversation.top_p is not None
    return {"anthropic-version": SAMPLING_VERSION} if sampled else {}


def encode_request(
    conversation: Conversation, *, model: str, limit: dict[str, int], stream: bool
) -> bytes:
    """The request as JSON. `limit` is the token limit under its name."""
    system, messages = _split(conversation.messages)
    found: dict[str, Any] = {
        "model": model,
        **limit,
        "system": system or None,
        "messages": messages,
        "tools": [_tool(tool) for tool in conversation.tools] or None,
        "tool_choice": _tool_choice(conversation),
        "output_config": _output_config(conversation) or None,
        "stop_sequences": list(conversation.stop) or None,
        "temperature": conversation.temperature,
        "top_p": conversation.top_p,
        "top_k": conversation.top_k,
        "metadata": None if conversation.user is None else {"user_id": conversation.user},
        "stream": stream or None,
    }
    return ENCODER.encode({name: value for name, value in found.items() if value is not None})


def _split(
    messages: tuple[Message, ...],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Leading instructions go to `system`, later ones stay in their place; turns of one role become one."""
    system: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for message in messages:
        blocks = _blocks(message.parts)
        if message.role == "system" and not lines:
            system += blocks
        elif lines and lines[-1]["role"] == message.role:
            lines[-1]["content"] += blocks
        elif blocks:
            lines.append({"role": message.role, "content": blocks})
    return system, lines


def _blocks(parts: tuple[Part, ...]) -> list[dict[str, Any]]:
    # results come first: a turn that answers tool calls must begin with them; empty text blocks are not accepted
    ordered = sorted(parts, key=lambda part: not isinstance(part, ToolResult))
    return [_block(part) for part in ordered if not (isinstance(part, Text) and not part.text)]


def _block(part: Part) -> dict[str, Any]:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Image():
            return {"type": "image", "source": _source(part)}
        case ToolCall():
            return tool_use(part, _id(part.id))
        case ToolResult():
            block: dict[str, Any] = {"type": "tool_result", "tool_use_id": _id(part.call_id)}
            content = _blocks(part.parts)
            if content:
                block["content"] = content
            if part.is_error:
                block["is_error"] = True
            return block


def _id(call_id: str) -> str:
    # some vendors' ids have characters that are refused here; call and result change alike
    return _ID.sub("_", call_id)


def _source(image: Image) -> dict[str, Any]:
    if image.url:
        return {"type": "url", "url": image.url}
    return {"type": "base64", "media_type": image.media_type, "data": image.data}


def _tool(tool: Tool) -> dict[str, Any]:
    found = {
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.parameters or {"type": "object", "properties": {}},
        "strict": tool.strict,
    }
    return {name: value for name, value in found.items() if value is not None}


def _tool_choice(conversation: Conversation) -> dict[str, Any] | None:
    choice = conversation.tool_choice
    one = conversation.parallel_tool_calls is False and bool(conversation.tools)
    if choice is None:
        return {"type": "auto", "disable_parallel_tool_use": True} if one else None
    found = _choice(choice)
    return {**found, "disable_parallel_tool_use": True} if one and choice.mode != "none" else found


def _choice(choice: ToolChoice) -> dict[str, Any]:
    if choice.mode == "tool":
        return {"type": "tool", "name": choice.name}
    return {"type": _MODES[choice.mode]}


def _output_config(conversation: Conversation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if conversation.effort is not None:
        found["effort"] = conversation.effort
    if conversation.output_format is not None:
        schema = conversation.output_format.schema
        found["format"] = {"type": "json_schema", "schema": schema}
    return found
