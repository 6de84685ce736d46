"""Savings and waste over rows: what is claimed, on what labels, at which price, and what a draft of it says."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db.models import Q

from policies.documents.parse import parse_text
from policies.engine.bundle import Bundle
from policies.engine.pricing import UsageCounts
from routing.beside.models import Beside, BesideVerdict
from routing.calls.models import Call
from routing.reports.labelled import Labelled
from routing.reports.spans import Span
from routing.reports.turning import reason_of, rewritten
from routing.reports.waste import Finding, Used, Waste, labels_of, turned, waste
from routing.reports.waste_asked import Asked
from routing.reviews.models import ReviewCase
from tests.policies.engine.small import PRICE, bundle, model, route
from tests.routing.reports.made import Ledger, Tried
from tests.routing.reports.test_casework import NEW

pytestmark = pytest.mark.django_db
LARGE = {**PRICE, "inputPerMillion": "10", "outputPerMillion": "20"}


def documents(**strategy: Any) -> Bundle:
    """Tenant `a` with the route `sort` over a large and a small model, unless its strategy is another."""
    more = {"strategy": strategy} if strategy else {}
    return bundle(
        model("large", tier="large", prices=[LARGE]),
        model("small", tier="small"),
        route("sort", "large", "small", tenant="a", **more),
        route("only", "large", tenant="a"),
    )


@pytest.fixture
def ledger() -> Ledger:
    """Two calls that the large model answered (one after the small one failed), one that the small one did, one elsewhere."""
    made = Ledger()
    for tried in (
        (Tried(30_000_000, "large"),),
        (Tried(0, "small", state="failed"), Tried(20_000_000, "large", overrun=10_000_000)),
        (Tried(3_000_000, "small"),),
    ):
        made.call(*tried, tenant="a", team="t", route="sort")
    made.call(Tried(30_000_000, "large"), tenant="a", team="t", route="only")
    made.call(Tried(30_000_000, "large"), tenant="b", team="t", route="sort")
    for attempt in made.attempts:
        if attempt.state == "succeeded":
            attempt.tokens_input, attempt.tokens_output = 1_000, 1_000
    return made


def label(ledger: Ledger, call: Call, number: int, **more: Any) -> None:
    """So many closed samples of a call's answer, each of a queue of its own."""
    told = {"outcome": "approved", "stage": "sample", **more}
    ReviewCase.objects.bulk_create(
        ReviewCase(
            id=NEW.new(), call=call.id, revision=1, opened_at=ledger.at, due_at=ledger.at, closed_at=ledger.at,
            approvals=1, version=0, round=1, on_overdue="reject", tenant=call.tenant, team=call.team, key=call.key,
            route=call.route, queue=f"{told['outcome']}-{n}", queue_tenant="a", message="", rules=[], **told,
        )
        for n in range(number)
    )  # fmt: skip


def told(ledger: Ledger, of: Bundle) -> Waste:
    day = ledger.at.replace(hour=0)
    span = Span(day, day + timedelta(days=1), ZoneInfo("UTC"))
    return waste(Q(tenant="a"), span, of, day.date().isoformat())


def test_with_enough_labels_the_difference_is_waste(ledger: Ledger) -> None:
    ledger.write()
    small = ledger.calls[2]
    label(ledger, small, 34)
    label(ledger, small, 1, outcome="edited")
    found = told(ledger, documents())
    (one,) = found.findings
    assert (one.tenant, one.route, one.model, one.smaller) == ("a", ("a", "sort"), "large", "small")
    assert one.used == Used(2, 60_000_000, UsageCounts(2_000, 0, 0, 2_000))
    assert one.labelled == Labelled(35, 34)
    assert one.would_nano == 2_000 * 1_000 + 2_000 * 2_000
    assert (one.difference_nano, one.waste_nano, one.may_turn) == (54_000_000, 54_000_000, True)
    assert found.waste_nano == 54_000_000


