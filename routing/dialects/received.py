"""What every dialect checks of a request before it is understood: size, form, limits, and where the fields lie."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from msgspec.structs import replace

from controlplane.kernel.errors import InvalidRequest, TooLarge
from routing.dialects.scan import MAX_DEPTH, STRICT, NotReadable, Scanned, deeper_than, scan_object
from routing.exchange import CallRequest

MAX_BODY_BYTES: Final = 32 * 1024 * 1024
MAX_MESSAGES: Final = 2048
MAX_TOOLS: Final = 128
MAX_CHOICES: Final = 128
MAX_OUTPUT_TOKENS: Final = 10_000_000
MAX_METADATA: Final = 16
MAX_METADATA_KEY: Final = 64
MAX_METADATA_VALUE: Final = 512
MAX_NAME: Final = 256

# Bounds for money beside the text itself, in tokens. What vendors add around a message, a tool, a schema is theirs and
# unpublished; these are above what was seen. A picture costs by its size in pixels, never by the length of its base64.
REQUEST_TOKENS: Final = 64
MESSAGE_TOKENS: Final = 16
TOOL_TOKENS: Final = 64
PREAMBLE_TOKENS: Final = 1024
IMAGE_TOKENS_MAX: Final = 16_384
IMAGE_TOKENS_LOW: Final = 3_072
IMAGE_TOKENS_ESTIMATE: Final = 1_600
BYTES_PER_TOKEN: Final = 4

_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]").search


class Received(NamedTuple):
    """A request body that is a well-formed JSON object within the limits."""

    raw: bytes
    text: str
    values: dict[str, Any]
    scanned: Scanned


class Weight(NamedTuple):
    """What a request carries besides text, for the token bounds."""

    messages: int = 0
    tools: int = 0
    images: int = 0
    images_low: int = 0
    image_bytes: int = 0
    files: int = 0
    schema: bool = False
    away: int = 0
    """Of the files those whose bytes are not in the request: named by address or by id."""


def receive(raw: bytes) -> Received:
    """Read a body. Raises TooLarge above 32 MiB, InvalidRequest for anything but one unambiguous JSON object."""
    if len(raw) > MAX_BODY_BYTES:
        raise TooLarge(
            f"the body has {len(raw)} bytes; at most {MAX_BODY_BYTES} (32 MiB) are accepted"
        )
    try:
        text = raw.decode()
    except UnicodeDecodeError as problem:
        raise InvalidRequest(f"the body is not UTF-8 at byte {problem.start}") from None
    try:
        scanned = scan_object(text, STRICT)
    except NotReadable as problem:
        raise InvalidRequest(_where(text, problem)) from None
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and deeper_than(scanned.values, MAX_DEPTH):
        raise InvalidRequest(f"the body is nested deeper than {MAX_DEPTH} levels")
    if _SURROGATE(raw) is not None:
        _whole_characters(scanned.values)
    return Received(raw, text, scanned.values, scanned)


def _where(text: str, problem: NotReadable) -> str:
    if problem.place is None:
        return f"the body cannot be read: {problem.reason}"
    line = text.count("\n", 0, problem.place) + 1
    column = problem.place - text.rfind("\n", 0, problem.place)
    return f"the body cannot be read at line {line}, column {column}: {problem.reason}"


def _whole_characters(values: dict[str, Any]) -> None:
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidRequest(
            "the body has half of a surrogate pair (\\ud800 to \\udfff); send whole characters"
        ) from None


def spans_of(received: Received, names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Where the values of these fields lie, in bytes of the body; absent fields are left out."""
    text, places = received.text, received.scanned.places
    found = {name: places[name] for name in names if name in places}
    if text.isascii():
        return {name: (place.start, place.end) for name, place in found.items()}
    spans: dict[str, tuple[int, int]] = {}
    chars, size = 0, 0
    for name, place in sorted(found.items(), key=lambda item: item[1].start):
        size += len(text[chars : place.start].encode())
        start, chars = size, place.end
        size += len(text[place.start : place.end].encode())
        spans[name] = (start, size)
    return spans


def replaced(request: CallRequest, values: Mapping[str, bytes]) -> bytes:
    """The received bytes with these fields' values; fields that are not there are inserted at the front.

    INVARIANT: every byte outside the replaced values is the caller's own.
    """
    raw, here = request.raw, 0
    out: list[bytes] = []
    missing = [name for name in values if name not in request.spans]
    if missing:
        here = raw.index(b"{") + 1
        fields = b"".join(b'"%b":%b,' % (name.encode(), values[name]) for name in missing)
        out.append(raw[:here] + fields)
    for (start, end), name in sorted((request.spans[n], n) for n in values if n in request.spans):
        out += (raw[here:start], values[name])
        here = end
    out.append(raw[here:])
    return b"".join(out)


def part_of(request: CallRequest, name: str) -> Any:  # noqa: ANN401  # any JSON value
    """The value of a field with a span, or None when it is absent."""
    if name not in request.spans:
        return None
    start, end = request.spans[name]
    return json.loads(request.raw[start:end])


def string(values: Mapping[str, Any], name: str, *, most: int = MAX_NAME) -> str | None:
    """An optional string field. Raises InvalidRequest."""
    value = values.get(name)
    if value is None:
        return None
    if type(value) is not str:
        raise InvalidRequest(f'"{name}" is {_shown(value)}; send a string')
    if len(value) > most:
        raise InvalidRequest(f'"{name}" has {len(value)} characters; at most {most} are accepted')
    return value


