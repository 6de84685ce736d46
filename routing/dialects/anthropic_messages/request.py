"""A messages request: read once, and handed on with only model and token limit (and a thinking budget) replaced."""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from controlplane.kernel.errors import InvalidRequest
from routing.dialects.received import (
    MAX_METADATA_VALUE,
    MAX_OUTPUT_TOKENS,
    MAX_TOOLS,
    Received,
    Weight,
    bounds,
    flag,
    lies_elsewhere,
    mapping,
    messages_of,
    metadata,
    objects,
    part_of,
    receive,
    replaced,
    route_of,
    spans_of,
    string,
    whole,
)
from routing.exchange import CallRequest, Outline

LEAST_THINKING: Final = 1024
_SPANS: Final = ("model", "max_tokens", "stream", "thinking")
_FORWARDED: Final = frozenset({"anthropic-version", "anthropic-beta"})
_SPECIAL: Final = ("service_tier", "speed", "inference_geo", "container", "mcp_servers")
_ORDINARY: Final = (None, "auto", "standard", "standard_only")
_CLIENT_TOOLS: Final = ("custom", "bash_", "text_editor_", "memory_", "computer_", "browser_")


class Thinking(NamedTuple):
    """What a lowered token limit makes of a thinking budget: the new value and the words for it."""

    value: dict[str, Any]
    note: str


def parse_request(raw: bytes, headers: Mapping[str, str], query: str) -> CallRequest:
    """Read a body of `POST /v1/messages`. Raises InvalidRequest or TooLarge."""
    received = receive(raw)
    return CallRequest(
        dialect="anthropic.messages",
        route=route_of(received.values),
        stream=flag(received.values, "stream") or False,
        raw=raw,
        outline=_outline(received),
        spans=spans_of(received, _SPANS),
        headers={name: value for name, value in headers.items() if name in _FORWARDED},
        query=query,
    )


def _outline(received: Received) -> Outline:
    values = received.values
    asked = whole(values, "max_tokens", 1, MAX_OUTPUT_TOKENS)
    if asked is None:
        raise InvalidRequest('"max_tokens" is missing; send a whole number of at least 1')
    labels = metadata(values)
    tools = objects(values, "tools", MAX_TOOLS)
    weight = _weigh(messages_of(values), len(tools), schema=_schema(values))
    most, estimate = bounds(received.raw, weight)
    special = [name for name in _SPECIAL if values.get(name) not in _ORDINARY]
    if any(_runs_at_vendor(tool) for tool in tools):
        special.append("tools")
    return Outline(
        tools=tuple(_tool_name(tool, at) for at, tool in enumerate(tools)),
        needs=_needs(weight),
        input_tokens_max=most,
        input_tokens_estimate=estimate,
        output_tokens_asked=asked,
        user=labels.pop("user_id", None)
        or string(values, "user_profile_id", most=MAX_METADATA_VALUE),
        labels=labels,
        include_usage=True,
        special=tuple(special),
        unbounded=bool(weight.away),
    )


def _schema(values: Mapping[str, Any]) -> bool:
    return mapping(values, "output_config").get("format") is not None or bool(
        mapping(values, "output_format")
    )


def _needs(weight: Weight) -> tuple[str, ...]:
    found = {
        "chat": True,
        "tools": bool(weight.tools),
        "json_schema": weight.schema,
        "vision": bool(weight.images or weight.files),
    }
    return tuple(name for name, needed in found.items() if needed)


def _tool_name(tool: dict[str, Any], at: int) -> str:
    # toolsets of the vendor have a type and no name
    name = tool.get("name") or tool.get("type")
    if type(name) is not str or not name or len(name) > 128:
        raise InvalidRequest(
            f'"tools[{at}]" has no name; send {{"name": …, "input_schema": {{…}}}}'
        )
    return name


def _runs_at_vendor(tool: dict[str, Any]) -> bool:
    kind = tool.get("type")
    return type(kind) is str and not kind.startswith(_CLIENT_TOOLS)


def _weigh(messages: list[dict[str, Any]], tools: int, *, schema: bool) -> Weight:
    images = image_bytes = files = away = 0
    waiting: list[Any] = [message.get("content") for message in messages]
    while waiting:
        content = waiting.pop()
        for block in content if type(content) is list else ():
            kind = block.get("type") if type(block) is dict else None
            if kind == "image":
                data = mapping(block, "source").get("data")
                image_bytes += len(data) if type(data) is str else 0
                images += 1
            elif kind == "tool_result":
                waiting.append(block.get("content"))
            files += kind == "document"
            away += kind == "document" and lies_elsewhere(block.get("source"), "data", "content")
    return Weight(len(messages), tools, images, 0, image_bytes, files, schema, away)


def splice_request(
    request: CallRequest, *, model: str, max_output_tokens: int | None, limit_field: str = ""
) -> bytes:
    """The received bytes for a model of this dialect; see `Dialect.splice_request`."""
    values = {"model": json.dumps(model).encode()}
    asked = request.outline.output_tokens_asked
    if max_output_tokens is not None and (asked is None or asked > max_output_tokens):
        values[limit_field or "max_tokens"] = b"%d" % max_output_tokens
        lowered = _thinking(request, max_output_tokens)
        if lowered is not None:
            values["thinking"] = json.dumps(lowered.value, separators=(",", ":")).encode()
    return replaced(request, values)


def splice_notes(request: CallRequest, *, max_output_tokens: int | None) -> list[str]:
    """See `Dialect.splice_notes`."""
    asked = request.outline.output_tokens_asked
    if max_output_tokens is None or asked is None or asked <= max_output_tokens:
        return []
    lowered = _thinking(request, max_output_tokens)
    return [] if lowered is None else [lowered.note]


def _thinking(request: CallRequest, most: int) -> Thinking | None:
    """INVARIANT: a budget that goes upstream is at least 1,024 and less than the token limit beside it."""
    thinking = part_of(request, "thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    if type(budget) is not int or budget < most:
        return None
    kept = max(LEAST_THINKING, budget * most // (request.outline.output_tokens_asked or most))
    if kept >= most:
        return Thinking(
            {"type": "disabled"},
            f"thinking was left out: its budget of {budget} tokens does not fit the limit of {most}",
        )
    return Thinking(
        {**thinking, "budget_tokens": kept},
        f"thinking.budget_tokens was lowered from {budget} to {kept} to stay below the limit of {most}",
    )
