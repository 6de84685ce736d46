"""PURE: a caller's own labels and tools that the record has only committed, opened again to decide about and kept nowhere."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from policies.engine.facts import Facts, RequestFacts
from policies.engine.reads import Commit, Reads, project, undecidable
from policies.engine.required import as_sent


@dataclass(frozen=True, slots=True)
class Asked:
    """What the request of a call named, and the call's own key of commitments, which lives as long as its content's keys."""

    labels: Mapping[str, str]
    tools: tuple[str, ...]
    commit: Commit


def opened(facts: Facts, then: Reads, now: Reads, asked: Asked) -> Facts | None:
    """The facts with what rules read now in the clear. None where they are not those that were recorded.

    INVARIANT: nothing is decided about words that the record does not commit to.
    """
    sent = as_sent(facts.request)
    whole = msgspec.structs.replace(sent, labels=dict(asked.labels), tools=asked.tools)
    if project(whole, then, asked.commit) != sent:
        return None
    return msgspec.structs.replace(facts, request=project(whole, now, asked.commit))


def missing_words(asked: RequestFacts, then: Reads, now: Reads) -> tuple[str, ...]:
    """The fields that rules read now and the record has only committed, by name."""
    return tuple(
        dict.fromkeys(
            "request.tools"
            if name == "every tool" or (name in now.tools - then.tools and name not in now.labels)
            else f"request.labels.{name}"
            if name != "every label"
            else "request.labels"
            for name in undecidable(asked, then, now)
        )
    )
