"""Savings and waste as a file: what is claimed with its evidence, then what was saved; docs/reports.md tells each column."""

import csv
from collections.abc import Iterator
from io import StringIO

from audit.export import cell
from controlplane.kernel.money import format_nano
from routing.reports.labelled import Labelled
from routing.reports.waste import Finding, Saved
from routing.reports.waste_asked import Asked

_NOTHING = ""


def heads(currency: str) -> tuple[str, ...]:
    """The names of the columns."""
    return (
        "what",
        "tenant",
        "route",
        "model",
        "compared with",
        "calls",
        f"spent {currency}",
        f"would cost {currency}",
        f"difference {currency}",
        "labels",
        "passed",
        "low permille",
        "high permille",
        "shadow runs",
        "agreed",
        "their low permille",
        "their high permille",
        "carried by",
        f"waste {currency}",
        f"saved {currency}",
        "why not",
        "from",
        "to",
    )


def csv_of_waste(asked: Asked, currency: str) -> str:
    """Both tables in one, with exact amounts. A cell that a spreadsheet would run as a formula begins with an apostrophe."""
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow(heads(currency))
    days = str(asked.span.first), str(asked.span.last)
    for row in _rows(asked):
        writer.writerow([cell(text) for text in (*row, *days)])
    return out.getvalue()


def _rows(asked: Asked) -> Iterator[tuple[str, ...]]:
    for finding in asked.told.findings:
        yield _claimed(finding)
    for saved in asked.told.saved:
        yield _saved(saved)


def _claimed(one: Finding) -> tuple[str, ...]:
    return (
        "waste",
        one.tenant,
        one.route[1],
        one.model,
        one.smaller,
        str(one.used.calls),
        format_nano(one.used.spent_nano),
        _NOTHING if one.would_nano is None else format_nano(one.would_nano),
        format_nano(one.difference_nano),
        *_told(one.labelled),
        *_told(one.compared),
        one.carried,
        format_nano(one.waste_nano),
        _NOTHING,
        one.why_not,
    )


def _told(labelled: Labelled) -> tuple[str, ...]:
    low, high = labelled.interval_permille
    return str(labelled.n), str(labelled.passed), str(low), str(high)


def _saved(one: Saved) -> tuple[str, ...]:
    return (
        "savings",
        one.tenant,
        one.route[1],
        _NOTHING,
        one.largest,
        str(one.calls),
        format_nano(one.spent_nano),
        format_nano(one.spent_nano + one.saved_nano),
        format_nano(one.saved_nano),
        *(_NOTHING,) * 10,
        format_nano(one.saved_nano),
        _NOTHING,
    )
