"""Where a budget alerts first, and what a window may stand at there."""

import pytest

from policies.engine.decide import decide
from policies.engine.decision import BudgetClaim
from routing.beside.pausing import ceilings, first_alert, paused
from routing.calls.steps import WindowRef
from routing.ledger.balances import Share
from tests.policies.engine.small import EVERYONE, budget, bundle, call, model, route

OF = bundle(
    EVERYONE,
    model("m"),
    route("r", "m"),
    budget("none"),
    budget("two", tenant="a", alerts=[95, 30]),
)


def claims() -> tuple[BudgetClaim, ...]:
    plan = decide(OF, call()).plan
    assert plan is not None
    return plan.steps[0].budgets


def test_the_first_alert_is_the_least_and_half_where_there_is_none() -> None:
    assert first_alert(OF, "a", "two") == 30
    assert first_alert(OF, "", "none") == 50


def test_a_ceiling_is_that_part_of_the_limit_in_the_order_of_the_windows() -> None:
    windows = [
        WindowRef(2, 999, hard=True, budget="two", tenant="a"),
        WindowRef(1, 10, False, "none"),
    ]
    assert ceilings(OF, windows) == [299, 5]


@pytest.mark.parametrize(
    ("two", "none", "waits"), [(299, 499, False), (300, 0, True), (0, 500, True)]
)
def test_one_budget_at_its_alert_is_enough(two: int, none: int, *, waits: bool) -> None:
    shares = {("a", "two", ""): Share(two, 1), ("", "none", ""): Share(none, 1)}
    assert paused(OF, claims(), shares) is waits


def test_a_budget_that_nobody_has_read_yet_does_not_pause() -> None:
    assert not paused(OF, claims(), {("b", "two", ""): Share(999, 1)})
