"""What models cost that are bought by the hour, how much of them was used, and whose share of the cost that is.

Their calls cost nothing of their own (ADR 0039), so that no sum over attempts has this money: it is a line beside.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from functools import reduce
from math import ceil
from operator import or_
from typing import Any

from django.db.models import Q, Sum
from django.db.models.functions import Coalesce

from controlplane.kernel.ids import uuid7_floor
from controlplane.kernel.money import NANO, apportion
from policies.bundles.published import Governed, Published
from policies.engine.bundle import label
from routing.calls.models import Attempt
from routing.calls.states import PENDING
from routing.ledger.spans import Span

Whose = tuple[str, str]
"""A tenant and a team."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a team used of it, and the part of the cost that falls to it."""

    tenant: str
    team: str
    tokens: int
    cost_nano: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """One model in a span. `used_permille` is of the tokens that it could have done; None where nobody said how many.

    Where nobody used it nobody has a share. `unrated_days` have no exchange rate: their cost is missing.
    """

    model: str
    model_tenant: str
    hours: Fraction
    cost_nano: int
    tokens: int
    used_permille: int | None
    shares: tuple[Share, ...]
    unrated_days: int = 0

    @property
    def label(self) -> str:
        """`name` or `tenant/name`."""
        return label((self.model_tenant, self.model))


def capacities(found: Published, span: Span) -> list[Capacity]:
    """Every model that was bought by the hour in a part of the span, by name."""
    own = bought(found, span)
    used, lines = _used([(model, part) for model, _, part in own]), []
    for model, spec, part in own:
        cost, unrated = hourly(spec, part, found.organisation)
        tokens = used.get((model.tenant, model.name), {})
        line = _capacity(model, spec, part, ceil(cost * NANO), tokens)
        lines.append(replace(line, unrated_days=unrated))
    return sorted(lines, key=lambda line: (line.model_tenant, line.model))


def pending(found: Published, span: Span) -> set[str]:
    """The models bought by the hour, by label, one of whose attempts in the span has yet to end: its tokens move every share."""
    own = bought(found, span)
    if not own:
        return set()
    rows = Attempt.objects.filter(
        reduce(or_, (_at(model, part) for model, _, part in own)), state__in=PENDING
    )
    pairs = rows.values_list("model_tenant", "model").distinct()
    return {label(pair) for pair in pairs}


def bought(found: Published, span: Span) -> list[tuple[Governed, Mapping[str, Any], Span]]:
    """The models that were bought by the hour in a part of the span, with their capacity and that part."""
    specs = [(m, m.spec["capacity"]) for m in found.of("Model") if m.spec.get("capacity")]
    return [(m, spec, part) for m, spec in specs if (part := within(spec, span)) is not None]


def within(spec: Mapping[str, Any], span: Span) -> Span | None:
    """The part of the span in which it was bought: whole days in the organisation's time zone."""
    starts = max(span.starts, _begin(spec["from"], span, 0))
    until = min(span.until, _begin(spec["until"], span, 1)) if spec.get("until") else span.until
    return Span(starts, until, span.zone) if starts < until else None


def hourly(
    spec: Mapping[str, Any], span: Span, organisation: Mapping[str, Any]
) -> tuple[Fraction, int]:
    """What the hours of a span cost in the organisation's currency, exactly, and how many days have no exchange rate."""
    per_hour, found, unrated = Fraction(str(spec["perHour"])), Fraction(0), 0
    for days in range(span.days):
        day = span.first + timedelta(days=days)
        starts, until = _midnight(day, span), _midnight(day + timedelta(days=1), span)
        seconds = _seconds(max(starts, span.starts), min(until, span.until))
        rate = _rate(organisation, str(spec["currency"]), day.isoformat())
        if rate is None:
            unrated += 1
        else:
            found += per_hour * rate * seconds / 3600
    return found, unrated


def shared(cost_nano: int, used: Mapping[Whose, int]) -> tuple[Share, ...]:
    """The cost by use, to the last nano unit: what rounding leaves goes to those with the largest remainders."""
    if not sum(used.values()):
        return ()
    places = sorted(used)
    costs = dict(zip(places, apportion(cost_nano, [used[p] for p in places]), strict=True))
    return tuple(
        Share(*whose, used[whose], costs[whose])
        for whose in sorted(used, key=lambda whose: (-used[whose], whose))
    )


def _capacity(
    model: Governed, spec: Mapping[str, Any], span: Span, cost_nano: int, used: Mapping[Whose, int]
) -> Capacity:
    seconds = _seconds(span.starts, span.until)
    could = int(spec.get("tokensPerMinute") or 0) * seconds / 60
    tokens = sum(used.values())
    return Capacity(
        model=model.name,
        model_tenant=model.tenant,
        hours=seconds / 3600,
        cost_nano=cost_nano,
        tokens=tokens,
        used_permille=int(tokens * 1000 / could) if could else None,
        shares=shared(cost_nano, used),
    )


def _used(
    bought: Sequence[tuple[Governed, Span]],
) -> Mapping[tuple[str, str], Mapping[Whose, int]]:
    """The tokens of the attempts at each model, in and out, by the team whose calls they were. One query for all."""
    if not bought:
        return {}
    found: dict[tuple[str, str], dict[Whose, int]] = defaultdict(dict)
    rows: Iterable[Sequence[Any]] = (
        Attempt.objects.filter(reduce(or_, (_at(model, span) for model, span in bought)))
        .values_list("model_tenant", "model", "call__tenant", "call__team")
        .annotate(
            tokens=Sum(
                Coalesce("tokens_input", 0)
                + Coalesce("tokens_cached", 0)
                + Coalesce("tokens_cache_write", 0)
                + Coalesce("tokens_output", 0)
            )
        )
    )
    for model_tenant, model, tenant, team, tokens in rows:
        if tokens:
            found[model_tenant, model][tenant, team] = tokens
    return found


def _at(model: Governed, span: Span) -> Q:
    between = Q(call__gte=uuid7_floor(span.starts), call__lt=uuid7_floor(span.until))
    return between & Q(model=model.name, model_tenant=model.tenant)


def _rate(organisation: Mapping[str, Any], currency: str, day: str) -> Fraction | None:
    if currency == organisation["currency"]:
        return Fraction(1)
    rates = [r for r in organisation.get("exchangeRates", []) if currency in r and r["from"] <= day]
    newest = max(rates, key=lambda r: str(r["from"]), default=None)
    return Fraction(str(newest[currency])) if newest else None


def _seconds(starts: datetime, until: datetime) -> Fraction:
    """As they pass: between two moments of one zone Python counts what the clocks on the wall show."""
    return Fraction((until.astimezone(UTC) - starts.astimezone(UTC)).total_seconds())


def _begin(day: str, span: Span, more: int) -> datetime:
    return _midnight(date.fromisoformat(day) + timedelta(days=more), span)


def _midnight(day: date, span: Span) -> datetime:
    return datetime.combine(day, time(), tzinfo=span.zone)
