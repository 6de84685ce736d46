"""A small insurer to decide about: the bundle of world.yaml, and facts that differ only in what a test says."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from policies.documents.document import Document
from policies.documents.parse import parse_text
from policies.documents.whole import check_whole, not_yet_executed
from policies.engine.bundle import Bundle
from policies.engine.check import check
from policies.engine.compile import compile_bundle
from policies.engine.facts import Facts, KeyFacts, RequestFacts

WORLD = Path(__file__).with_name("world.yaml")
FACTS = Facts(
    now="2026-11-24T09:30:00.000Z",
    call="0193590f0000700080000000000000aa",
    tenant="insurance",
    team="claims",
    key=KeyFacts(id="ab12cd34"),
    route="claims-triage",
    request=RequestFacts(dialect="openai.chat", input_tokens_max=3000, input_tokens_estimate=900),
)


def documents(extra: str = "") -> list[Document]:
    """The documents of the world, and those of a text."""
    return parse_text(WORLD.read_text() + ("---\n" + extra if extra else ""), "world.yaml")


@cache
def world(extra: str = "") -> Bundle:
    """The compiled world."""
    found = documents(extra)
    assert check_whole(found) == []
    assert not_yet_executed(found) == []
    return compile_bundle(7, found, check(found))


def facts(request: dict[str, Any] | None = None, **changes: Any) -> Facts:
    """FACTS with changes; `request` changes parts of the request."""
    asked = msgspec.structs.replace(FACTS.request, **(request or {}))
    return msgspec.structs.replace(FACTS, request=asked, **changes)
