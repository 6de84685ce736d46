"""Prepare and close months; propose adjustments and decide on them.

One person of finance prepares a statement, another closes the month with it, unless one may do both alone (single-operator). A
proposal changes no figure: accepted, it belongs to the first open month, and the month that it corrects stays what it was.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Sum

from audit.log.append import append
from audit.log.entry import build
from controlplane.kernel.errors import Conflict, InvalidRequest
from controlplane.kernel.money import format_nano
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.bundles.published import Published, published
from policies.engine.bundle import label
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.closing import access, entries, hours, preparing, read, resharing
from routing.closing.adjusting import (
    CREDIT,
    HOURS,
    LONGEST_NOTE,
    Proposal,
    by_tenant,
    digest_of,
)
from routing.closing.entries import Step
from routing.closing.hours import Part
from routing.closing.models import Adjustment, CapacityShare, Period, Statement, Verdict
from routing.closing.months import month_of, said
from routing.closing.statements import body_of
from routing.closing.statements import digest_of as sha256_of

_HOURS_LOOKED_AT: Final = ":hours"
"""A lock beside those of tenants, none of which is called so."""


def lock(tenant: str) -> None:
    """For this transaction nobody else closes a month of the tenant, or adds to one. Of "", taken last: of any tenant."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(7002, hashtext(%s))", [tenant])


def prepare(principal: Principal, tenant: str, month: str) -> Statement:
    """Write down what the month comes to, for another to close it with; prepared again, the newest counts.

    Raises Forbidden, NotFound, InvalidRequest, and Conflict with what stands in the way.
    """
    access.require_close(principal, tenant)
    found, now = published(), mandate_now()
    _require_tenant(found, tenant)
    span = preparing.month_in(found, tenant, month)
    with transaction.atomic():
        lock(tenant)
        _require_ready(found, tenant, month, now)
        counted, frozen = preparing.prepared(found, span, month, now)
        body = body_of(counted, frozen)
        row = Statement(
            id=new_id(),
            cut_off_at=now,
            spent_nano=counted.spent_nano,
            accrued_nano=counted.accrued_nano,
            adjusted_nano=counted.adjusted_nano,
            capacity_nano=frozen.capacity_nano,
            tenant=tenant,
            period=month,
            digest=sha256_of(body),
            prepared_by=principal.actor,
            entry=new_id(),
            body=body,
        )
        row.save(force_insert=True)
        told = {"period": month, "digest": row.digest, **preparing.sums(counted, frozen)}
        append(
            entries.of_month("period.prepared", row.entry, Step(now, principal.actor), row, told)
        )
    return row


def close(principal: Principal, statement: UUID, digest: str) -> Period:
    """Close the month with this statement, whose digest one has seen: from now on nothing in it changes.

    Raises Forbidden, NotFound, and Conflict: closed already, prepared by oneself, or no longer what there is to close.
    """
    row = read.one_statement(access.statements(principal), statement)
    access.require_close(principal, row.tenant)
    found, now = published(), mandate_now()
    # INVARIANT: where it takes two, nobody closes a month with the statement that they prepared
    if read.alone(principal, row.prepared_by, found):
        raise Conflict("you prepared this statement; another member of finance closes the month")
    if digest != row.digest:
        raise Conflict(f'"{digest[:80]}" is not the digest of this statement')
    with transaction.atomic():
        lock(row.tenant)
        _require_ready(found, row.tenant, row.period, now)
        _require_newest(row)
        _split_hours(found, row, Step(now, principal.actor))
        period = Period(
            statement=row,
            entry=new_id(),
            closed_at=now,
            tenant=row.tenant,
            period=row.period,
            closed_by=principal.actor,
        )
        period.save(force_insert=True)
        told = {
            "period": row.period,
            "digest": row.digest,
            "statement": row.id.hex,
            "total": format_nano(row.total_nano),
            **({"capacity": format_nano(row.capacity_nano)} if row.capacity_nano else {}),
            "preparedBy": row.prepared_by,
            "flagged": principal.actor == row.prepared_by,
        }
        append(
            entries.of_month("period.closed", period.entry, Step(now, principal.actor), row, told)
        )
    return period


