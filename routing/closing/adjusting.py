"""PURE: what a proposal of an adjustment says, and what an entry says of many."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from audit.merkle import canonical
from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.ids import call_name
from controlplane.kernel.money import format_nano, parse_nano
from routing.closing.months import span_of

LATE_USAGE, PRICE, CREDIT, INVOICE, HOURS = KINDS = (
    "late-usage",
    "price-correction",
    "credit",
    "invoice-difference",
    "hours-correction",
)
PROPOSED, ACCEPTED, REJECTED = STATES = ("proposed", "accepted", "rejected")
LONGEST_NOTE: Final = 500
MICRO: Final = 10**6
"""Microhours of an hour: a share of hours is whole microhours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One adjustment that somebody, or a job, proposes. The same `occurrence` of a tenant is proposed once, ever.

    `amount_nano` is what the corrected month costs more, or below zero less; `corrects` is that month, `2026-10`. `microhours`
    move with it where it is a share of a model that is bought by the hour.
    """

    tenant: str
    corrects: str
    kind: str
    amount_nano: int
    occurrence: str
    call: UUID | None = None
    attempt: int = 0
    microhours: int = 0
    team: str = ""
    route: str = ""
    model: str = ""
    provider: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        """Raise InvalidRequest for what is no adjustment."""
        if self.kind not in KINDS:
            raise InvalidRequest(f'"{self.kind[:40]}" is no kind; use {", ".join(KINDS)}')
        if not self.amount_nano:
            raise InvalidRequest("an adjustment of nothing adjusts nothing")
        if not self.tenant or not self.occurrence:
            raise InvalidRequest("an adjustment names its tenant and what it comes from")
        if len(self.note) > LONGEST_NOTE:
            raise InvalidRequest(f"a note has at most {LONGEST_NOTE} characters")
        try:
            span_of(self.corrects, "UTC")
        except ValueError as error:
            raise InvalidRequest(str(error)) from None

    def told(self) -> dict[str, Any]:
        """As entries and statements write it; no member that is empty."""
        found = {
            "kind": self.kind,
            "corrects": self.corrects,
            "amount": format_nano(self.amount_nano),
            "hours": told_hours(self.microhours) if self.microhours else "",
            "occurrence": self.occurrence,
            "call": call_name(self.call) if self.call else "",
            "attempt": self.attempt,
            "team": self.team,
            "route": self.route,
            "model": self.model,
            "provider": self.provider,
            "note": self.note,
        }
        return {name: value for name, value in found.items() if value}


def told_hours(microhours: int) -> str:
    """`372.5`, `-0.25`: no more places than it has."""
    whole, rest = divmod(abs(microhours), MICRO)
    text = f"{whole}.{rest:06d}".rstrip("0").rstrip(".")
    return f"-{text}" if microhours < 0 else text


def signed_nano(text: str) -> int:
    """`-12.50` in nano units. Raises InvalidRequest."""
    try:
        found = parse_nano(text.removeprefix("-"))
    except ValueError as error:
        raise InvalidRequest(str(error)) from None
    return -found if text.startswith("-") else found


def by_tenant(rows: Iterable[Proposal]) -> Mapping[str, Sequence[Proposal]]:
    """An entry is of one tenant; of the same occurrence the first counts."""
    found: dict[str, dict[str, Proposal]] = defaultdict(dict)
    for row in rows:
        found[row.tenant].setdefault(row.occurrence, row)
    return {tenant: tuple(found[tenant].values()) for tenant in sorted(found)}


def digest_of(rows: Sequence[Proposal]) -> str:
    """SHA-256 over the canonical list: the entry of many rows binds each."""
    return hashlib.sha256(canonical.dumps([row.told() for row in rows])).hexdigest()
