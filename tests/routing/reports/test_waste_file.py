"""The file of savings and waste: every row with its evidence, the page's sums, no formula, and columns that are documented."""

import csv
import re
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.db.models import Q

from controlplane.kernel.money import NANO, parse_nano
from policies.engine.pricing import UsageCounts
from routing.reports.asking import csv_of
from routing.reports.cases_asked import csv_of_cases
from routing.reports.casework import Casework
from routing.reports.casework import Line as CaseLine
from routing.reports.casework import Question as CaseQuestion
from routing.reports.labelled import Labelled
from routing.reports.report import Line, Question, Report
from routing.reports.spans import Span
from routing.reports.waste import Finding, Saved, Used, Waste
from routing.reports.waste_asked import Asked
from routing.reports.waste_file import csv_of_waste

SPAN = Span(
    datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 29, 12, tzinfo=UTC), ZoneInfo("UTC")
)
PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reports.md").read_text(encoding="utf-8")


def finding(tenant: str, labels: Labelled, would_nano: int | None) -> Finding:
    used = Used(2, 60_000_001, UsageCounts(2_000, 0, 0, 2_000))
    return Finding(tenant, (tenant, "sort"), "large", "small", used, labels, would_nano, "single")


TOLD = Waste(
    (
        finding("a", Labelled(30, 30), 6_000_000),
        finding("b", Labelled(3, 2), 6_000_000),
        finding("=c", Labelled(0, 0), None),
        replace(finding("d", Labelled(0, 0), 6_000_000), compared=Labelled(40, 40)),
    ),
    (Saved("a", ("a", "sort"), "large", 5, 2 * NANO, 3 * NANO + 1),),
)


def table(text: str) -> list[list[str]]:
    return list(csv.reader(StringIO(text)))


def test_a_row_has_what_is_claimed_and_the_evidence_for_it() -> None:
    _, *rows = table(csv_of_waste(Asked(TOLD, SPAN, ""), "EUR"))
    days, spent, nobody = ["2026-11-01", "2026-11-29"], "0.060000001", ["0", "0", "0", "1000"]
    assert rows == [
        ["waste", "a", "sort", "large", "small", "2", spent, "0.006", "0.054000001",
         "30", "30", "886", "1000", *nobody, "labels", "0.054000001", "", "", *days],
        ["waste", "b", "sort", "large", "small", "2", spent, "0.006", "0.054000001",
         "3", "2", "207", "939", *nobody, "", "0.00", "", "3 of 30 labels", *days],
        ["waste", "'=c", "sort", "large", "small", "2", spent, "", "0.00",
         *nobody, *nobody, "", "0.00", "", "0 of 30 labels", *days],
        ["waste", "d", "sort", "large", "small", "2", spent, "0.006", "0.054000001",
         *nobody, "40", "40", "912", "1000", "shadow runs", "0.054000001", "", "", *days],
        ["savings", "a", "sort", "", "large", "5", "2.00", "5.000000001", "3.000000001",
         *[""] * 10, "3.000000001", "", *days],
    ]  # fmt: skip


def test_its_sums_are_those_of_the_page() -> None:
    rows = list(csv.DictReader(StringIO(csv_of_waste(Asked(TOLD, SPAN, ""), "EUR"))))
    for column, nano in (("waste EUR", TOLD.waste_nano), ("saved EUR", TOLD.saved_nano)):
        assert sum(parse_nano(row[column]) for row in rows if row[column]) == nano > 0


def documented(heading: str) -> list[str]:
    """The columns that the page names under a heading, in order; those that the question names are not among them."""
    (part,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    cells = re.findall(r"^\| (.+?) \|", part, re.MULTILINE)
    named = [cell for cell in cells if cell.startswith("`")]
    return [name for cell in named for name in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize(
    ("heading", "asked", "text"),
    [
        ("Savings and waste", 0, csv_of_waste(Asked(TOLD, SPAN, ""), "EUR")),
        ("Spend", 2, csv_of(Question(Q(), SPAN, None), Report((), Line(()), 0), "EUR")),
        (
            "Finished cases",
            1,
            csv_of_cases(CaseQuestion(Q(), SPAN), Casework((), CaseLine(()), {}), "EUR"),
        ),
    ],
)
def test_every_column_is_documented(heading: str, asked: int, text: str) -> None:
    assert documented(heading) == table(text)[0][asked:]