def propose_adjustments(rows: Iterable[Proposal], *, actor: str) -> int:
    """Propose them, for jobs and imports (`actor`: `job:prices`, `member:…`); how many were new.

    One entry `adjustment.proposed` for each tenant binds its rows by their digest. The same occurrence is proposed once, ever,
    whatever was decided on it, so this may run twice.
    """
    number = 0
    for tenant, wanted in by_tenant(rows).items():
        with transaction.atomic():
            lock(tenant)
            known = set(
                Adjustment.objects.filter(
                    tenant=tenant, occurrence__in=[row.occurrence for row in wanted]
                ).values_list("occurrence", flat=True)
            )
            fresh = [row for row in wanted if row.occurrence not in known]
            if fresh:
                _propose(tenant, fresh, actor)
        number += len(fresh)
    return number


def correct_hours(found: Published, month: str, *, actor: str) -> int:
    """Propose to every tenant what of its share of a closed month's hours is another by now; how many were new.

    All are proposed in one transaction, so that they add up to what changed; the entry `capacity.corrected` says to what.
    """
    with transaction.atomic():
        # INVARIANT: one look at a time reads what was proposed, and none between another's proposals
        lock(_HOURS_LOOKED_AT)
        now = hours.settled(found, month)
        was, before = hours.kept(month), Adjustment.objects.filter(kind=HOURS, corrects=month)
        known = before.values_list("tenant", flat=True)
        for tenant in sorted({*(part.tenant for part in (*was, *now)), *known} - {ORGANISATION}):
            # nobody decides meanwhile on what was proposed before
            lock(tenant)
        lines = resharing.lines(was, now, read.earlier_hours(before))
        wanted = list(resharing.proposals(lines, month, _providers(found)))
        number = propose_adjustments(wanted, actor=actor)
        if number:
            append(entries.hours_corrected(month, now, wanted, Step(mandate_now(), actor)))
    return number


def propose(principal: Principal, wanted: Proposal) -> Adjustment:
    """Propose one by hand: a credit, a difference to an invoice.

    Raises Forbidden, NotFound, InvalidRequest for no tenant or a month that has not begun, Conflict when it is there.
    """
    access.require_close(principal, wanted.tenant)
    if wanted.kind == CREDIT and wanted.amount_nano > 0:
        raise InvalidRequest(
            "a credit lessens what a month cost: write it below zero; what costs more is an invoice difference"
        )
    found = published()
    _require_tenant(found, wanted.tenant)
    if wanted.corrects > month_of(mandate_now(), read.zone_of(found, wanted.tenant)):
        raise InvalidRequest(f"{said(wanted.corrects)} has not begun; there is nothing to adjust")
    if not propose_adjustments([wanted], actor=principal.actor):
        raise Conflict(f'"{wanted.occurrence}" was proposed before')
    return Adjustment.objects.get(tenant=wanted.tenant, occurrence=wanted.occurrence)


def accept(principal: Principal, adjustment: UUID) -> Verdict:
    """Let it count in the first month that is open. Raises Forbidden, NotFound, Conflict: decided on, or proposed by oneself."""
    return _decide(principal, adjustment, accepted=True, reason="")


def reject(principal: Principal, adjustment: UUID, reason: str) -> Verdict:
    """Let it count nowhere, and say why. Raises Forbidden, NotFound, Conflict, InvalidRequest without a reason."""
    reason = " ".join(reason.split())
    if not 1 <= len(reason) <= LONGEST_NOTE or "\x00" in reason:
        raise InvalidRequest(f"say why, in at most {LONGEST_NOTE} characters")
    return _decide(principal, adjustment, accepted=False, reason=reason)


def _require_tenant(found: Published, name: str) -> None:
    """Raises InvalidRequest. One that is published no more has months as long as it has calls."""
    if found.find("Tenant", ORGANISATION, name) is None and not preparing.next_month(found, name):
        raise InvalidRequest(f'there is no tenant "{name[:80]}"')


def _require_ready(found: Published, tenant: str, month: str, now: datetime) -> None:
    """Raises Conflict with the first thing that stands in the way."""
    by = read.statement_of(tenant, month)
    if by is not None:
        raise Conflict(f"{said(month)} is closed, and stays so")
    for check in preparing.checklist(found, tenant, month, now):
        if check.stops and not check.holds:
            raise Conflict(f"{said(month)} cannot be closed: {check.told}")


