"""Unknown attempts that a provider's file explains: told one by one by it, or what is left of a day and model.

Per request: a line that names the attempt (what we sent as `x-mandate-attempt`) says what it used. Per day, exports name no
request: where all tokens beyond the ledger's are those of the day's only unknown attempt, or there are none and they cost
nothing, a person may settle them so by one click.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from typing import Final
from uuid import UUID

from django.db.models import QuerySet

from controlplane.kernel.errors import Conflict, InvalidRequest
from controlplane.kernel.principal import Principal
from policies.bundles.published import published
from policies.bundles.snapshot import bundle_at
from policies.engine.bundle import Bundle
from policies.engine.pricing import UsageCounts, cost, served
from routing.calls.models import Attempt
from routing.ledger.access import may_settle
from routing.ledger.commands import Resolution, settle_unknown
from routing.reconcile.classing import NONE, ROUNDING_NANO, Ours, Tiers, less
from routing.reconcile.figures import Account, calls_of, ours
from routing.reconcile.models import Invoice
from routing.reconcile.read import InvoiceLine, lines
from routing.reconcile.reading import STANDARD, Billed

_BATCH: Final = 1_000
Place = tuple[date, str]


@dataclass(frozen=True, slots=True)
class Explained:
    """The unknown attempts of one day and model, what each of them used, and at which service tier, where the file says that."""

    day: date
    model: str
    attempts: tuple[Attempt, ...]
    usage: UsageCounts
    service_tier: str = ""


def named(
    account: Account, billed: Sequence[tuple[Billed, int | None]], reason: str
) -> Iterator[Resolution]:
    """What a file says of unknown attempts by their names: what each used, else what it was billed."""
    said = {line.attempt: (line, nano) for line, nano in billed if line.attempt}
    keys = sorted(said)
    for at in range(0, len(keys), _BATCH):
        calls = {UUID(hex=key.partition("/")[0]) for key in keys[at : at + _BATCH]}
        for row in _unknown(account).filter(call__in=calls).order_by("call", "no"):
            line, nano = said.get(f"{row.call_id.hex}/{row.no}", (None, None))
            if line is None or line.model != _upstream(account, row):
                continue
            amount = None if line.usage is not None else nano
            if line.usage is not None or (amount is not None and amount >= 0):
                tier = "" if line.service_tier == STANDARD else line.service_tier
                yield _resolution(
                    row, reason, usage=line.usage, amount_nano=amount, service_tier=tier
                )


def explained(row: Invoice, account: Account, bundle: Bundle) -> list[Explained]:
    """What is left of its days and models for their unknown attempts, where that is exact; by day and model."""
    lo, hi = calls_of(row.first, row.last)
    groups: dict[Place, list[Attempt]] = defaultdict(list)
    for one in _unknown(account).filter(call__gte=lo, call__lt=hi).order_by("call", "no"):
        groups[_place(account, one)].append(one)
    if not groups:
        return []
    now = ours(account, row.first, row.last)
    found = []
    for line in lines(row):
        place = (line.day, line.model)
        if place in groups:
            left = _left(line, now[place], groups[place], account, bundle)
            if left is not None:
                found.append(Explained(*place, tuple(groups[place]), *left))
    return found


def offered(principal: Principal, row: Invoice) -> list[Explained]:
    """What of an import this person may settle by one click."""
    found = published()
    account = Account.find(found, row.tenant, row.provider)
    if account is None:
        return []
    every = explained(row, account, bundle_at(found.revision))
    return [one for one in every if all(may_settle(principal, a.call.tenant) for a in one.attempts)]


def settle(principal: Principal, wanted: Iterable[Resolution]) -> int:
    """Settle what this person may; how many. What somebody settled meanwhile, or nothing can cost so much, stays as it is."""
    done = 0
    for one in wanted:
        try:
            settle_unknown(principal, one)
        except (Conflict, InvalidRequest):
            continue
        done += 1
    return done


def resolutions(found: Explained, reason: str) -> list[Resolution]:
    """One for each attempt."""
    return [
        _resolution(row, reason, usage=found.usage, service_tier=found.service_tier)
        for row in found.attempts
    ]


def _left(
    line: InvoiceLine, now: Ours, rows: Sequence[Attempt], account: Account, bundle: Bundle
) -> tuple[UsageCounts, str] | None:
    """What each of these used, and at which service tier. None where that cannot be told, or more is between the two sides."""
    price, theirs = account.price(bundle, line.day, line.model), line.theirs
    if theirs is None or price is None or now.lost != len(rows):
        return None
    left = less(theirs.usage, now.usage)
    tier = _tier_of(left, theirs.tiers, now.tiers)
    if tier is None or min(left) < 0 or (left != NONE and len(rows) > 1):
        return None
    nano = cost(served(price, tier), left)
    more = line.usage_nano - now.spent_nano - nano
    # INVARIANT: only what leaves nothing to explain is offered, and never above what the attempt holds
    exact = abs(more) <= ROUNDING_NANO * now.attempts
    return (left, tier) if exact and all(nano <= row.reserved_nano for row in rows) else None


def _tier_of(left: UsageCounts, theirs: Tiers | None, ours: Tiers) -> str | None:
    """The one service tier at which all that is left was served; the ordinary one where they say none. None for several."""
    if theirs is None:
        return ""
    apart = {n: less(theirs.get(n, NONE), ours.get(n, NONE)) for n in {*theirs, *ours}}
    named = [name for name, used in apart.items() if used != NONE]
    if not named:
        return ""
    return named[0] if len(named) == 1 and apart[named[0]] == left else None


def _unknown(account: Account) -> "QuerySet[Attempt]":
    rows = Attempt.objects.filter(unknown_at__isnull=False, provider=account.provider.name)
    return rows.select_related("call")


def _upstream(account: Account, row: Attempt) -> str | None:
    return account.upstream.get((row.model_tenant, row.model))


def _place(account: Account, row: Attempt) -> Place:
    return row.call.admitted_at.astimezone(UTC).date(), _upstream(account, row) or ""


def _resolution(
    row: Attempt,
    reason: str,
    *,
    usage: UsageCounts | None,
    amount_nano: int | None = None,
    service_tier: str = "",
) -> Resolution:
    return Resolution(
        call=row.call_id,
        no=row.no,
        reason=reason,
        amount_nano=amount_nano,
        usage=usage,
        basis="reported",
        service_tier=service_tier,
    )
