"""Differences to an invoice as adjustments: whose each is, and what of it was not proposed before.

Another price, lost usage and credits are proposed. Nobody knows a day's difference by request: it is parted among the tenants by
what each spent there (lost usage: by what of theirs was lost), and the parts add up to it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Final

from controlplane.kernel.money import apportion
from policies.engine.bundle import Bundle
from routing.calls.models import Call
from routing.closing.adjusting import CREDIT, INVOICE, LATE_USAGE, PRICE, Proposal
from routing.closing.models import Adjustment
from routing.closing.read import verdict_of
from routing.reconcile.classing import CREDITED, LOST, Ours, again
from routing.reconcile.classing import PRICE as PRICED
from routing.reconcile.figures import Account, Share, calls_of, ours, shares
from routing.reconcile.models import Invoice
from routing.reconcile.read import InvoiceLine, lines

KINDS: Final[Mapping[str, str]] = {PRICED: INVOICE, LOST: INVOICE, CREDITED: CREDIT}
_BESIDE: Final = {PRICE: PRICED, LATE_USAGE: LOST}
"""The same money, where a job proposed it call by call."""
Where = tuple[str, str, str, str]
"""Day, class, tenant, model."""


@dataclass(frozen=True, slots=True)
class Part:
    """What of a line's class is one tenant's."""

    share: Share
    nano: int


def proposals(row: Invoice, account: Account, bundle: Bundle) -> Iterator[Proposal]:
    """What of this import is still to be proposed."""
    every, now = shares(account, row.first, row.last), ours(account, row.first, row.last)
    before = _proposed(row)
    for line in lines(row):
        for name, nano in _classes(line, now.get((line.day, line.model)), account, bundle).items():
            if name in KINDS:
                for part in parted(nano, _of(line, every), name):
                    yield from _proposal(row, line, name, part, before)


def parted(nano: int, among: Sequence[Share], name: str) -> list[Part]:
    """An amount parted by weight, to the last nano unit; nothing where nobody has any."""
    weights = _weights(among, name)
    if not weights:
        return []
    return [Part(*one) for one in zip(among, apportion(nano, weights), strict=True)]


def _weights(among: Sequence[Share], name: str) -> list[int]:
    tries = [[one.spent_nano for one in among], [one.attempts for one in among]]
    if name == LOST:
        tries = [[one.lost_nano for one in among], [one.lost for one in among], *tries]
    return next((weights for weights in tries if any(weights)), [])


def _classes(
    line: InvoiceLine, own: Ours | None, account: Account, bundle: Bundle
) -> Mapping[str, int]:
    """As they were told, or as they are beside the ledger by now where that changed since."""
    was = dict(line.classes)
    if own is None or (own.spent_nano, own.attempts) == (line.ledger_nano, line.attempts):
        return was
    price = account.price(bundle, line.day, line.model)
    found = again(line.usage_nano, line.theirs, own, price)
    return found | ({CREDITED: was[CREDITED]} if CREDITED in was else {})


def _of(line: InvoiceLine, every: Sequence[Share]) -> list[Share]:
    """Those of the day and model; for what names no model of ours, those of the day, else of all days."""
    day = [one for one in every if one.day == line.day]
    exact = [one for one in day if one.upstream == line.model]
    return exact or _whole(day or every)


def _whole(among: Sequence[Share]) -> list[Share]:
    """One share for each tenant, of no model."""
    found: dict[str, list[Share]] = defaultdict(list)
    for one in among:
        found[one.tenant].append(one)
    return [
        Share(
            day=some[0].day,
            upstream="",
            label="",
            tenant=tenant,
            spent_nano=sum(one.spent_nano for one in some),
            lost_nano=sum(one.lost_nano for one in some),
            lost=sum(one.lost for one in some),
            attempts=sum(one.attempts for one in some),
        )
        for tenant, some in sorted(found.items())
    ]


def _proposal(
    row: Invoice, line: InvoiceLine, name: str, part: Part, before: Mapping[Where, int]
) -> Iterator[Proposal]:
    at = part.share
    day = line.day.isoformat()
    # INVARIANT: what was proposed for the same day, model and tenant is not proposed again, by whatever import or job
    nano = part.nano - before.get((day, name, at.tenant, at.label), 0)
    if nano:
        tiers = f" of service tier {', '.join(line.tiers)}" if name == PRICED and line.tiers else ""
        yield Proposal(
            tenant=at.tenant,
            corrects=day[:7],
            kind=KINDS[name],
            amount_nano=nano,
            occurrence=f"invoice:{row.id.hex}:{day}:{name}:{at.label}",
            model=at.label,
            provider=row.provider,
            note=f"{name}{tiers}, {line.model or 'the whole account'}, {day}: {row.name}"[:500],
        )


def _proposed(row: Invoice) -> Mapping[Where, int]:
    """What was proposed for the days of this import, and was not rejected; of this import itself, whatever was decided."""
    found: dict[Where, int] = defaultdict(int)
    of = Adjustment.objects.filter(provider=row.provider).select_related("verdict")
    for one in of.filter(occurrence__startswith="invoice:"):
        _, invoice, day, name, _ = one.occurrence.split(":", 4)
        verdict = verdict_of(one)
        if invoice == row.id.hex or verdict is None or verdict.accepted:
            found[day, name, one.tenant, one.model] += one.amount_nano
    lo, hi = calls_of(row.first, row.last)
    rows = list(of.filter(kind__in=_BESIDE, call__gte=lo, call__lt=hi))
    days = dict(
        Call.objects.filter(pk__in={one.call for one in rows}).values_list("pk", "admitted_at")
    )
    for one in rows:
        verdict = verdict_of(one)
        if one.call in days and (verdict is None or verdict.accepted):
            day = days[one.call].astimezone(UTC).date().isoformat()
            found[day, _BESIDE[one.kind], one.tenant, one.model] += one.amount_nano
    return found
