"""A statement as canonical JSON (RFC 8785), by pure functions: every amount an exact decimal of the organisation's currency."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from audit.merkle import canonical
from controlplane.kernel.clock import to_text
from controlplane.kernel.ids import call_name, parse_call_name
from controlplane.kernel.money import format_nano, parse_nano
from routing.closing.adjusting import Proposal
from routing.closing.figures import Cut, Held, Line, Month, Open, WindowFigures

FORMAT: Final = "mandate/statement/1"


@dataclass(frozen=True, slots=True)
class Frozen:
    """What a statement keeps of the moment at which it was prepared, beside the month's own figures."""

    head: Mapping[str, Any]
    windows: Sequence[Mapping[str, Any]]
    exchange_rates: Sequence[Any]
    prices: Sequence[Any]
    log: Mapping[str, Any]
    capacity: Sequence[Mapping[str, Any]] = ()
    """The tenant's shares of models bought by the hour, as the month was split for all tenants."""

    @property
    def capacity_nano(self) -> int:
        """What they come to, beside the total."""
        return sum(parse_nano(one["amount"]) for one in self.capacity)


@dataclass(frozen=True, slots=True)
class Accepted:
    """One adjustment of the month."""

    id: UUID
    proposal: Proposal
    decided_by: str


@dataclass(frozen=True, slots=True)
class Counted:
    """The month's own figures."""

    lines: Sequence[Line]
    at: Cut
    adjustments: Sequence[Accepted]
    calls: int
    denied: int

    @property
    def spent_nano(self) -> int:
        """What ended attempts cost."""
        return sum(line.spent_nano for line in self.lines)

    @property
    def accrued_nano(self) -> int:
        """What is held for attempts whose cost was unknown."""
        return sum(one.reserved_nano for one in self.at.held)

    @property
    def adjusted_nano(self) -> int:
        """What the month takes over of others, or gives back."""
        return sum(one.proposal.amount_nano for one in self.adjustments)


def body_of(counted: Counted, frozen: Frozen) -> bytes:
    """The bytes whose SHA-256 is the entry `period.closed`."""
    cost_centre = str(frozen.head.get("costCentre", ""))
    total = counted.spent_nano + counted.accrued_nano + counted.adjusted_nano
    return canonical.dumps(
        {
            **frozen.head,
            "format": FORMAT,
            "lines": [_line(line, cost_centre) for line in counted.lines],
            "accrued": [_held(one) for one in counted.at.held],
            "open": [_open(one) for one in counted.at.open],
            "adjustments": [_adjustment(one) for one in counted.adjustments],
            "budgets": list(frozen.windows),
            "exchangeRates": list(frozen.exchange_rates),
            "prices": list(frozen.prices),
            "log": dict(frozen.log),
            **({"capacity": list(frozen.capacity)} if frozen.capacity else {}),
            "totals": {
                "calls": counted.calls,
                "denied": counted.denied,
                "attempts": sum(line.attempts for line in counted.lines),
                "spent": format_nano(counted.spent_nano),
                "accrued": format_nano(counted.accrued_nano),
                "adjusted": format_nano(counted.adjusted_nano),
                "total": format_nano(total),
                **_beside(total, frozen),
            },
        }
    )


def digest_of(body: bytes) -> str:
    """SHA-256, in hexadecimal digits."""
    return hashlib.sha256(body).hexdigest()


def read_back(body: bytes) -> tuple[Cut, Frozen]:
    """What of a statement cannot be read from the ledger again: its cut, and what it keeps of its moment."""
    told = json.loads(body)
    at = Cut(
        tuple(
            Held(
                parse_call_name(one["call"]),
                one["attempt"],
                parse_nano(one["reserved"]),
                one["state"],
            )
            for one in told["accrued"]
        ),
        tuple(
            Open(parse_call_name(one["call"]), one["attempts"], one["state"])
            for one in told["open"]
        ),
    )
    own = ("format", "lines", "accrued", "open", "adjustments", "totals")
    beside = ("budgets", "exchangeRates", "prices", "log", "capacity")
    head = {name: value for name, value in told.items() if name not in (*own, *beside)}
    return at, Frozen(head, *(told.get(name, ()) for name in beside))


def head_of(month: Month, more: Mapping[str, Any], cut_off: datetime) -> dict[str, Any]:
    """What a statement says of itself."""
    return {
        **more,
        "tenant": month.tenant,
        "starts": to_text(month.starts),
        "until": to_text(month.until),
        "cutOff": to_text(cut_off),
    }


def window_told(one: WindowFigures) -> dict[str, Any]:
    """A budget's window as the statement writes it."""
    return {
        "budget": f"{one.tenant}/{one.budget}" if one.tenant else one.budget,
        "starts": to_text(one.starts),
        "until": to_text(one.ends),
        "limit": format_nano(one.limit_nano),
        "opening": format_nano(one.opening_nano),
        "closing": format_nano(one.closing_nano),
        "pending": format_nano(one.pending_nano),
    }


def _beside(total: int, frozen: Frozen) -> dict[str, str]:
    """No member where nothing was bought by the hour: such a month's bytes are what they always were."""
    if not frozen.capacity:
        return {}
    return {
        "capacity": format_nano(frozen.capacity_nano),
        "withCapacity": format_nano(total + frozen.capacity_nano),
    }


def _line(line: Line, cost_centre: str) -> dict[str, Any]:
    return {
        "costCentre": cost_centre,
        "team": line.team,
        "route": line.route,
        "model": line.model,
        "provider": line.provider,
        "calls": line.calls,
        "attempts": line.attempts,
        "tokensInput": line.tokens_input,
        "tokensCached": line.tokens_cached,
        "tokensCacheWrite": line.tokens_cache_write,
        "tokensOutput": line.tokens_output,
        "spent": format_nano(line.spent_nano),
        "accrued": format_nano(line.held_nano),
    }


def _held(one: Held) -> dict[str, Any]:
    return {
        "call": call_name(one.call),
        "attempt": one.no,
        "reserved": format_nano(one.reserved_nano),
        "state": one.state,
    }


def _open(one: Open) -> dict[str, Any]:
    return {"call": call_name(one.call), "attempts": one.attempts, "state": one.state}


def _adjustment(one: Accepted) -> dict[str, Any]:
    return {"id": one.id.hex, "acceptedBy": one.decided_by, **one.proposal.told()}
