"""Late usage: what attempts of closed months came to after the cut-off, as proposals of adjustments."""

from collections.abc import Iterator

from routing.closing import figures
from routing.closing.adjusting import LATE_USAGE, Proposal
from routing.closing.commands import propose_adjustments
from routing.closing.models import Statement
from routing.closing.statements import read_back

JOB = "job:closing"


def late(statement: Statement) -> Iterator[Proposal]:
    """For each attempt that was accrued or came later: what it cost, less what the statement says of it."""
    at, _ = read_back(bytes(statement.body))
    accrued = {(one.call, one.no): one.reserved_nano for one in at.held}
    known = {one.call: one.attempts for one in at.open}
    for found in figures.later(statement.tenant, at):
        key = (found.call, found.no)
        if key not in accrued and found.no <= known.get(found.call, found.no):
            continue  # it had ended at the cut-off: its line says it
        amount_nano = found.spent_nano - accrued.get(key, 0)
        if amount_nano:
            yield Proposal(
                tenant=statement.tenant,
                corrects=statement.period,
                kind=LATE_USAGE,
                amount_nano=amount_nano,
                occurrence=f"late:{found.call.hex}:{found.no}",
                call=found.call,
                attempt=found.no,
                team=found.team,
                route=found.route,
                model=found.model,
                provider=found.provider,
                note="accrued at its reservation" if key in accrued else "began after the cut-off",
            )


def propose_late() -> int:
    """Propose what has become known since; how many were new. It may run twice."""
    closed = Statement.objects.filter(closed__isnull=False).order_by("id").iterator(chunk_size=20)
    return sum(propose_adjustments(late(statement), actor=JOB) for statement in closed)