def _require_newest(row: Statement) -> None:
    """Raises Conflict unless the statement still is what there is to close the month with."""
    newest = Statement.objects.filter(tenant=row.tenant, period=row.period).order_by("-id").first()
    if newest is None or newest.pk != row.pk:
        raise Conflict("the month was prepared again since; look at the newest statement")
    adjusted = read.belonging(row.tenant, row.period).aggregate(
        number=Count("pk"), nano=Sum("amount_nano")
    )
    counted = len(json.loads(bytes(row.body))["adjustments"])
    if (adjusted["number"], adjusted["nano"] or 0) != (counted, row.adjusted_nano):
        raise Conflict("an adjustment was accepted since; prepare the month again")


def _split_hours(found: Published, row: Statement, step: Step) -> None:
    """Freeze the month's hours for all tenants where this is the first of them that closes it.

    Raises Conflict where the statement says otherwise of them than what is frozen.
    """
    lock(ORGANISATION)
    first, rows = not hours.frozen(row.period), hours.parts(found, row.period)
    said_then = json.loads(bytes(row.body))
    own = hours.told(rows, row.tenant, said_then.get("costCentre", ""))
    # INVARIANT: what statements say of a month's hours adds up to what they cost: a share of another split closes nothing
    if said_then.get("capacity", []) != own:
        raise Conflict(
            "what falls to the tenant of models bought by the hour has changed since; prepare the month again"
        )
    if first and rows:
        _freeze(row.period, rows, step)


def _freeze(month: str, rows: Sequence[Part], step: Step) -> None:
    entry = new_id()
    CapacityShare.objects.bulk_create(
        [
            CapacityShare(
                period=month,
                entry=entry,
                frozen_at=step.at,
                **{name: getattr(one, name) for name in Part.__dataclass_fields__},
            )
            for one in rows
        ],
        batch_size=500,
    )
    append(entries.hours_split(entry, month, rows, step))


def _providers(found: Published) -> dict[str, str]:
    """Of each model, by label."""
    return {
        label((model.tenant, model.name)): str(model.spec.get("provider") or "")
        for model in found.of("Model")
    }


def _propose(tenant: str, fresh: Sequence[Proposal], actor: str) -> None:
    at, entry = mandate_now(), new_id()
    Adjustment.objects.bulk_create(
        [
            Adjustment(
                id=new_id(),
                entry=entry,
                proposed_at=at,
                proposed_by=actor,
                **{name: getattr(row, name) for name in Proposal.__dataclass_fields__},
            )
            for row in fresh
        ],
        batch_size=500,
    )
    append(
        build(
            "adjustment.proposed",
            id=entry,
            at=at,
            actor=actor,
            tenant=tenant,
            subject=f"tenant:{tenant}",
            data={
                "number": len(fresh),
                "sum": format_nano(sum(row.amount_nano for row in fresh)),
                "corrects": sorted({row.corrects for row in fresh}),
                "kinds": sorted({row.kind for row in fresh}),
                "digest": digest_of(fresh),
            },
        )
    )


def _decide(principal: Principal, adjustment: UUID, *, accepted: bool, reason: str) -> Verdict:
    row = read.one_adjustment(access.adjustments(principal), adjustment)
    access.require_close(principal, row.tenant)
    found = published()
    # INVARIANT: where it takes two, nobody decides on what they proposed
    if read.alone(principal, row.proposed_by, found):
        raise Conflict("you proposed this adjustment; another member of finance decides on it")
    with transaction.atomic():
        lock(row.tenant)
        before = Verdict.objects.filter(pk=row.pk).first()
        if before is not None:
            word = "accepted" if before.accepted else "rejected"
            raise Conflict(f"it was {word} by {before.decided_by}")
        period = read.open_month(row.tenant, row.corrects) if accepted else ""
        verdict = Verdict(
            adjustment=row,
            entry=new_id(),
            decided_at=mandate_now(),
            accepted=accepted,
            period=period,
            reason=reason,
            decided_by=principal.actor,
        )
        verdict.save(force_insert=True)
        append(
            build(
                "adjustment.accepted" if accepted else "adjustment.rejected",
                id=verdict.entry,
                at=verdict.decided_at,
                actor=principal.actor,
                tenant=row.tenant,
                subject=f"adjustment:{row.pk.hex}",
                data={
                    **read.proposal_of(row).told(),
                    **({"period": period} if accepted else {"reason": reason}),
                    "proposedBy": row.proposed_by,
                    "flagged": principal.actor == row.proposed_by,
                },
            )
        )
    return verdict
