"""A chat completions request: read once, and handed on with only model, token limit and stream options replaced."""

import json
from collections.abc import Mapping
from typing import Any, Final

from controlplane.kernel.errors import InvalidRequest
from routing.dialects.counts import asked_tier
from routing.dialects.received import (
    MAX_CHOICES,
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

LIMITS: Final = ("max_completion_tokens", "max_tokens")
_SPANS: Final = ("model", *LIMITS, "stream", "stream_options")
_FORWARDED: Final = frozenset({"openai-beta"})
_SPECIAL: Final = ("service_tier", "web_search_options", "moderation", "prediction", "audio")
_ORDINARY: Final = (None, "auto", "default")


def parse_request(raw: bytes, headers: Mapping[str, str], query: str) -> CallRequest:
    """Read a body of `POST /v1/chat/completions`. Raises InvalidRequest or TooLarge."""
    received = receive(raw)
    return CallRequest(
        dialect="openai.chat",
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
    messages = messages_of(values)
    tools = tool_names(values)
    schema = mapping(values, "response_format").get("type") == "json_schema"
    weight = _weigh(messages, len(tools), schema=schema)
    most, estimate = bounds(received.raw, weight)
    return Outline(
        tools=tools,
        needs=_needs(values, weight),
        input_tokens_max=most,
        input_tokens_estimate=estimate,
        output_tokens_asked=_asked(values),
        n=whole(values, "n", 1, MAX_CHOICES) or 1,
        user=string(values, "user", most=512) or string(values, "safety_identifier", most=512),
        labels=metadata(values),
        include_usage=mapping(values, "stream_options").get("include_usage") is True,
        special=tuple(_special(values)),
        unbounded=bool(weight.away),
        service_tier=asked_tier(values),
    )


def _special(values: Mapping[str, Any]) -> list[str]:
    found = [name for name in _SPECIAL if values.get(name) not in _ORDINARY]
    if asked_tier(values):
        # a Model document can say what it costs
        found.remove("service_tier")
    return found


def _asked(values: Mapping[str, Any]) -> int | None:
    asked = [whole(values, name, 1, MAX_OUTPUT_TOKENS) for name in LIMITS]
    return min((limit for limit in asked if limit is not None), default=None)


def _needs(values: Mapping[str, Any], weight: Weight) -> tuple[str, ...]:
    found = {
        "chat": True,
        "tools": bool(weight.tools),
        "json_schema": weight.schema,
        "vision": bool(weight.images or weight.images_low or weight.files),
        "logprobs": flag(values, "logprobs") or False,
    }
    return tuple(name for name, needed in found.items() if needed)


def tool_names(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the tools asked for, the deprecated `functions` included. Raises InvalidRequest."""
    names = []
    tools = objects(values, "tools", MAX_TOOLS)
    for at, tool in enumerate(tools):
        inner = tool.get(tool["type"]) if type(tool.get("type")) is str else None
        name = inner.get("name") if type(inner) is dict else None
        names.append(_tool_name(name, f"tools[{at}]"))
    functions = objects(values, "functions", MAX_TOOLS)
    names += [_tool_name(f.get("name"), f"functions[{at}]") for at, f in enumerate(functions)]
    return tuple(names)


def _tool_name(name: object, place: str) -> str:
    if type(name) is not str or not name or len(name) > 128:
        raise InvalidRequest(
            f'"{place}" has no name; send {{"type": "function", "function": {{"name": …}}}}'
        )
    return name


def _weigh(messages: list[dict[str, Any]], tools: int, *, schema: bool) -> Weight:
    images = low = image_bytes = files = away = 0
    for message in messages:
        content = message.get("content")
        if type(content) is not list:
            continue
        for part in content:
            kind = part.get("type") if type(part) is dict else None
            if kind == "image_url":
                image = mapping(part, "image_url")
                url = image.get("url")
                image_bytes += len(url) if type(url) is str and url[:5] == "data:" else 0
                low += image.get("detail") == "low"
                images += image.get("detail") != "low"
            files += kind == "file"
            away += kind == "file" and lies_elsewhere(part.get("file"), "file_data")
    return Weight(len(messages), tools, images, low, image_bytes, files, schema, away)


def splice_request(
    request: CallRequest, *, model: str, max_output_tokens: int | None, limit_field: str = ""
) -> bytes:
    """The received bytes for a model of this dialect; see `Dialect.splice_request`."""
    values = {"model": json.dumps(model).encode()}
    if max_output_tokens is not None:
        values |= _limits(request, max_output_tokens, limit_field)
    if request.stream and not request.outline.include_usage:
        # our books need the usage; the splicer hides it from a caller who did not ask
        options = part_of(request, "stream_options") or {}
        asked = json.dumps({**options, "include_usage": True}, separators=(",", ":"))
        values["stream_options"] = asked.encode()
    return replaced(request, values)


def _limits(request: CallRequest, most: int, limit_field: str) -> dict[str, bytes]:
    asked = {name: part_of(request, name) for name in LIMITS if name in request.spans}
    sent = {name: limit for name, limit in asked.items() if limit is not None}
    if sent:
        return {name: b"%d" % most for name, limit in sent.items() if limit > most}
    name = limit_field or next(iter(asked), LIMITS[0])
    return {name: b"%d" % most}
