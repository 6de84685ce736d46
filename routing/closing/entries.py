"""What the log is told of months: prepared, closed, their hours split or falling otherwise."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from audit.log.entry import Entry, build
from controlplane.kernel.money import format_nano
from controlplane.kernel.principal import ORGANISATION
from policies.order.ids import new_id
from routing.closing import hours
from routing.closing.adjusting import Proposal
from routing.closing.hours import Part
from routing.closing.models import Statement
from routing.closing.statements import digest_of


class Step(NamedTuple):
    """Who did it, and when."""

    at: datetime
    actor: str


def of_month(kind: str, entry: UUID, step: Step, row: Statement, told: Mapping[str, Any]) -> Entry:
    """Of a tenant's month, with a statement of it."""
    return build(
        kind,
        id=entry,
        at=step.at,
        actor=step.actor,
        tenant=row.tenant,
        subject=f"period:{row.tenant}/{row.period}",
        data=dict(told),
    )


def hours_split(entry: UUID, month: str, rows: Sequence[Part], step: Step) -> Entry:
    """Of the shares that were frozen for all tenants."""
    told = {"models": sorted({one.model for one in rows}), "shares": len(rows)}
    return _of_hours("capacity.split", entry, month, step, told | _figures(rows))


def hours_corrected(
    month: str, now: Sequence[Part], wanted: Sequence[Proposal], step: Step
) -> Entry:
    """Of the models of which something was proposed: what their hours cost by now, for all tenants."""
    models = {one.model for one in wanted}
    told = {
        "proposed": format_nano(sum(one.amount_nano for one in wanted)),
        "models": sorted(models),
        "number": len(wanted),
    }
    figures = _figures([part for part in now if part.model in models])
    return _of_hours("capacity.corrected", new_id(), month, step, told | figures)


def _of_hours(kind: str, entry: UUID, month: str, step: Step, told: Mapping[str, Any]) -> Entry:
    return build(
        kind,
        id=entry,
        at=step.at,
        actor=step.actor,
        tenant=ORGANISATION,
        subject=f"capacity:{month}",
        data={"period": month, **told},
    )


def _figures(rows: Sequence[Part]) -> dict[str, Any]:
    return {
        "cost": format_nano(sum(one.cost_nano for one in rows)),
        "unused": format_nano(hours.of_nano(rows, ORGANISATION)),
        "digest": digest_of(hours.canonical_of(rows)),
    }
