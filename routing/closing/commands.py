"""Propose adjustments, and decide on them. What closes a month is in `closing.py`.

A proposal changes no figure: accepted, it belongs to the open month, and the month that it corrects stays what it was.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db import connection, transaction

from audit.log.append import append
from audit.log.entry import build
from controlplane.kernel.errors import Conflict, InvalidRequest
from controlplane.kernel.money import format_nano
from controlplane.kernel.principal import Principal
from policies.bundles.published import published
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.closing import access, read
from routing.closing.adjusting import LONGEST_NOTE, Proposal, by_tenant, digest_of
from routing.closing.models import Adjustment, Verdict


def lock(tenant: str) -> None:
    """For this transaction nobody else closes a month of the tenant, or adds to one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(7002, hashtext(%s))", [tenant])


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


def propose(principal: Principal, wanted: Proposal) -> Adjustment:
    """Propose one by hand: a credit, a difference to an invoice. Raises Forbidden, NotFound, Conflict when it is there."""
    access.require_close(principal, wanted.tenant)
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
