"""Gather charges by tenant and month. A closed month's are those of its statement, to the nano; an open month's as they stand."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from policies.bundles.published import Published
from routing.closing import figures, preparing, read
from routing.closing.adjusting import Proposal
from routing.closing.figures import Line, Month
from routing.closing.models import Statement
from routing.closing.months import span_of
from routing.closing.statements import read_back
from routing.exports.focus import Account, Charge
from routing.ledger.windows import window_of


@dataclass(frozen=True, slots=True)
class Book:
    """One tenant's month, for an export."""

    found: Published
    tenant: str
    name: str
    month: Month
    zone: str
    statement: Statement | None


def book_of(found: Published, tenant: str, name: str) -> Book:
    """Raises InvalidRequest for what is no month."""
    zone = read.zone_of(found, tenant)
    month = preparing.month_in(found, tenant, name)
    return Book(found, tenant, name, month, zone, read.statement_of(tenant, name))


def account_of(book: Book) -> Account:
    """Who is charged."""
    document = book.found.find("Tenant", "", book.tenant)
    spec = document.spec if document else {}
    return Account(
        organisation=book.found.organisation_name,
        currency=book.found.currency,
        tenant=book.tenant,
        tenant_name=str(spec.get("displayName") or book.tenant),
        cost_centre=str(spec.get("costCentre") or ""),
        starts=book.month.starts,
        until=book.month.until,
        period=book.name,
        statement=book.statement.id.hex if book.statement else "",
    )


def charges(book: Book) -> Iterator[Charge]:
    """Days in the tenant's time zone, what is accrued apart from what was spent, then the adjustments of the month."""
    statement = book.statement
    at = read_back(bytes(statement.body))[0] if statement else figures.cut(book.month)
    for day, tier, line in figures.days(book.month, at, book.zone):
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(book.zone))
        span = window_of("day", noon, book.zone)
        for charge in _of_line(book, line, span):
            yield replace(charge, service_tier=tier)
    for row in read.belonging(book.tenant, book.name):
        yield _adjustment(book, read.proposal_of(row))


def _of_line(book: Book, line: Line, span: tuple[datetime, datetime]) -> Iterator[Charge]:
    vendor, region = _about(book.found, line.model, line.provider)
    said = (*span, line.team, line.route, line.model, line.provider, vendor, region)
    tokens = {
        "input": line.tokens_input,
        "cached": line.tokens_cached,
        "cacheWrite": line.tokens_cache_write,
        "output": line.tokens_output,
    }
    yield Charge(*said, line.spent_nano, line.attempts, tokens)
    # an open month accrues nothing: what is held becomes known, or the close says so
    if line.held_nano and book.statement:
        yield Charge(*said, line.held_nano, accrued=True)


def _adjustment(book: Book, row: Proposal) -> Charge:
    vendor, region = _about(book.found, row.model, row.provider)
    starts, until = span_of(row.corrects, book.zone)
    return Charge(
        starts,
        until,
        row.team,
        row.route,
        row.model,
        row.provider,
        vendor,
        region,
        row.amount_nano,
        adjusts=row.kind,
        note=row.note,
    )


def _about(found: Published, model: str, provider: str) -> tuple[str, str]:
    """The model's vendor and its provider's region, as published now."""
    tenant, _, name = model.rpartition("/")
    document = found.find("Model", tenant, name)
    at = found.find("Provider", tenant, provider)
    vendor = ((document.metadata.get("labels") or {}) if document else {}).get("vendor", "")
    region = ((at.spec.get("terms") or {}) if at else {}).get("region", "")
    return str(vendor or ""), str(region or "")
