"""PURE: who and what the demo has, and its documents with the sandbox's address filled in."""

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from policies.documents.document import Document
from policies.documents.parse import parse_text

FOLDER = Path(__file__).resolve().parent
ROUTE = "claims-triage"
"""The route that the first key may call plain, streamed, in every dialect, unreviewed."""
ZONE = ZoneInfo("Europe/Berlin")
TEAMS = ("insurance/claims", "insurance/underwriting", "retail/support", "group/data-science")
"""Each gets one key; the first one's is the first key."""
BURST = "group/burst"
"""The team of `routing.burst`: its key's secret is told to nobody."""
VENDORS = {
    "openai": ("OPENAI_API_KEY", "api.openai.com"),
    "anthropic": ("ANTHROPIC_API_KEY", "api.anthropic.com"),
}
"""Real vendors: the variable that brings them in, and the only host their key may be sent to."""
WRITTEN: Final = date(2026, 11, 1)
"""When the documents were written. Whatever is dated in them stays as far from the month in which a demo is seeded."""
_DATE: Final = re.compile(r"\b(20[0-9]{2})-([0-9]{2})-([0-9]{2})\b")


@dataclass(frozen=True, slots=True)
class Person:
    """One of the demo's people. `teams` are written `tenant/team`; roles are in the documents, named here for the welcome."""

    name: str
    email: str
    roles: tuple[str, ...]
    teams: tuple[str, ...] = ()


PEOPLE = (
    Person("Ada", "ada@acme.example", ("admin", "author")),
    Person("Cleo", "cleo@acme.example", ("author", "approver", "auditor")),
    Person("Rui", "rui@acme.example", ("reviewer",), ("insurance/claims",)),
    Person("Tariq", "tariq@acme.example", ("developer",), ("insurance/claims",)),
    Person("Finn", "finn@acme.example", ("finance",)),
    Person("Mallory", "mallory@acme.example", ("developer",), ("retail/support",)),
)
TOKENS = {
    "admin": "ada@acme.example",
    "author": "cleo@acme.example",
    "approver": "cleo@acme.example",
    "reviewer": "rui@acme.example",
    "finance": "finn@acme.example",
    "auditor": "cleo@acme.example",
    "developer": "tariq@acme.example",
}
"""Role to the person whose personal token shows it."""


def documents(
    sandbox: str, vendors: frozenset[str] = frozenset(), *, on: date = WRITTEN
) -> list[Document]:
    """The demo's documents as of a day, every vendor at `sandbox` (`http://127.0.0.1:9001`), and the real `vendors` beside."""
    return list(_read(sandbox, vendors, (on.year - WRITTEN.year) * 12 + on.month - WRITTEN.month))


def _read(sandbox: str, vendors: frozenset[str], months: int) -> Iterator[Document]:
    files = sorted((FOLDER / "documents").glob("*.yaml"))
    files += [FOLDER / "live" / f"{vendor}.yaml" for vendor in sorted(vendors)]
    for path in files:
        text = path.read_text(encoding="utf-8").replace("${SANDBOX}", sandbox)
        yield from parse_text(_DATE.sub(lambda found: _moved(found, months), text), path.name)


def _moved(found: re.Match[str], months: int) -> str:
    year, month, day = map(int, found.groups())
    years, month = divmod(year * 12 + month - 1 + months, 12)
    return f"{years:04d}-{month + 1:02d}-{min(day, monthrange(years, month + 1)[1]):02d}"
