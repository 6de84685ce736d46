"""The report's page: what it does not show is counted and priced."""

from routing.reports.report import Line
from routing.ui.report import not_shown

LINES = [
    Line(("insurance", f"run-{number}"), "run", spent_nano=10**9 * number)
    for number in range(1_500, 0, -1)
]


def test_lines_that_are_not_shown_are_counted_and_their_cost_is_said() -> None:
    assert not_shown(LINES, 100, "EUR") == "1,400 more: €980,700.00"
    shown = sum(line.spent_nano for line in LINES[:100])
    assert shown + 980_700 * 10**9 == sum(line.spent_nano for line in LINES)


def test_where_all_are_shown_nothing_is_said() -> None:
    assert not_shown(LINES[:100], 100, "EUR") == ""
    assert not_shown([], 12, "EUR") == ""
