"""The columns and rows of each kind of file, read as they are written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Final

from django.db.models import Q, QuerySet

from controlplane.kernel.clock import to_text
from controlplane.kernel.ids import call_name, uuid7_floor
from controlplane.kernel.principal import Principal
from policies.bundles.published import Published
from routing.calls.models import Attempt, Call
from routing.closing.months import span_of
from routing.exports import access, focus, hourly
from routing.exports.asks import CALLS, CAPACITY, Ask
from routing.exports.charges import account_of, book_of, charges
from routing.exports.writing import Column, Is, Row
from routing.reports.access import reads_every_tenant

PAGE_ROWS: Final = 2_000
_MONEY: Final = {"BilledCost", "ContractedCost", "EffectiveCost", "ListCost"}
_NUMBERS: Final = {
    *("x_Attempts", "x_InputTokens", "x_CachedInputTokens"),
    *("x_CacheWriteTokens", "x_OutputTokens"),
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """What to write; `about` is how many rows there will be, as far as one can tell before."""

    columns: Sequence[Column]
    rows: Iterator[Row]
    about: int


def sheet_of(principal: Principal, ask: Ask, found: Published, now: datetime) -> Sheet:
    """Raises Forbidden, NotFound."""
    if ask.what == CALLS:
        rows = _attempts(access.calls_of(principal, ask), ask, found)
        return Sheet(_columns(found.currency), _told(rows), rows.count())
    if ask.what == CAPACITY:
        access.require(principal, ask)
        shares = hourly.rows(found, ask.months, ask.tenant, now)
        return Sheet(hourly.columns(found.currency), shares, 0)
    tenants = access.tenants_of(principal, ask, found)
    columns = [_focus_column(name) for name in focus.COLUMNS[ask.what]]
    if ask.what == focus.PERIODS:
        return Sheet(columns, _periods(tenants, ask, found, now), 0)
    bought = _bought(principal, ask, found, now)
    return Sheet(columns, _charges(tenants, ask, found, bought), 0)


def _focus_column(name: str) -> Column:
    if name in _MONEY:
        return Column(name, Is.MONEY)
    return Column(name, Is.NUMBER if name in _NUMBERS else Is.TEXT)


def _bought(
    principal: Principal, ask: Ask, found: Published, now: datetime
) -> dict[str, tuple[hourly.Bought, ...]]:
    """By month; nothing for who does not read every tenant's money, since a share tells what the rest used."""
    if not reads_every_tenant(principal):
        return {}
    return {month: hourly.bought_in(found, month, now) for month in ask.months}


def _charges(
    tenants: Sequence[str],
    ask: Ask,
    found: Published,
    bought: Mapping[str, Sequence[hourly.Bought]],
) -> Iterator[Row]:
    for tenant in tenants:
        for month in ask.months:
            book = book_of(found, tenant, month)
            account = account_of(book)
            for charge in chain(charges(book), hourly.purchases(account, bought.get(month, ()))):
                yield focus.row_of(ask.what, account, charge)


def _periods(tenants: Sequence[str], ask: Ask, found: Published, now: datetime) -> Iterator[Row]:
    seen = set()
    for tenant in tenants:
        for month in ask.months:
            book = book_of(found, tenant, month)
            account = account_of(book)
            if account.starts > now:
                continue
            updated = book.statement.cut_off_at if book.statement else max(now, account.starts)
            row = tuple(focus.period_row(account, account.starts, updated))
            if row not in seen:
                seen.add(row)
                yield row


def _attempts(condition: Q, ask: Ask, found: Published) -> "QuerySet[Attempt]":
    """By id, so that other months are not read; in the order of the calls."""
    zone = str(found.zone.key)
    first, last = span_of(ask.months[0], zone)[0], span_of(ask.months[-1], zone)[1]
    low, high = uuid7_floor(first), uuid7_floor(last)
    calls = Call.objects.filter(condition, pk__gte=low, pk__lt=high)
    rows = Attempt.objects.filter(call__in=calls, call_id__gte=low, call_id__lt=high)
    return rows.order_by("call_id", "no")


def _columns(currency: str) -> list[Column]:
    names = ("call", "admitted at", "tenant", "team", "API key", "route", "call state", "attempt")
    found = [Column(name, Is.NUMBER if name == "attempt" else Is.TEXT) for name in names]
    found += [
        Column(name)
        for name in ("attempt state", "model", "provider", "basis", "error", "service tier")
    ]
    found += [
        Column(f"tokens {name}", Is.NUMBER) for name in ("input", "cached", "cache write", "output")
    ]
    return found + [
        Column(f"{name} {currency}", Is.MONEY)
        for name in ("reserved", "posted", "overrun", "spent")
    ]


def _told(rows: "QuerySet[Attempt]") -> Iterator[Row]:
    for row in rows.select_related("call").iterator(chunk_size=PAGE_ROWS):
        call = row.call
        yield (
            call_name(call.id),
            to_text(call.admitted_at),
            call.tenant,
            call.team,
            call.key,
            call.route,
            call.state,
            row.no,
            row.state,
            f"{row.model_tenant}/{row.model}" if row.model_tenant else row.model,
            row.provider,
            row.basis,
            row.error_class,
            row.service_tier,
            row.tokens_input,
            row.tokens_cached,
            row.tokens_cache_write,
            row.tokens_output,
            row.reserved_nano,
            row.posted_nano,
            row.overrun_nano,
            row.posted_nano + row.overrun_nano,
        )
