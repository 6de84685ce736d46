"""A responses request: read once, continued from an earlier call, and handed on with only our own fields replaced."""

import json
from collections.abc import Mapping
from typing import Any, Final

from controlplane.kernel.errors import InvalidRequest
from routing.dialects.counts import asked_tier
from routing.dialects.openai_responses.state import final_of
from routing.dialects.received import (
    MAX_MESSAGES,
    MAX_OUTPUT_TOKENS,
    MAX_TOOLS,
    Received,
    Weight,
    bounds,
    flag,
    lies_elsewhere,
    mapping,
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

LIMIT: Final = "max_output_tokens"
LOGPROBS: Final = "message.output_text.logprobs"
REPEATED: Final = (
    "instructions", "max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls", "prompt_cache_key",
    "reasoning", "safety_identifier", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p",
    "truncation", "user",
)  # fmt: skip
"""What an answer repeats of its request."""
_OURS: Final = ("store", "background", "previous_response_id")
_SPANS: Final = ("model", "input", "stream", *_OURS, *REPEATED)
_FORWARDED: Final = frozenset({"openai-beta"})
_SPECIAL: Final = (
    "service_tier", "background_options", "conversation", "prompt", "moderation", "access_programs", "image",
    "context_management",
)  # fmt: skip
_ORDINARY: Final[tuple[object, ...]] = (None, "auto", "default", [], {})
_AT_THE_CALLER: Final = frozenset(
    {"function", "custom", "local_shell", "apply_patch", "computer", "computer_use_preview"}
)
"""Tools whose calls the caller carries out; every other type runs at the vendor, which bills it."""


def parse_request(raw: bytes, headers: Mapping[str, str], query: str) -> CallRequest:
    """Read a body of `POST /v1/responses`. Raises InvalidRequest or TooLarge."""
    received = receive(raw)
    values = received.values
    kept = flag(values, "store") is not False
    background = flag(values, "background") or False
    if background and not kept:
        raise InvalidRequest('"background" is answered by asking again; leave "store" out')
    return CallRequest(
        dialect="openai.responses",
        route=route_of(values),
        stream=flag(values, "stream") or False,
        raw=raw,
        outline=_outline(received),
        spans=spans_of(received, _SPANS),
        headers={name: value for name, value in headers.items() if name in _FORWARDED},
        query=query,
        background=background,
        previous=string(values, "previous_response_id") or "",
        kept=kept,
    )


def items_of(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The input as a list of items, at least one. Raises InvalidRequest."""
    found = values.get("input")
    if type(found) is str:
        return [{"role": "user", "content": found}]
    items = objects(values, "input", MAX_MESSAGES)
    if not items:
        raise InvalidRequest('"input" is missing or empty; send a text or at least one item')
    return items


def _outline(received: Received) -> Outline:
    values = received.values
    items = items_of(values)
    tools = tool_names(values)
    schema = mapping(mapping(values, "text"), "format").get("type") == "json_schema"
    weight = _weigh(items, len(tools), schema=schema)
    most, estimate = bounds(received.raw, weight)
    return Outline(
        tools=tools,
        needs=_needs(values, weight),
        input_tokens_max=most,
        input_tokens_estimate=estimate,
        output_tokens_asked=whole(values, LIMIT, 1, MAX_OUTPUT_TOKENS),
        user=string(values, "user", most=512) or string(values, "safety_identifier", most=512),
        labels=metadata(values),
        include_usage=True,
        special=tuple(_special(values, items)),
        unbounded=bool(weight.away),
        service_tier=asked_tier(values),
    )


def _special(values: Mapping[str, Any], items: list[dict[str, Any]]) -> list[str]:
    """What changes price or place, or brings in content that lies at the vendor and was never seen here."""
    found = [name for name in _SPECIAL if values.get(name) not in _ORDINARY]
    if asked_tier(values):
        found.remove("service_tier")
    if any(tool.get("type") not in _AT_THE_CALLER for tool in values.get("tools") or ()):
        found.append("tools")
    if any(item.get("type") == "item_reference" for item in items):
        found.append("input of type item_reference")
    mode = mapping(values, "reasoning").get("mode")
    return [*found, "reasoning.mode"] if mode not in {None, "standard"} else found


def wants_logprobs(values: Mapping[str, Any]) -> bool:
    """Whether the answer is to tell the probability of each token. Raises InvalidRequest."""
    asked = values.get("include")
    if asked is not None and (type(asked) is not list or any(type(a) is not str for a in asked)):
        raise InvalidRequest('"include" is not a list of names; send a list, or leave it out')
    return LOGPROBS in (asked or ()) or bool(values.get("top_logprobs"))


def _needs(values: Mapping[str, Any], weight: Weight) -> tuple[str, ...]:
    found = {
        "chat": True,
        "tools": bool(weight.tools),
        "json_schema": weight.schema,
        "vision": bool(weight.images or weight.images_low or weight.files),
        "logprobs": wants_logprobs(values),
    }
    return tuple(name for name, needed in found.items() if needed)


def tool_names(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the tools asked for; a tool without a name of its own goes by its type. Raises InvalidRequest."""
    names = []
    for at, tool in enumerate(objects(values, "tools", MAX_TOOLS)):
        kind = tool.get("type")
        name = tool.get("name") if kind in {"function", "custom"} else kind
        if type(name) is not str or not 0 < len(name) <= 128:
            raise InvalidRequest(
                f'"tools[{at}]" has no name; send {{"type": "function", "name": …}}'
            )
        names.append(name)
    return tuple(names)


def _weigh(items: list[dict[str, Any]], tools: int, *, schema: bool) -> Weight:
    images = low = image_bytes = files = away = 0
    for item in items:
        for part in _parts(item):
            kind = part.get("type")
            if kind == "input_image":
                url = part.get("image_url")
                image_bytes += len(url) if type(url) is str and url[:5] == "data:" else 0
                low += part.get("detail") == "low"
                images += part.get("detail") != "low"
            files += kind == "input_file"
            away += kind == "input_file" and lies_elsewhere(part, "file_data")
    return Weight(len(items), tools, images, low, image_bytes, files, schema, away)


def _parts(item: dict[str, Any]) -> list[dict[str, Any]]:
    found = (
        item.get("output") if item.get("type") == "function_call_output" else item.get("content")
    )
    return [part for part in found if type(part) is dict] if type(found) is list else []


def continued(request: CallRequest, earlier: CallRequest, answer: bytes) -> CallRequest:
    """The request with all that went before it: the earlier call's input and output. Instructions do not carry over.

    Raises InvalidRequest where the earlier call has no answer to go on from, or both are too long together.
    """
    final = final_of(answer)
    if final is None or final.get("status") not in {"completed", "incomplete"}:
        raise InvalidRequest(f'"{request.previous}" has no answer to go on from')
    output = [_said(item) for item in final.get("output") or ()]
    items = [*_given(earlier), *(item for item in output if item is not None), *_given(request)]
    raw = replaced(request, {"input": json.dumps(items, ensure_ascii=False).encode()})
    return parse_request(raw, request.headers, request.query)


def _given(request: CallRequest) -> list[dict[str, Any]]:
    return items_of({"input": part_of(request, "input")})


def _said(item: dict[str, Any]) -> dict[str, Any] | None:
    """An item of an answer as input: without the id and status that it had there; what was thought only where it is sealed."""
    if item.get("type") == "reasoning" and not item.get("encrypted_content"):
        return None
    gone = {"status"} if item.get("type") == "reasoning" else {"id", "status"}
    return {name: value for name, value in item.items() if name not in gone}


def splice_request(request: CallRequest, *, model: str, max_output_tokens: int | None) -> bytes:
    """The received bytes for a model of this dialect; see `Dialect.splice_request`.

    What we do ourselves is not asked of the vendor: nothing is kept there, and no call of ours is known there.
    """
    values = {"model": json.dumps(model).encode(), "store": b"false"}
    values |= {
        name: b"null" for name in ("background", "previous_response_id") if name in request.spans
    }
    asked = part_of(request, LIMIT)
    if max_output_tokens is not None and (asked is None or asked > max_output_tokens):
        values[LIMIT] = b"%d" % max_output_tokens
    return replaced(request, values)
