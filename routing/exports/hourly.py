"""Models bought by the hour, for exports: whole months in the organisation's time zone, an open one up to now.

No attempt has this money: its rows stand beside those that add up to a statement's total. In a month that a tenant has closed
they are the shares that were split then, as statements have them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from itertools import groupby
from typing import Final

from policies.bundles.published import Governed, Published
from routing.closing import hours
from routing.closing.adjusting import MICRO
from routing.closing.hours import Part
from routing.closing.months import span_of
from routing.exports.focus import Account, Charge
from routing.exports.writing import Column, Is, Row
from routing.ledger.capacity import Capacity, Share, capacities, within
from routing.reports.spans import Span

_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Bought:
    """One model in one month; `starts` and `until` are of the part in which it was bought."""

    month: str
    starts: datetime
    until: datetime
    line: Capacity
    provider: str

    @property
    def model(self) -> str:
        """`name` or `tenant/name`."""
        return self.line.label

    def hours(self, tokens: int) -> str:
        """The hours that fall to so many of the tokens, as a decimal."""
        share = Fraction(tokens, self.line.tokens) if self.line.tokens else Fraction(0)
        return f"{float(self.line.hours * share):.{_DIGITS}f}"


def bought_in(found: Published, month: str, now: datetime) -> tuple[Bought, ...]:
    """What was bought in a month, by name; nothing of the time to come."""
    starts, until = span_of(month, str(found.zone.key))
    span = Span(starts, min(until, now.astimezone(found.zone)), found.zone)
    if span.starts >= span.until:
        return ()
    lines, rows = capacities(found, span), []
    for line in _as_split(hours.kept(month), lines) if hours.frozen(month) else lines:
        document = next((d for d in found.of("Model") if _names(d, line)), None)
        spec = document.spec if document else {}
        own = (within(spec["capacity"], span) if spec.get("capacity") else None) or span
        rows.append(Bought(month, own.starts, own.until, line, str(spec.get("provider") or "")))
    return tuple(rows)


def _as_split(kept: Iterable[Part], now: Iterable[Capacity]) -> list[Capacity]:
    """A month's models as the first close of the month split them, so that files say what statements say.

    Hours that it did not split are nobody's share: where they are proposed as adjustments, those are charged in their month.
    """
    use, found = {line.label: line for line in now}, []
    for label, group in groupby(kept, key=lambda part: part.model):
        parts = list(group)
        tenant, _, name = label.rpartition("/")
        known = use.pop(label, None)
        shares = (Share(p.tenant, p.team, p.tokens, p.cost_nano) for p in parts if p.tenant)
        line = Capacity(
            model=name,
            model_tenant=tenant,
            hours=Fraction(sum(part.microhours for part in parts), MICRO),
            cost_nano=sum(part.cost_nano for part in parts),
            tokens=sum(part.tokens for part in parts),
            used_permille=known.used_permille if known else None,
            shares=tuple(sorted(shares, key=lambda one: (-one.tokens, one.tenant, one.team))),
        )
        found.append(line)
    return [*found, *(replace(line, shares=()) for line in use.values())]


def _names(document: Governed, line: Capacity) -> bool:
    return (document.tenant, document.name) == (line.model_tenant, line.model)


def columns(currency: str) -> list[Column]:
    """Those of a file of its own."""
    texts = ("month", "from", "until", "model", "hours", "tenant", "team")
    numbers = ("tokens", "tokens of all", "used permille", "days without a rate")
    names = [Column(name) for name in texts] + [Column(name, Is.NUMBER) for name in numbers]
    return [*names, Column(f"cost {currency}", Is.MONEY)]


def rows(found: Published, months: Sequence[str], tenant: str, now: datetime) -> Iterator[Row]:
    """A row for each team's share, and one without a team where nobody used it: the costs add up to those of the hours."""
    for month in months:
        for one in bought_in(found, month, now):
            line = one.line
            about = (month, one.starts.isoformat(), one.until.isoformat(), one.model)
            rest = (line.tokens, line.used_permille, line.unrated_days)
            for share in line.shares:
                if tenant in ("", share.tenant):
                    whose = (one.hours(share.tokens), share.tenant, share.team, share.tokens)
                    yield (*about, *whose, *rest, share.cost_nano)
            if not line.shares and not tenant:
                hours = f"{float(line.hours):.{_DIGITS}f}"
                yield (*about, hours, "", "", 0, *rest, line.cost_nano)


def purchases(account: Account, bought: Sequence[Bought]) -> Iterator[Charge]:
    """A tenant's shares as charges, one for each team."""
    for one in bought:
        for share in one.line.shares:
            if share.tenant != account.tenant:
                continue
            yield Charge(
                # a month of the organisation's zone may begin before that of the tenant's
                max(one.starts, account.starts),
                min(one.until, account.until),
                share.team,
                "",
                one.model,
                one.provider,
                "",
                "",
                share.cost_nano,
                hours=one.hours(share.tokens),
            )
