"""What a report's address asks for, and the report as a file: pages and API both begin here."""

import csv
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from io import StringIO
from typing import Final

from django.db.models import Exists, OuterRef, Q

from audit.export import cell
from controlplane.kernel.money import format_nano
from controlplane.kernel.principal import Principal
from policies.bundles.published import Published
from routing.calls.models import Attempt
from routing.reports.access import spend_of
from routing.reports.report import DIMENSIONS, Question, Report
from routing.reports.spans import Span, before, between, span_of

BY: Final = {
    "tenant": "tenant",
    "team": "team",
    "route": "route",
    "key": "API key",
    "model": "model",
    "provider": "provider",
}


def question(
    asked: Mapping[str, str], principal: Principal, found: Published, now: datetime
) -> tuple[Question, str]:
    """What an address asks for, and in words what of it could not be used."""
    span, trouble = _span(
        asked.get("period", ""), asked.get("from", ""), asked.get("to", ""), now, found
    )
    by = asked.get("by", "team")
    by = by if by in DIMENSIONS else "team"
    then = asked.get("then", "" if by == "route" else "route")
    then = then if then in DIMENSIONS and then != by else ""
    return Question(_condition(asked, principal), span, before(span), by, then), trouble


def _span(period: str, first: str, last: str, now: datetime, found: Published) -> tuple[Span, str]:
    zone = found.zone
    if first or last:
        try:
            ends = date.fromisoformat(last) if last else now.astimezone(zone).date()
            return between(date.fromisoformat(first or last), ends, now, zone), ""
        except ValueError as error:
            return span_of("month", now, zone), f"{error}; this month is shown instead"
    return span_of(period, now, zone), ""


def _condition(asked: Mapping[str, str], principal: Principal) -> Q:
    condition = spend_of(principal)
    for name in ("tenant", "team", "route", "key"):
        if asked.get(name):
            condition &= Q(**{name: asked[name]})
    if asked.get("model"):
        condition &= Q(Exists(Attempt.objects.filter(call=OuterRef("pk"), model=asked["model"])))
    return condition


def csv_of(asked: Question, told: Report, currency: str) -> str:
    """The table with exact amounts. A cell that a spreadsheet would run as a formula begins with an apostrophe."""
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow(
        [
            BY[asked.by],
            BY.get(asked.then, ""),
            "calls",
            f"spent {currency}",
            f"before {currency}",
            "from",
            "to",
        ]
    )
    for cells in _flat(told):
        writer.writerow(
            [cell(text) for text in (*cells, str(asked.span.first), str(asked.span.last))]
        )
    return out.getvalue()


def _flat(told: Report) -> Iterator[tuple[str, ...]]:
    for line in told.lines:
        for part in line.inside or [line]:
            inner = part.title if line.inside else ""
            yield (
                line.title,
                inner,
                str(part.calls),
                format_nano(part.spent_nano),
                format_nano(part.before_nano),
            )