def whole(values: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    """An optional whole number. Raises InvalidRequest."""
    value = values.get(name)
    if value is None:
        return None
    if type(value) is not int or not least <= value <= most:
        raise InvalidRequest(
            f'"{name}" is {_shown(value)}; send a whole number from {least} to {most}'
        )
    return value


def flag(values: Mapping[str, Any], name: str) -> bool | None:
    """An optional true or false. Raises InvalidRequest."""
    value = values.get(name)
    if value is not None and type(value) is not bool:
        raise InvalidRequest(f'"{name}" is {_shown(value)}; send true or false')
    return value


def number(values: Mapping[str, Any], name: str) -> float | None:
    """An optional number. Raises InvalidRequest."""
    value = values.get(name)
    if value is not None and type(value) not in (int, float):
        raise InvalidRequest(f'"{name}" is {_shown(value)}; send a number')
    return value


def objects(values: Mapping[str, Any], name: str, most: int) -> list[dict[str, Any]]:
    """An optional list of objects. Raises InvalidRequest."""
    value = values.get(name)
    if value is None:
        return []
    if type(value) is not list or any(type(item) is not dict for item in value):
        raise InvalidRequest(f'"{name}" is {_kind(value)}; send a list of objects')
    if len(value) > most:
        raise InvalidRequest(f'"{name}" has {len(value)} items; at most {most} are accepted')
    return value


def mapping(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An optional object. Raises InvalidRequest."""
    value = values.get(name)
    if value is None:
        return {}
    if type(value) is not dict:
        raise InvalidRequest(f'"{name}" is {_kind(value)}; send an object')
    return value


def metadata(values: Mapping[str, Any]) -> dict[str, str]:
    """The caller's labels: at most 16, keys of 64, values of 512 characters. Raises InvalidRequest."""
    found = {k: v for k, v in mapping(values, "metadata").items() if v is not None}
    if len(found) > MAX_METADATA:
        raise InvalidRequest(
            f'"metadata" has {len(found)} keys; at most {MAX_METADATA} are accepted'
        )
    for key, value in found.items():
        if len(key) > MAX_METADATA_KEY:
            raise InvalidRequest(
                f'"metadata" has the key "{key[:MAX_METADATA_KEY]}…" of {len(key)} characters; '
                f"at most {MAX_METADATA_KEY} are accepted"
            )
        string({f"metadata.{key}": value}, f"metadata.{key}", most=MAX_METADATA_VALUE)
    return found


def labelled(request: CallRequest, header: str) -> CallRequest:
    """The request with the labels of the header `x-mandate-labels`, which no provider sees: `case=4711, kind=motor`.

    Values are percent-encoded. What the body's metadata says of the same label counts. Raises InvalidRequest.
    """
    if not header.strip():
        return request
    sent: dict[str, Any] = {}
    for part in header.split(","):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise InvalidRequest(
                f'x-mandate-labels has "{part.strip()[:40]}"; send pairs as in case=4711, kind=motor'
            )
        sent[unquote(name.strip())] = unquote(value.strip())
    labels = metadata({"metadata": sent | request.outline.labels})
    return replace(request, outline=replace(request.outline, labels=labels))


def route_of(values: Mapping[str, Any]) -> str:
    """The route a caller names as `model`. Raises InvalidRequest."""
    route = string(values, "model")
    if not route:
        raise InvalidRequest('"model" is missing; send the name of a route')
    return route


def messages_of(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages, at least one. Raises InvalidRequest."""
    found = objects(values, "messages", MAX_MESSAGES)
    if not found:
        raise InvalidRequest('"messages" is missing or empty; send at least one message')
    return found


def lies_elsewhere(held: object, *names: str) -> bool:
    """Whether a file is only named: it has its content under none of these names."""
    return type(held) is not dict or not any(held.get(name) for name in names)


def bounds(raw: bytes, weight: Weight) -> tuple[int, int]:
    """Input tokens: an upper bound for money, and an estimate for context windows.

    A tokenizer makes at most one token of a byte, and JSON never has fewer bytes than the text it carries.
    """
    text = len(raw) - weight.image_bytes
    around = REQUEST_TOKENS + MESSAGE_TOKENS * weight.messages + TOOL_TOKENS * weight.tools
    around += PREAMBLE_TOKENS * (bool(weight.tools) + weight.schema)
    pictures = IMAGE_TOKENS_MAX * (weight.images + weight.files)
    most = text + around + pictures + IMAGE_TOKENS_LOW * weight.images_low
    counted = weight.images + weight.images_low + weight.files
    return most, text // BYTES_PER_TOKEN + IMAGE_TOKENS_ESTIMATE * counted


def _shown(value: object) -> str:
    """A setting as JSON, short: quoted back to the caller who sent it."""
    if isinstance(value, dict | list):
        return _kind(value)
    return json.dumps(value[:40] if isinstance(value, str) else value)[:60]


def _kind(value: object) -> str:
    """What may be content is named by its kind only: no message of ours carries a prompt."""
    if isinstance(value, list):
        return "a list with something else" if value else "an empty list"
    kinds = {dict: "an object", str: "a string", bool: "true or false"}
    return kinds.get(type(value), "a number")
