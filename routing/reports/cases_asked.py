"""What an address asks of the cost of finished cases, and the answer as a file: page and API both begin here."""

import csv
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO

from django.db.models import Q

from audit.export import cell
from controlplane.kernel.money import format_nano
from controlplane.kernel.principal import Principal
from policies.bundles.published import Published
from routing.reports.asking import question
from routing.reports.casework import BY, Casework, Line, Question
from routing.reports.dimensions import UNRECORDED

_WITHOUT = {"useCase": "no use case"}


def asked_cases(
    address: Mapping[str, str], principal: Principal, found: Published, now: datetime
) -> tuple[Question, str]:
    """The question, and in words what of the address could not be used."""
    by = address.get("by", "")
    spend, trouble = question({**address, "by": "team", "then": "-"}, principal, found, now)
    only = {name: spend.only[name] for name in ("tenant", "route") if name in spend.only}
    asked = Question(
        condition=spend.condition & Q(**only),
        span=spend.span,
        by=by if by in BY else "queue",
        grain=spend.grain,
        fiscal=spend.fiscal,
    )
    return asked, trouble


def title_of(by: str, name: tuple[str, ...]) -> str:
    """`insurance / claims-desk`; the words of what is missing."""
    *places, last = name
    shown = "" if last == UNRECORDED else last
    return " / ".join(
        [*(place or "organisation" for place in places), shown or _WITHOUT.get(by, "none")]
    )


def minutes(time: timedelta) -> str:
    """`12.50`: exact to a hundredth of a minute, rounded down."""
    hundredths = time // timedelta(milliseconds=600)
    return f"{Decimal(hundredths) / 100:.2f}"


def csv_of_cases(asked: Question, told: Casework, currency: str) -> str:
    """The table with exact amounts. A cell that a spreadsheet would run as a formula begins with an apostrophe."""
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow(
        [BY[asked.by], "finished", "ended without a person", "minutes", "median minutes", "p90 minutes", "claims given back",
         "minutes of those", "claims that lapsed", "minutes of those", "cases without an hourly rate", f"models {currency}",
         f"people {currency}", f"both {currency}", f"a finished case {currency}", "from", "to"]
    )  # fmt: skip
    days = str(asked.span.first), str(asked.span.last)
    for line in told.lines:
        row = (title_of(asked.by, line.name), *_cells(line), *days)
        writer.writerow([cell(text) for text in row])
    return out.getvalue()


def _cells(line: Line) -> tuple[str, ...]:
    return (
        str(line.finished),
        str(line.alone),
        minutes(line.time),
        minutes(line.median),
        minutes(line.p90),
        str(line.returned),
        minutes(line.returned_time),
        str(line.lapsed),
        minutes(line.lapsed_time),
        str(line.unrated),
        format_nano(line.model_nano),
        format_nano(line.people_nano),
        format_nano(line.cost_nano),
        "" if line.each_nano is None else format_nano(line.each_nano),
    )
