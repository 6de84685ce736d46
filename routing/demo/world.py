"""PURE: who and what the demo has, and its documents with the sandbox's address filled in."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
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


def documents(sandbox: str, vendors: frozenset[str] = frozenset()) -> list[Document]:
    """The demo's documents, every vendor at `sandbox` (`http://127.0.0.1:9001`), and the real `vendors` beside them."""
    return list(_read(sandbox, vendors))


def _read(sandbox: str, vendors: frozenset[str]) -> Iterator[Document]:
    files = sorted((FOLDER / "documents").glob("*.yaml"))
    files += [FOLDER / "live" / f"{vendor}.yaml" for vendor in sorted(vendors)]
    for path in files:
        text = path.read_text(encoding="utf-8").replace("${SANDBOX}", sandbox)
        yield from parse_text(text, path.name)