def test_without_enough_labels_nothing_is_claimed(ledger: Ledger) -> None:
    ledger.write()
    label(ledger, ledger.calls[2], 29)
    label(ledger, ledger.calls[0], 40)
    (one,) = told(ledger, documents()).findings
    assert (one.labelled, one.labelled.why_not) == (Labelled(29, 29), "29 of 30 labels")
    assert (one.difference_nano, one.waste_nano, one.may_turn) == (54_000_000, 0, False)


def asked_beside(ledger: Ledger, model: str, nano: int, *words: str) -> None:
    """So many shadow runs of the route, each with its call, its cost and (but for "") its verdict."""
    for word in words:
        of = ledger.call(Tried(30_000_000, "large"), tenant="b", team="t", route="sort")
        run = ledger.call(Tried(nano, model), tenant="a", team="t", route="sort")
        Beside.objects.create(
            call=run.id,
            of=of.id,
            asked_at=ledger.at,
            tenant="a",
            team="t",
            route="sort",
            model=model,
        )
        if word:
            BesideVerdict.objects.create(
                call=run.id, entry=NEW.new(), compared_at=ledger.at, verdict=word
            )


def test_shadow_runs_alone_are_enough_and_are_no_answers(ledger: Ledger) -> None:
    asked_beside(ledger, "small", 2_000_000, *["agreed"] * 35, "differed", "incomparable", "")
    ledger.write()
    found = told(ledger, documents())
    (one,) = found.findings
    assert (one.labelled, one.compared) == (Labelled(0, 0), Labelled(36, 35))
    assert (one.carried, one.why_not, one.waste_nano) == ("shadow runs", "", 54_000_000)
    # neither the larger model's calls nor what the smaller one saved are more for them
    assert one.used.calls == 2
    assert found.saved[0].calls == 1
    (ran,) = found.ran
    assert (ran.runs, ran.agreed, ran.differed, ran.failed) == (38, 35, 1, 0)
    assert ran.spent_nano == 38 * 2_000_000


def test_both_are_told_apart_where_neither_is_enough(ledger: Ledger) -> None:
    asked_beside(ledger, "small", 1, *["agreed"] * 20, *["failed"] * 10)
    ledger.write()
    label(ledger, ledger.calls[2], 29)
    (one,) = told(ledger, documents()).findings
    assert one.why_not == "29 of 30 labels; it may pass only 48.7 %"
    assert (one.carried, one.waste_nano, one.may_turn) == ("", 0, False)


def test_a_model_that_is_only_asked_beside_is_found_and_put_first(ledger: Ledger) -> None:
    asked_beside(ledger, "tiny", 1, *["agreed"] * 40)
    ledger.write()
    of = bundle(
        model("large", tier="large", prices=[LARGE]),
        model("tiny", tier="small"),
        route("sort", "large", tenant="a", shadow={"models": ["tiny"], "percent": "10"}),
    )
    (one,) = told(ledger, of).findings
    assert (one.smaller, one.carried, one.may_turn) == ("tiny", "shadow runs", True)
    assert turned(of.routes["a", "sort"], ("", "tiny")) == ["tiny", "large"]


def test_labels_are_of_answers_that_people_decided_about(ledger: Ledger) -> None:
    ledger.write()
    small = ledger.calls[2]
    label(ledger, small, 3)
    label(ledger, small, 2, outcome="rejected")
    label(ledger, small, 1, stage="response", outcome="redacted")
    label(ledger, small, 1, stage="request", outcome="approved")
    label(ledger, small, 1, stage="response", outcome="overdue-released")
    day = ledger.at.replace(hour=0)
    span = Span(day, day + timedelta(days=1), ZoneInfo("UTC"))
    assert labels_of(Q(tenant="a"), span) == {("a", "sort", "small"): Labelled(6, 3)}
    assert labels_of(Q(tenant="b"), span) == {}


def test_what_the_small_model_answered_is_saved_against_the_largest(ledger: Ledger) -> None:
    ledger.write()
    found = told(ledger, documents())
    (saved,) = found.saved
    assert (saved.route, saved.largest, saved.calls, saved.spent_nano) == (
        *(("a", "sort"), "large", 1, 3_000_000),
    )
    assert saved.saved_nano == found.saved_nano == 30_000_000 - 3_000_000


