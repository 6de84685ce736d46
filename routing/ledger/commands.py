"""What people do about money: settle an attempt that stayed unknown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from django.db import connection

from audit.log.entry import build
from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.ids import call_name
from controlplane.kernel.money import MAX_NANO, format_nano
from controlplane.kernel.principal import Principal
from policies.engine.pricing import UsageCounts, cost, served
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.calls.models import Attempt
from routing.calls.questions import SETTLE
from routing.calls.steps import Settlement, Tokens
from routing.exchange import SERVICE_TIERS
from routing.ledger.access import require_settle
from routing.ledger.unknown import price_of

Basis = Literal["person", "reported"]
MOST_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What an unknown attempt cost: an amount, or the usage that the provider reports, priced as it was reserved.

    `basis` is `person` where somebody says so, `reported` where a provider's own record does (an import). `reason` is
    where they know it from. `service_tier` is the one that they say it was served at; empty for the ordinary one.
    """

    call: UUID
    no: int
    reason: str
    amount_nano: int | None = None
    usage: UsageCounts | None = None
    basis: Basis = "person"
    service_tier: str = ""


def settle_unknown(principal: Principal, wanted: Resolution) -> int:
    """Post what the attempt cost and give the rest back, with its entry; how many nano units were booked.

    Raises NotFound, Forbidden, InvalidRequest, Conflict where it was settled before, or is not unknown.
    """
    attempt = Attempt.objects.filter(call=wanted.call, no=wanted.no).select_related("call").first()
    if attempt is None:
        raise NotFound(f'there is no attempt {wanted.no} of "{call_name(wanted.call)}"')
    require_settle(principal, attempt.call)
    amount = _amount(attempt, wanted)
    entry = build(
        "attempt.reconciled",
        id=new_id(),
        at=mandate_now(),
        actor=principal.actor,
        tenant=attempt.call.tenant,
        call=wanted.call,
        subject=attempt.call.route,
        data=_told(wanted, attempt, amount),
    )
    settlement = Settlement(
        call=wanted.call,
        no=wanted.no,
        was="unknown",
        becomes="reconciled",
        entry=entry,
        amount_nano=amount,
        basis=wanted.basis,
        error_class=attempt.error_class,
        tokens=_tokens(wanted.usage),
        service_tier=wanted.service_tier,
    )
    row: list[Any] = [settlement.call, None, *settlement.row(), entry.id, entry.body]
    with connection.cursor() as cursor:
        cursor.execute(SETTLE, row)
        answer, state = cursor.fetchone()
    if answer != "settled":
        raise Conflict(f"this attempt is {state}, not unknown; nothing was booked")
    return amount


def _amount(attempt: Attempt, wanted: Resolution) -> int:
    if not 1 <= len(wanted.reason.strip()) <= MOST_REASON:
        raise InvalidRequest(f"say where you know it from, in 1 to {MOST_REASON} characters")
    if wanted.service_tier and wanted.service_tier not in SERVICE_TIERS:
        listed = ", ".join(SERVICE_TIERS)
        raise InvalidRequest(f'"{wanted.service_tier[:20]}" is no service tier; use {listed}')
    if (wanted.amount_nano is None) == (wanted.usage is None):
        raise InvalidRequest("give either an amount or the reported usage")
    if wanted.usage is not None:
        if min(wanted.usage) < 0:
            raise InvalidRequest("tokens are whole numbers, never below zero")
        amount = cost(served(price_of(attempt), wanted.service_tier), wanted.usage)
    else:
        amount = wanted.amount_nano or 0
    if not 0 <= amount <= MAX_NANO // 1_000:
        raise InvalidRequest(f'"{format_nano(amount)}" is no amount that one attempt can cost')
    return amount


def _tokens(used: UsageCounts | None) -> Tokens | None:
    if used is None:
        return None
    return Tokens(used.input, used.cached_input, used.cache_write, used.output)


def _told(wanted: Resolution, attempt: Attempt, amount: int) -> Mapping[str, object]:
    used = wanted.usage
    tokens = {} if used is None else {f"tokens_{k}": v for k, v in used._asdict().items()}
    return {
        "no": wanted.no,
        "amount": str(amount),
        "reserved": str(attempt.reserved_nano),
        "basis": wanted.basis,
        "reason": wanted.reason.strip(),
        **({"service_tier": wanted.service_tier} if wanted.service_tier else {}),
        **tokens,
    }
