"""What labels say: the Wilson interval against published figures, and when it is enough to claim anything."""

import pytest

from routing.reports.labelled import Labelled


@pytest.mark.parametrize(
    ("n", "passed", "interval"),
    [
        (0, 0, (0, 1000)),
        (10, 0, (0, 278)),
        (10, 10, (722, 1000)),
        (10, 5, (236, 764)),
        (30, 30, (886, 1000)),
        (30, 28, (786, 982)),
        (100, 95, (888, 979)),
        (1000, 900, (879, 918)),
    ],
)
def test_the_interval_is_wilsons(n: int, passed: int, interval: tuple[int, int]) -> None:
    assert Labelled(n, passed).interval_permille == interval


@pytest.mark.parametrize(
    ("n", "passed", "why_not"),
    [
        (0, 0, "0 of 30 labels"),
        (29, 29, "29 of 30 labels"),
        (30, 30, ""),
        (30, 29, ""),
        (30, 28, "it may pass only 78.6 %"),
        (100, 88, ""),
        (100, 87, "it may pass only 79.0 %"),
    ],
)
def test_nothing_is_claimed_below_thirty_labels_or_eighty_percent(
    n: int, passed: int, why_not: str
) -> None:
    told = Labelled(n, passed)
    assert (told.why_not, told.passes) == (why_not, not why_not)
