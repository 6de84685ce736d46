"""Attempts that stayed unknown: dispatched and lost. Each holds its reservation until somebody says what it cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet

from controlplane.kernel.errors import Conflict, MandateError
from policies.bundles.snapshot import bundle_at
from policies.decisions.models import Decision
from policies.engine.decide import decide
from policies.engine.facts import decode
from policies.engine.prices import PriceRef
from routing.calls.models import Attempt
from routing.ledger.settle import UNKNOWN_HOURS


@dataclass(frozen=True, slots=True)
class UnknownAttempt:
    """One of them, with its call's names. `due_at` is when its whole reservation is posted by itself."""

    call: UUID
    no: int
    tenant: str
    team: str
    key: str
    route: str
    model: str
    model_tenant: str
    provider: str
    reserved_nano: int
    started_at: datetime | None
    unknown_at: datetime

    @property
    def due_at(self) -> datetime:
        """The moment from which the job reconciles it."""
        return self.unknown_at + timedelta(hours=UNKNOWN_HOURS)


def rows_of(attempts: Sequence[Attempt]) -> list[UnknownAttempt]:
    """The attempts as pages, API and command line show them; their calls were read with them."""
    return [
        UnknownAttempt(
            call=row.call_id,
            no=row.no,
            tenant=row.call.tenant,
            team=row.call.team,
            key=row.call.key,
            route=row.call.route,
            model=row.model,
            model_tenant=row.model_tenant,
            provider=row.provider,
            reserved_nano=row.reserved_nano,
            started_at=row.started_at,
            unknown_at=row.unknown_at,
        )
        for row in attempts
        if row.unknown_at is not None
    ]


def page_of_calls(
    rows: QuerySet[Attempt], limit: int, before: UUID | None
) -> tuple[list[UnknownAttempt], UUID | None]:
    """About `limit` of them, newest call first, whole calls only; and the call after which the next page begins."""
    if before is not None:
        rows = rows.filter(call__lt=before)
    found = list(rows.select_related("call").order_by("-call_id", "-no")[: limit + 1])
    if len(found) <= limit:
        return rows_of(found), None
    whole = [row for row in found if row.call_id != found[-1].call_id] or found
    return rows_of(whole), whole[-1].call_id


def price_of(attempt: Attempt) -> PriceRef:
    """The price that the attempt reserved at, from the decision made again. Raises Conflict where that says none."""
    records = Decision.objects.filter(call=attempt.call_id, stage="request").order_by("-no")
    # a later record is of a later start: the attempt's own is the newest that is not younger than it
    record = next((r for r in records if r.revision <= attempt.revision), None)
    try:
        plan = record and decide(bundle_at(record.revision), decode(bytes(record.facts))).plan
    except MandateError as error:
        raise Conflict(f"the price of this attempt cannot be told: {error.message}") from error
    for step in plan.steps if plan else ():
        if (step.model_tenant, step.model) == (attempt.model_tenant, attempt.model):
            return step.price
    raise Conflict("the price of this attempt is in no decision of its call; give an amount")
