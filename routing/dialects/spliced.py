"""Replacing members of an upstream's answer by position. Nothing here quotes content in an error."""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from routing.dialects.scan import PLAIN, NotReadable, Scanned, scan_object, without_member
from routing.exchange import UnreadableAnswer

ENCODER: Final = msgspec.json.Encoder()
T = TypeVar("T")


class Upstream(NamedTuple):
    """An upstream's JSON object as text, with its members and their places."""

    text: str
    scanned: Scanned

    @property
    def values(self) -> dict[str, Any]:
        """The members' values."""
        return self.scanned.values


def scan_upstream(data: bytes, what: str) -> Upstream:
    """Read an upstream's JSON object. Raises UnreadableAnswer that names `what`, never its content."""
    try:
        text = data.decode()
        return Upstream(text, scan_object(text, PLAIN))
    except UnicodeDecodeError:
        raise UnreadableAnswer(f"{what} is not UTF-8", error_class="server_error") from None
    except NotReadable as problem:
        raise UnreadableAnswer(
            f"{what} is not a JSON object (character {problem.place})", error_class="server_error"
        ) from None


def with_strings(upstream: Upstream, fields: Mapping[str, str], *, drop: str = "") -> bytes:
    """The object with these string members replaced (inserted when missing) and the member `drop` cut out."""
    places = upstream.scanned.places
    edits = [
        (places[name].start, places[name].end, json.dumps(value))
        for name, value in fields.items()
        if name in places
    ]
    if drop in places:
        edits.append((*without_member(upstream.text, places[drop]), ""))
    missing = {name: value for name, value in fields.items() if name not in places}
    if missing:
        at = upstream.text.index("{") + 1
        inserted = json.dumps(missing, separators=(",", ":"))[1:-1]
        edits.append((at, at, inserted + ("," if places else "")))
    return edited(upstream.text, edits).encode()


def edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    """The text with each stretch (start, end) replaced."""
    out: list[str] = []
    here = 0
    for start, end, new in sorted(edits):
        out += (text[here:start], new)
        here = end
    out.append(text[here:])
    return "".join(out)


def decode(decoder: msgspec.json.Decoder[T], data: bytes, what: str) -> T:
    """Decode an upstream's JSON into its declared shape. Raises UnreadableAnswer that never quotes content."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as problem:
        raise UnreadableAnswer(
            f"{what} has an unexpected form: {problem}", error_class="server_error"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UnreadableAnswer(f"{what} is not JSON", error_class="server_error") from None


def as_event(name: str, data: bytes) -> bytes:
    """An event for the wire; data of several lines keeps them."""
    if b"\n" in data:
        data = data.replace(b"\n", b"\ndata: ")
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data) if name else b"data: %b\n\n" % data
