"""What `bench report` lays down, how it reads what it is told, and that what it measures is a past as it should be."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from controlplane.kernel.ids import uuid7_time
from policies.engine.decide import decide
from routing.bench import history
from routing.bench.made import MODELS, begins, months, past
from routing.bench.report import Exported, spent_in, told_of_exports, told_of_pages
from tests.policies.engine.small import compiled, organisation

NOW = datetime(2026, 11, 29, 12, 30, tzinfo=UTC)


def test_the_past_begins_a_year_ago_and_goes_up_to_now() -> None:
    calls = list(past(1_300, NOW))
    assert begins(NOW).isoformat() == "2025-11-01T00:00:00+01:00"
    assert [made.at for made in calls] == sorted(made.at for made in calls)
    assert begins(NOW) < calls[0].at < calls[-1].at < NOW
    assert NOW - calls[-1].at < timedelta(hours=8)
    assert all(made.at - uuid7_time(made.call) < timedelta(milliseconds=1) for made in calls)
    assert len({made.call for made in calls}) == 1_300


def test_the_past_has_every_kind_of_call_and_its_money_is_that_of_its_tokens() -> None:
    calls = list(past(1_300, NOW))
    assert Counter(made.state for made in calls) == {
        "completed": 1_261, "denied": 26, "failed": 13,
    }  # fmt: skip
    assert Counter(len(made.tries) for made in calls) == {0: 26, 1: 1_233, 2: 41}
    assert len({(made.tenant, made.team, made.key, made.route) for made in calls}) == 72
    for made in calls:
        for one in made.tries:
            _, into, out = MODELS[one.model]
            assert one.amount_nano == one.tokens_input * into + one.tokens_output * out
    assert sum(made.amount_nano for made in calls) == sum(
        one.amount_nano for made in calls for one in made.tries
    )


def test_the_same_past_costs_the_same_again() -> None:
    first, second = (sum(made.amount_nano for made in past(700, NOW)) for _ in range(2))
    assert first == second > 0


def test_the_months_meet_and_cover_the_past() -> None:
    found = list(months(NOW))
    assert len(found) == 13
    assert found[0][0] == begins(NOW)
    assert [ends for _, ends in found[:-1]] == [starts for starts, _ in found[1:]]
    assert found[-1][0] < NOW < found[-1][1]


def test_a_leap_day_begins_no_other_month() -> None:
    at = datetime(2028, 2, 29, 12, tzinfo=UTC)
    assert begins(at).isoformat() == "2027-02-01T00:00:00+01:00"


def test_its_documents_permit_what_it_says_was_permitted() -> None:
    bundle = compiled([organisation(dataClasses=["internal"]), *history.documents().split("---\n")])
    made = next(one for one in past(60, NOW) if one.state == "completed")
    decision = decide(bundle, history._facts(made))
    assert decision.effect == "permit"
    assert decision.plan is not None
    assert [step.model for step in decision.plan.steps] == list(MODELS)


def test_the_page_that_counts_is_the_slowest() -> None:
    took = {"quick": [1.0] * 20, "slow": [10.0] * 19 + [30.0]}
    assert told_of_pages(took, {"quick": 3, "slow": 9}) == {
        "page_p95_ms": 11.0,
        "slowest": "slow",
        "all_pages_p95_ms": 10.0,
        "pages_p95_ms": {"slow": 11.0, "quick": 1.0},
        "queries_most": 9,
        "queries": {"slow": 9, "quick": 3},
    }


def test_an_export_is_measured_against_the_same_of_one_month() -> None:
    made = {
        ("calls", "csv"): (Exported(700, 0.5, 90_112), Exported(9_000, 4.26, 92_160)),
        ("calls", "xlsx"): (Exported(701, 1.0, 92_160), Exported(9_001, 9.0, 93_184)),
    }
    assert told_of_exports(made) == {
        "export_peak_mib": 91.0,
        "export_growth_mib": 2.0,
        "export_rows": 9_001,
        "export_rows_before": 701,
        "export_seconds": {"calls csv": 4.3, "calls xlsx": 9.0},
    }


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("a,spent EUR\r\nx,0.000000001\r\ny,2.50\r\n", 2_500_000_001),
        ("a,spent EUR\r\n", 0),
        ("\ufeffspent EUR\r\n1\r\n", 1_000_000_000),
    ],
)
def test_the_sum_of_a_file_is_exact(text: str, nano: int) -> None:
    assert spent_in(text.encode()) == nano
