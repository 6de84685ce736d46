"""Models bought by the hour, for exports: whole months in the organisation's time zone, an open one up to now.

No attempt has this money, and no statement: its rows stand beside those that add up to a statement's total.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

from policies.bundles.published import Published
from routing.closing.months import span_of
from routing.exports.focus import Account, Charge
from routing.exports.writing import Column, Is, Row
from routing.reports.capacity import Capacity, capacities, within
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
        return "/".join(filter(None, (self.line.model_tenant, self.line.model)))

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
    rows = []
    for line in capacities(found, span):
        spec = next(
            d.spec
            for d in found.of("Model")
            if (d.tenant, d.name) == (line.model_tenant, line.model)
        )
        own = within(spec["capacity"], span) or span
        rows.append(Bought(month, own.starts, own.until, line, str(spec.get("provider") or "")))
    return tuple(rows)


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