def test_a_cascade_is_told_and_not_turned(ledger: Ledger) -> None:
    ledger.write()
    label(ledger, ledger.calls[2], 30)
    tiers = [{"models": ["small"]}, {"models": ["large"]}]
    (one,) = told(ledger, documents(type="cascade", tiers=tiers)).findings
    assert (one.waste_nano, one.strategy, one.may_turn) == (54_000_000, "cascade", False)


def test_a_route_of_the_organisation_is_turned_by_no_tenants_evidence() -> None:
    used = Used(2, 60, UsageCounts(0, 0, 0, 0))
    one = Finding("a", ("", "sort"), "large", "small", used, Labelled(30, 30), 6, "fallback")
    assert (one.waste_nano, one.may_turn) == (54, False)


def test_a_model_without_a_price_claims_nothing() -> None:
    used = Used(2, 60, UsageCounts(0, 0, 0, 0))
    one = Finding("a", ("a", "sort"), "large", "small", used, Labelled(30, 30), None, "single")
    assert (one.difference_nano, one.waste_nano, one.may_turn) == (0, 0, False)


@pytest.mark.parametrize(
    "strategy",
    [
        "{type: single, model: large}",
        "{type: fallback, models: [large, small]}",
        "{type: weighted, models: [{model: large, weight: 3}, {model: small, weight: 1}]}",
    ],
)
def test_a_turned_route_falls_back_from_the_smaller_model(strategy: str) -> None:
    source = (
        "apiVersion: mandate/v1\nkind: Route\nmetadata: {name: sort, tenant: a}\n"
        f"spec:\n  useCase: u   # kept\n  strategy: {strategy}\n  stream: refuse\n"
    )
    text = rewritten(source, ["small", "large"])
    (document,) = parse_text(text)
    assert document.spec["strategy"] == {"type": "fallback", "models": ["small", "large"]}
    assert document.spec["stream"] == "refuse"
    assert "# kept" in text


def test_the_reason_has_the_evidence(ledger: Ledger) -> None:
    used = Used(2, 60_000_000, UsageCounts(2_000, 0, 0, 2_000))
    one = Finding("a", ("a", "sort"), "large", "small", used, Labelled(30, 30), 6_000_000, "single")
    day = ledger.at.replace(hour=0)
    span = Span(day, day + timedelta(days=1), ZoneInfo("UTC"))
    words = reason_of(one, Asked(Waste((one,), ()), span, ""), "EUR").split("\n")
    on = f"From {day.date()} to {day.date()} large answered 2 calls of a on this route"
    labels = "Of 30 answers of small that people labelled here, 30 were approved as they were"
    assert words == [
        f"{on} for 0.06 EUR; small would have cost 0.006 for the same tokens at today's price.",
        f"{labels}: between 88.6 and 100.0 percent pass (Wilson, 95 percent).",
        "Labels are of held and sampled calls; the replay shows which calls policy would keep from small.",
    ]


def test_the_reason_says_which_evidence_carries_it(ledger: Ledger) -> None:
    used = Used(2, 60_000_000, UsageCounts(2_000, 0, 0, 2_000))
    one = Finding(
        *("a", ("a", "sort"), "large", "small", used, Labelled(0, 0), 6_000_000, "single"),
        compared=Labelled(30, 30),
    )
    day = ledger.at.replace(hour=0)
    span = Span(day, day + timedelta(days=1), ZoneInfo("UTC"))
    words = reason_of(one, Asked(Waste((one,), ()), span, ""), "EUR").split("\n")
    assert words[1:3] == [
        (
            "Of 30 shadow runs of small here, 30 gave the answer that the caller got: between 88.6 and 100.0 percent agree "
            "(Wilson, 95 percent)."
        ),
        "What is claimed rests on shadow runs.",
    ]
