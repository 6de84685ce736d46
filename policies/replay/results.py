"""PURE: what a replay came to, as canonical JSON with its digest, and as each viewer may see it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from audit.merkle import canonical
from policies.engine.decision import ENGINE
from policies.replay.values import Counts, Tally, counts_of, shown

BASIS = (
    "the tokens that calls used, at the prices of the two plans; a call that never ran counts with its bound, "
    "one that would wait for a person does not count"
)


@dataclass(frozen=True, slots=True)
class Result:
    """The canonical text, its SHA-256 (hex), and the sums that its entry carries."""

    text: str
    digest: str
    said: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Part:
    """What one viewer sees of it: the tenants' sums, and their sum. `whole`: nothing is left out."""

    tenants: Mapping[str, Counts]
    counts: Counts
    whole: bool
    said: Mapping[str, Any]

    @property
    def currency(self) -> str:
        """The organisation's currency."""
        return str(self.said["cost"]["currency"])


def result_of(head: Mapping[str, object], currency: str, tally: Tally) -> Result:
    """The result of a tally. `head` says what was compared: base, draft, window, and for a drill what was taken away."""
    whole = tally.whole
    body: dict[str, object] = {
        **head,
        "engine": ENGINE,
        "cost": {"currency": currency, "basis": BASIS},
        "counts": shown(whole),
        "tenants": {name: shown(tally.tenants[name]) for name in sorted(tally.tenants)},
    }
    text = canonical.dumps(body)
    counts = {
        name: number
        for name, number in shown(whole).items()
        if name in ("calls", "denied", "held", "permitted", "rerouted", "altered", "undecidable")
    }
    return Result(text.decode(), sha256(text).hexdigest(), counts)


def part_of(text: str, seen: frozenset[str] | None) -> Part:
    """The part of a result about the tenants of `seen`; None: all of it."""
    said: dict[str, Any] = json.loads(text)
    # INVARIANT: no sum over tenants that the viewer does not see
    tenants = {
        name: counts_of(counts)
        for name, counts in said["tenants"].items()
        if seen is None or name in seen
    }
    total = Counts()
    for counts in tenants.values():
        total.add(counts)
    return Part(tenants, total, len(tenants) == len(said["tenants"]), said)
