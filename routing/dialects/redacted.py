"""A request, or an answer, without what detectors find in it: in every string of its JSON, by position. Pure.

Strings that hold JSON themselves (arguments of tools) are read as JSON, so that what comes out is JSON again. A whole number
that is a card's becomes a string. Every byte outside a string with a match stays the caller's own.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

import msgspec

from controlplane.kernel.errors import InvalidRequest
from routing.dialects.detectors import RULES, is_card
from routing.dialects.detectors import redacted as without
from routing.dialects.registry import dialect
from routing.exchange import Answer, CallRequest, Choice, Text, ToolCall

CODE: Final = "not_redactable"
_TOKEN: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|-?[0-9][0-9.eE+-]*')
_KEY: Final = re.compile(r"[ \t\n\r]*:")
_TELLING: Final = re.compile(r"[0-9@\\]")
_ENCODED: Final = re.compile(r"[A-Za-z0-9+/_-]{512}")
_SEALED: Final = frozenset({"signature", "encrypted_content", "thought_signature"})
"""What a vendor wrote and only that vendor reads."""
_LEVELS: Final = 4


class NotRedactable(InvalidRequest):
    """Nobody can look into a part of it, or a match is the name of a member. The message never quotes content."""


class Redacted(NamedTuple):
    """What goes on, and how many matches of each detector were taken out."""

    request: CallRequest
    counts: Mapping[str, int]


def told(counts: Mapping[str, int]) -> dict[str, object]:
    """What an entry says of it: no word of what was found; nothing where nothing was."""
    if not counts:
        return {}
    return {"redacted": {"counts": dict(sorted(counts.items())), "rules": RULES}}


def of_request(request: CallRequest, names: Collection[str]) -> Redacted:
    """The request as it goes upstream; itself where nothing is found. Raises NotRedactable."""
    if not names:
        return Redacted(request, {})
    text = request.raw.decode()
    said, counts = _Json(names, attachments=False).of(text)
    if not counts:
        return Redacted(request, {})
    speaks = dialect(request.dialect)
    try:
        again = speaks.parse_request(said.encode(), request.headers, request.query)
    except InvalidRequest:
        raise NotRedactable("the request cannot be read any more once it is redacted") from None
    return Redacted(again, counts)


def of_body(body: bytes, names: Collection[str]) -> tuple[bytes, Mapping[str, int]]:
    """The same of the body of a plain answer, in any dialect. Raises NotRedactable."""
    said, counts = _Json(names, attachments=True).of(body.decode())
    return said.encode(), counts


def of_answer(answer: Answer, names: Collection[str]) -> tuple[Answer, Mapping[str, int]]:
    """The same of an answer as a value: its text, its refusal, what it calls tools with. Raises NotRedactable."""
    looks = _Json(names, attachments=True)
    choices = tuple(_choice(choice, looks) for choice in answer.choices)
    return msgspec.structs.replace(answer, choices=choices), looks.counts


def _choice(choice: Choice, looks: "_Json") -> Choice:
    parts: list[Text | ToolCall] = []
    for part in choice.parts:
        if isinstance(part, Text):
            parts.append(Text(looks.words(part.text)))
        else:
            parts.append(ToolCall(part.id, part.name, looks.words(part.arguments)))
    refusal = looks.words(choice.refusal)
    return msgspec.structs.replace(choice, parts=tuple(parts), refusal=refusal, logprobs=None)


class _Json:
    """One text of JSON on its way through the detectors."""

    def __init__(self, names: Collection[str], *, attachments: bool) -> None:
        self._names = frozenset(names)
        self._attachments = attachments
        self.counts: Counter[str] = Counter()

    def of(self, text: str, levels: int = _LEVELS) -> tuple[str, Counter[str]]:
        """The text, with every string in it looked at."""
        out: list[str] = []
        at, member = 0, ""
        for token in _TOKEN.finditer(text):
            said = token[0]
            is_key = said[0] == '"' and _KEY.match(text, token.end()) is not None
            now = self._token(said, member, levels, is_key=is_key)
            member = said[1:-1] if is_key else member
            if now != said:
                out += (text[at : token.start()], now)
                at = token.end()
        out.append(text[at:])
        return "".join(out), self.counts

    def _token(self, said: str, member: str, levels: int, *, is_key: bool) -> str:
        if said[0] != '"':
            if "card" not in self._names or not is_card(said):
                return said
            self.counts["card"] += 1
            return '"[card]"'
        if member in _SEALED or _TELLING.search(said) is None:
            return said
        value: str = json.loads(said)
        if not self._attachments and not is_key and _ENCODED.search(value):
            raise NotRedactable(
                "an encoded attachment cannot be looked into; send its text, or ask a route without redaction"
            )
        now = self.words(value, levels)
        if now == value:
            return said
        if is_key:
            raise NotRedactable("the name of a member of the request would have to be redacted")
        try:
            now.encode()
        except UnicodeEncodeError:  # half of a surrogate pair, which an upstream may send
            return json.dumps(now)
        return json.dumps(now, ensure_ascii=False)

    def words(self, value: str, levels: int = _LEVELS) -> str:
        """A text as JSON where it is JSON, else as words."""
        if levels and value.lstrip()[:1] in ("{", "[", '"'):
            try:
                json.loads(value)
            except (ValueError, RecursionError):
                pass
            else:
                return self.of(value, levels - 1)[0]
        now, counts = without(value, self._names)
        self.counts += counts
        return now
