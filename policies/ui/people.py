"""How actors and messages are written for people."""

import re
from collections.abc import Mapping
from typing import Final

from policies.identity.models import User

_MEMBER: Final = re.compile(r"\bmember:(?=[^\s@]+@)")
NOBODY: Mapping[str, str] = {}


def names() -> Mapping[str, str]:
    """What members are called, by address."""
    return dict(User.objects.exclude(name="").values_list("email", "name"))


def people() -> tuple[Mapping[str, str], frozenset[str]]:
    """What members are called, by address, and the addresses of those who are members still."""
    rows = list(User.objects.values_list("email", "name", "is_active"))
    return {e: name for e, name, _ in rows if name}, frozenset(e for e, _, active in rows if active)


def person(actor: str, known: Mapping[str, str] = NOBODY) -> str:
    """The name of `member:ada@acme.example` where it is known, else the address; jobs and the command line are named."""
    kind, _, name = actor.partition(":")
    if kind == "member":
        return known.get(name, name)
    if kind == "job":
        return "the system"
    if kind == "cli":
        return f"{name} (command line)"
    return name or actor


def person_in_full(actor: str, known: Mapping[str, str]) -> str:
    """The name with the address in brackets, for what is printed; also of the address alone that a document names."""
    kind, colon, address = actor.partition(":")
    if not colon:
        kind, address = ("member", actor) if "@" in actor else ("", "")
    if kind != "member":
        return person(actor, known) if colon else actor
    name = known.get(address, "")
    return f"{name} ({address})" if name else address


def sentence(message: str) -> str:
    """An error's message as a sentence of its own; members in it are their addresses."""
    text = _MEMBER.sub("", message[:1].upper() + message[1:])
    return text if text.endswith((".", "!", "?")) else f"{text}."
