"""A request without some of its tools: cut out by position, so that every other byte stays the caller's own."""

import json
from collections.abc import Collection
from typing import Any, Final

from routing.dialects.registry import dialect
from routing.dialects.scan import STRICT, Place, scan_object, without_member
from routing.exchange import CallRequest

_LISTS: Final = ("tools", "functions")
_CHOICES: Final = ("tool_choice", "function_call")
_BESIDE: Final = (*_CHOICES, "parallel_tool_calls")
"""What vendors refuse where there are no tools."""
_SPACE: Final = " \t\n\r"


def taken_from(request: CallRequest, names: Collection[str]) -> tuple[str, ...]:
    """Which of these tools the caller offers, in order."""
    return tuple(sorted(set(names) & set(request.outline.tools)))


def without_tools(request: CallRequest, names: Collection[str]) -> CallRequest:
    """The request as if these tools had never been offered; itself where none of them is.

    A choice of a tool that is gone goes with it; one of several allowed tools keeps the others. Turns that used such a tool
    before stay: they are what was said.
    """
    taken = frozenset(taken_from(request, names))
    if not taken:
        return request
    text = request.raw.decode()
    for name in _LISTS:
        text = _thinned(text, name, taken)
    for name in _CHOICES:
        text = _rechosen(text, name, taken)
    if not any(scan_object(text, STRICT).values.get(name) for name in _LISTS):
        for name in _BESIDE:
            text = _cut(text, name)
    speaks = dialect(request.dialect)
    return speaks.parse_request(text.encode(), request.headers, request.query)


def _thinned(text: str, name: str, taken: frozenset[str]) -> str:
    scanned = scan_object(text, STRICT)
    if not scanned.values.get(name):
        return text
    place = scanned.places[name]
    items = _items(text, place)
    kept = [said for said, value in items if name_of(value) not in taken]
    if not kept:
        return _cut(text, name)
    if len(kept) == len(items):
        return text
    return f"{text[: place.start]}[{','.join(kept)}]{text[place.end :]}"


def _items(text: str, place: Place) -> list[tuple[str, dict[str, Any]]]:
    """The items of a list that was read before: each as it was written, and its value."""
    found: list[tuple[str, dict[str, Any]]] = []
    at = place.start + 1
    while True:
        while text[at] in _SPACE or text[at] == ",":
            at += 1
        if text[at] == "]":
            return found
        value, end = STRICT(text, at)
        found.append((text[at:end], value))
        at = end


def _rechosen(text: str, name: str, taken: frozenset[str]) -> str:
    """The choice of a tool, where it names one that is gone."""
    scanned = scan_object(text, STRICT)
    value = scanned.values.get(name)
    if type(value) is not dict:
        return text
    if value.get("type") == "allowed_tools":
        return _allowed(text, scanned.places[name], value, taken)
    return _cut(text, name) if name_of(value) in taken else text


def _allowed(text: str, place: Place, value: dict[str, Any], taken: frozenset[str]) -> str:
    """Several allowed tools without those that are gone; none left is none allowed."""
    nested = type(value.get("allowed_tools")) is dict
    holder = value["allowed_tools"] if nested else value
    allowed = [t for t in holder.get("tools") or () if type(t) is dict]
    kept = [tool for tool in allowed if name_of(tool) not in taken]
    if len(kept) == len(allowed):
        return text
    now: Any = "none"
    if kept:
        now = {**holder, "tools": kept}
        now = {**value, "allowed_tools": now} if nested else now
    said = json.dumps(now, separators=(",", ":"), ensure_ascii=False)
    return text[: place.start] + said + text[place.end :]


def _cut(text: str, name: str) -> str:
    places = scan_object(text, STRICT).places
    if name not in places:
        return text
    start, end = without_member(text, places[name])
    return text[:start] + text[end:]


def name_of(tool: dict[str, Any]) -> object:
    """What a tool, or the choice of one, goes by in any dialect: a name, else its type."""
    kind = tool.get("type")
    inner = tool.get(kind) if type(kind) is str else None
    if type(inner) is dict:
        return inner.get("name")
    return tool.get("name") or kind
