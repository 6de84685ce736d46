"""What is missing, said plainly."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from policies.bundles.published import Governed
from routing.reports.dossier import values
from routing.reports.dossier.gaps import gaps

RULE = Governed("EscalationRule", "t", "large", {}, {})
BUDGET = Governed("Budget", "t", "month", {}, {})
VALID = {
    "by": "rui@acme.example",
    "on": "2026-10-01",
    "evidence": "tried",
    "validUntil": "2027-10-01",
}
HEAD = values.Head(
    name="triage",
    tenant="t",
    owner="cleo@acme.example",
    purpose="Sort claims",
    risk_class="high",
    data_classes=("personal",),
    review_on="2027-03-01",
    validation=VALID,
    routes=("t / triage",),
    first=date(2026, 11, 1),
    last=date(2026, 11, 23),
    revision=7,
    digest="ab",
    mode="four-eyes",
    currency="EUR",
)
USED = values.Used("small", 3, 3, 0, 10, 20, 1_000)
WHOLE = values.Dossier(
    head=HEAD,
    governing=[],
    changes=[],
    overrides=[],
    reviews=[values.Reviewed("approved", "response", 2, 0, 60, 90)],
    reviewers=[],
    tests=values.Tests([values.Tested("t/ok", passed=True, misses=())], 1, (), ()),
    stops=[],
    figures=values.Figures(3, {"completed": 3}, {}, [USED], 1_000),
    log=values.Log(datetime(2026, 1, 1, tzinfo=UTC), (), datetime(2026, 11, 23, 2, tzinfo=UTC), 9),
)
SUPPOSED = values.Supposed((), (RULE,), (BUDGET,), date(2026, 11, 24))


def test_where_nothing_is_missing_nothing_is_said() -> None:
    assert gaps(WHOLE, SUPPOSED) == ()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"validation": {}}, "The use case was never validated; calls to it are denied."),
        (
            {"validation": VALID | {"validUntil": "2026-11-10"}},
            "Its validation lapsed on 2026-11-10; calls are denied from the day after.",
        ),
        (
            {"validation": VALID | {"on": "2026-11-02"}},
            "Its validation is of 2026-11-02, after the first day of this period.",
        ),
        ({"validation": VALID | {"evidence": ""}}, "The validation names no evidence."),
        ({"review_on": ""}, "No date is set for its next review."),
        ({"review_on": "2026-11-23"}, "Its review was due on 2026-11-23."),
        (
            {"mode": "single-operator"},
            "The organisation is in single-operator mode: one person may draft, approve and publish.",
        ),
        ({"routes": ()}, "No route serves this use case."),
    ],
)
def test_of_the_use_case(changed: dict[str, Any], said: str) -> None:
    found = gaps(replace(WHOLE, head=replace(HEAD, **changed)), SUPPOSED)
    assert found == (said,)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"reviews": []}, "No call of this period was held or sampled for a person."),
        (
            {"reviews": [values.Reviewed("approved", "response", 2, 1, 60, 90)]},
            "1 review case was not decided by the time due.",
        ),
        (
            {"tests": values.Tests((), 1, (), ())},
            "No policy test supposes a call of this use case.",
        ),
        (
            {
                "tests": values.Tests(
                    [values.Tested("t/no", passed=False, misses=("x",))], 3, ("a", "b"), ()
                )
            },
            "Policy tests that fail: t/no.|2 of 3 rules are decided by no policy test: a, b.",
        ),
        (
            {"figures": values.Figures(1, {}, {}, [replace(USED, unknown=1)], 0)},
            "The cost of 1 attempt is not known yet.",
        ),
        (
            {"figures": values.Figures(0, {}, {}, [], 0)},
            "There were no calls in this period.",
        ),
        (
            {"log": replace(WHOLE.log, first_at=datetime(2026, 11, 9, tzinfo=UTC))},
            "Logs are missing for a part of this period: the log begins on 2026-11-09.",
        ),
        (
            {"log": replace(WHOLE.log, first_at=None)},
            "Logs are missing for a part of this period: the log is empty.",
        ),
        (
            {"log": replace(WHOLE.log, whole_held_at=None)},
            "The whole log was never checked and found to hold.",
        ),
        (
            {"log": replace(WHOLE.log, whole_held_at=datetime(2026, 11, 20, tzinfo=UTC))},
            "The whole log was last checked and found to hold on 2026-11-20.",
        ),
    ],
)
def test_of_the_records(changed: dict[str, Any], said: str) -> None:
    assert "|".join(gaps(replace(WHOLE, **changed), SUPPOSED)) == said


def test_of_oversight_and_money() -> None:
    assert gaps(WHOLE, replace(SUPPOSED, escalations=(), budgets=())) == (
        "No rule can hold a call for a person: nothing escalates, and no permission holds.",
        "No budget bounds what it may cost.",
    )
    assert gaps(WHOLE, replace(SUPPOSED, escalations=(), holds=("t / large",))) == ()


def test_as_plain_json_money_is_exact_and_names_are_the_apis() -> None:
    told = values.plain(WHOLE)
    assert told["head"]["riskClass"] == "high"
    assert told["head"]["first"] == "2026-11-01"
    assert told["figures"]["models"] == [
        {
            "model": "small",
            "calls": 3,
            "attempts": 3,
            "unknown": 0,
            "tokensInput": 10,
            "tokensOutput": 20,
            "cost": "0.000001",
        }
    ]
    assert told["log"]["wholeHeldAt"] == "2026-11-23T02:00:00.000Z"
    assert told["reviews"][0]["meanSeconds"] == 60
