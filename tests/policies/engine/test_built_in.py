"""The built-in rules, each at both sides of its boundary: use case, lifecycle, clearance, capability, context, stops."""

from functools import cache
from typing import Any

import pytest

from policies.engine.bundle import Bundle
from policies.engine.decide import decide
from policies.engine.facts import KeyFacts, StopFact
from tests.policies.engine.small import (
    EVERYONE,
    PRICE,
    VALID,
    bundle,
    call,
    document,
    model,
    models,
    names,
    organisation,
    refused,
    route,
    tenant,
)  # fmt: skip

# ruff: noqa: E501  # one case a line reads better than a short one


def use_case(**validation: Any) -> str:
    spec = {"owner": "cleo@acme.example", "purpose": "x", "riskClass": "minimal"}
    return document(
        "UseCase", "u", spec | ({"validation": VALID | validation} if validation else {})
    )


def zoned(zone: str) -> Bundle:
    return bundle(
        EVERYONE,
        model("m1"),
        route("r", "m1"),
        a=tenant("a", timeZone=zone),
        u=use_case(on="2026-03-01", validUntil="2026-03-28"),
    )


@pytest.mark.parametrize(
    ("zone", "now", "code"),
    [
        ("UTC", "2026-02-28T23:59:59.999Z", "only from"),
        ("UTC", "2026-03-01T00:00:00.000Z", ""),
        ("UTC", "2026-03-28T23:59:59.999Z", ""),
        ("UTC", "2026-03-29T00:00:00.000Z", "ended on"),
        # Auckland is thirteen hours ahead in summer
        ("Pacific/Auckland", "2026-02-28T10:59:59.999Z", "only from"),
        ("Pacific/Auckland", "2026-02-28T11:00:00.000Z", ""),
        ("Pacific/Auckland", "2026-03-28T10:59:59.999Z", ""),
        ("Pacific/Auckland", "2026-03-28T11:00:00.000Z", "ended on"),
        # Los Angeles: eight hours behind before 8 March, seven after
        ("America/Los_Angeles", "2026-03-01T07:59:59.999Z", "only from"),
        ("America/Los_Angeles", "2026-03-01T08:00:00.000Z", ""),
        ("America/Los_Angeles", "2026-03-29T06:59:59.999Z", ""),
        ("America/Los_Angeles", "2026-03-29T07:00:00.000Z", "ended on"),
        # half-hour and quarter-hour zones
        ("Asia/Kolkata", "2026-03-28T18:29:59.999Z", ""),
        ("Asia/Kolkata", "2026-03-28T18:30:00.000Z", "ended on"),
        ("Asia/Kathmandu", "2026-03-28T18:14:59.999Z", ""),
        ("Asia/Kathmandu", "2026-03-28T18:15:00.000Z", "ended on"),
    ],
)  # fmt: skip
def test_a_use_case_is_valid_from_its_first_to_its_last_day_in_the_tenants_zone(
    zone: str, now: str, code: str
) -> None:
    if code:
        assert code in refused(zoned(zone), call(now=now))
    else:
        assert models(zoned(zone), call(now=now)) == ["m1"]


def test_a_tenant_without_a_zone_has_the_organisations() -> None:
    of = bundle(
        EVERYONE, model("m1"), route("r", "m1"),
        organisation=organisation(timeZone="Asia/Tokyo"),
        b=tenant("b", timeZone="UTC"),
        u=use_case(on="2026-03-01", validUntil="2026-03-28"),
    )  # fmt: skip
    evening = "2026-03-28T15:00:00.000Z"
    assert "ended on 2026-03-28" in refused(of, call(now=evening))
    assert models(of, call(now=evening, tenant="b")) == ["m1"]


def test_a_use_case_that_is_valid_on_one_day_only() -> None:
    of = bundle(
        EVERYONE,
        model("m1"),
        route("r", "m1"),
        u=use_case(on="2026-11-24", validUntil="2026-11-24"),
    )
    assert models(of, call(now="2026-11-24T23:59:59.999Z")) == ["m1"]
    assert (
        refused(of, call(now="2026-11-25T00:00:00.000Z"))
        == 'use-case: the validation of the use case "u" ended on 2026-11-24'
    )
    assert (
        refused(of, call(now="2026-11-23T23:59:59.999Z"))
        == 'use-case: the use case "u" is valid only from 2026-11-24'
    )


def test_an_unvalidated_use_case_beats_every_permit() -> None:
    of = bundle(EVERYONE, model("m1"), route("r", "m1"), u=use_case())
    assert refused(of, call()) == 'use-case: the use case "u" has not been validated'
    assert names(decide(of, call()).determining) == ["use-case"]


def living(**lifecycle: str) -> Bundle:
    return bundle(
        EVERYONE,
        model("old", lifecycle=lifecycle),
        model("new"),
        model("last"),
        route("r", "old", "last"),
    )


@pytest.mark.parametrize("state", ["preview", "active", "deprecated"])
def test_models_in_these_states_are_used(state: str) -> None:
    assert models(living(state=state), call()) == ["old", "last"]


def test_a_retired_model_is_replaced_or_dropped() -> None:
    assert models(living(state="retired", replacement="new"), call()) == ["new", "last"]
    of = living(state="retired")
    assert models(of, call()) == ["last"]
    assert [(d.model, d.rule.name, d.message) for d in decide(of, call()).dropped] == [
        ("old", "lifecycle", "old is retired and has no replacement")
    ]


@pytest.mark.parametrize(
    ("now", "plan", "warned"),
    [
        ("2026-05-30T12:00:00.000Z", ["old", "last"], False),
        ("2026-05-31T00:00:00.000Z", ["old", "last"], True),
        ("2026-06-29T23:59:59.999Z", ["old", "last"], True),
        ("2026-06-30T00:00:00.000Z", ["new", "last"], False),
        ("2026-12-01T00:00:00.000Z", ["new", "last"], False),
    ],
)
def test_a_sunset_before_at_and_after_the_day(
    now: str, plan: list[str], warned: bool
) -> None:  # a column
    of = living(sunsetOn="2026-06-30", replacement="new")
    assert models(of, call(now=now)) == plan
    wanted = ("old is used until 2026-06-30; then new takes its place",) if warned else ()
    assert decide(of, call(now=now)).warnings == wanted


def test_a_sunset_without_a_replacement_drops_the_model() -> None:
    of = living(sunsetOn="2026-06-30")
    assert decide(of, call(now="2026-06-29T12:00:00.000Z")).warnings == (
        "old is used until 2026-06-30; then it has no replacement",
    )
    assert models(of, call(now="2026-06-30T00:00:00.000Z")) == ["last"]


def test_replacements_are_followed_and_a_circle_ends() -> None:
    def at(name: str, then: str) -> str:
        return model(name, lifecycle={"sunsetOn": "2026-01-01", "replacement": then})

    chain = bundle(EVERYONE, at("x", "y"), at("y", "z"), model("z"), route("r", "x", "z"))
    assert models(chain, call()) == ["z"]
    circle = bundle(EVERYONE, at("x", "y"), at("y", "x"), model("z"), route("r", "x", "z"))
    assert models(circle, call()) == ["z"]
    (dropped,) = decide(circle, call()).dropped
    assert dropped.rule.name == "lifecycle"


def test_a_replacement_is_held_against_the_rules_itself() -> None:
    of = bundle(
        EVERYONE,
        model("old", lifecycle={"sunsetOn": "2026-01-01", "replacement": "new"}),
        model("new", clearance=[]),
        model("last"),
        route("r", "old", "last"),
    )
    assert models(of, call()) == ["last"]
    assert [(d.model, d.message) for d in decide(of, call()).dropped] == [
        ("new", "new has no clearance for public data")
    ]


def test_clearance_covers_the_classes_of_use_case_and_request_together() -> None:
    u = document(
        "UseCase",
        "u",
        {
            "owner": "o",
            "purpose": "x",
            "riskClass": "high",
            "dataClasses": ["health"],
            "validation": VALID,
        },
    )
    of = bundle(
        EVERYONE,
        model("m1", clearance=["health"]),
        model("m2", clearance=["health", "personal"]),
        model("m3", clearance=["personal"]),
        route("r", "m1", "m2", "m3"),
        u=u,
    )
    assert models(of, call({"data_classes": ()})) == ["m1", "m2"]
    assert models(of, call({"data_classes": ("personal",)})) == ["m2"]
    assert [d.message for d in decide(of, call({"data_classes": ("personal", "secret")})).dropped] == [
        "m1 has no clearance for personal data",
        "m1 has no clearance for secret data",
        "m2 has no clearance for secret data",
        "m3 has no clearance for health data",
        "m3 has no clearance for secret data",
    ]  # fmt: skip


def test_each_missing_capability_is_a_reason() -> None:
    of = bundle(EVERYONE, model("m1", capabilities=["chat", "tools"]), route("r", "m1"))
    assert models(of, call({"needs": ("tools", "chat")})) == ["m1"]
    assert refused(of, call({"needs": ("vision", "tools", "logprobs")})) == (
        'capability: no model of the route "r" may take this call: m1 cannot do vision; m1 cannot do logprobs'
    )


@pytest.mark.parametrize(
    ("estimate", "asked", "tokens"),
    [
        (50, 0, 1000),
        (50, 1000, 1000),
        (50, 1, 1),
        (9000, 1000, 1000),
        (9001, 0, 999),
        (9999, 0, 1),
        (9999, 1, 1),
    ],
)
def test_how_many_output_tokens_fit(estimate: int, asked: int, tokens: int) -> None:
    of = bundle(EVERYONE, model("m1"), route("r", "m1"))
    plan = decide(of, call({"input_tokens_estimate": estimate, "output_tokens_asked": asked})).plan
    assert plan is not None
    assert [s.max_output_tokens for s in plan.steps] == [tokens]


@pytest.mark.parametrize(
    ("estimate", "asked", "message"),
    [
        (50, 1001, "m1 gives at most 1000 output tokens, not 1001"),
        (9001, 1000, "m1 takes 10000 tokens; input and 1000 output tokens do not fit"),
        (10_000, 0, "m1 takes 10000 tokens, the input alone has about 10000"),
        (10_001, 1, "m1 takes 10000 tokens, the input alone has about 10001"),
    ],
)
def test_what_does_not_fit_is_refused_and_never_cut(
    estimate: int, asked: int, message: str
) -> None:
    of = bundle(EVERYONE, model("m1"), route("r", "m1"))
    facts = call({"input_tokens_estimate": estimate, "output_tokens_asked": asked})
    assert refused(of, facts) == f'context: no model of the route "r" may take this call: {message}'


def test_the_first_price_holds_from_its_own_day() -> None:
    of = bundle(
        EVERYONE,
        model("m1", prices=[PRICE | {"from": "2026-11-24"}]),
        route("r", "m1"),
        a=tenant("a", timeZone="Europe/Berlin"),
    )
    assert models(of, call(now="2026-11-23T23:00:00.000Z")) == ["m1"]
    assert refused(of, call(now="2026-11-23T22:59:59.999Z")) == (
        'price: no model of the route "r" may take this call: no price of m1 is known for 2026-11-23'
    )


def test_a_price_in_a_currency_without_a_rate_is_no_price() -> None:
    def at(rates: list[dict[str, str]]) -> Bundle:
        return bundle(
            EVERYONE, model("m1", prices=[PRICE | {"currency": "USD"}]), route("r", "m1"),
            organisation=organisation(exchangeRates=rates),
        )  # fmt: skip

    known = {"from": "2026-11-24", "USD": "0.9"}
    assert models(at([known]), call()) == ["m1"]
    for rates in (
        [],
        [{"from": "2026-11-25", "USD": "0.9"}],
        [{"from": "2026-01-01", "GBP": "1.1"}],
    ):
        assert refused(at(rates), call()) == (
            'price: no model of the route "r" may take this call: no price of m1 is known for 2026-11-24'
        )
    # a later line that names other currencies leaves the earlier rate in force
    assert models(
        at([{"from": "2026-01-01", "USD": "0.8"}, {"from": "2026-11-01", "GBP": "1.1"}]), call()
    ) == ["m1"]


@cache
def owned() -> Bundle:
    """Two models and a route of the organisation, and of tenant `a` one of the same name each, at an own provider."""
    return bundle(
        EVERYONE,
        model("m1"), model("m2"), route("r", "m1", "m2"), route("shared", "m1", "m2"),
        document("Provider", "q", {"type": "sandbox"}, "a"),
        model("m1", "a", provider="q"), route("r", "m1", "m2", tenant="a"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("stop", "mine", "shared", "theirs"),
    [
        (StopFact(kind="everything"), [], [], []),
        (StopFact(kind="tenant", name="a"), [], [], ["m1", "m2"]),
        (StopFact(kind="tenant", tenant="a"), [], [], ["m1", "m2"]),
        (StopFact(kind="tenant", name="b"), ["a/m1", "m2"], ["m1", "m2"], []),
        (StopFact(kind="key", name="k1"), [], [], []),
        (StopFact(kind="key", name="k2"), ["a/m1", "m2"], ["m1", "m2"], ["m1", "m2"]),
        (StopFact(kind="route", name="r"), ["a/m1", "m2"], ["m1", "m2"], []),
        (StopFact(kind="route", tenant="a", name="r"), [], ["m1", "m2"], ["m1", "m2"]),
        (StopFact(kind="route", tenant="b", name="r"), ["a/m1", "m2"], ["m1", "m2"], ["m1", "m2"]),
        (StopFact(kind="model", name="m1"), ["a/m1", "m2"], ["m2"], ["m2"]),
        (StopFact(kind="model", tenant="a", name="m1"), ["m2"], ["m1", "m2"], ["m1", "m2"]),
        (StopFact(kind="model", tenant="b", name="m1"), ["a/m1", "m2"], ["m1", "m2"], ["m1", "m2"]),
        (StopFact(kind="model", name="m2"), ["a/m1"], ["m1"], ["m1"]),
        (StopFact(kind="provider", name="p"), ["a/m1"], [], []),
        (StopFact(kind="provider", tenant="a", name="q"), ["m2"], ["m1", "m2"], ["m1", "m2"]),
        (StopFact(kind="provider", name="q"), ["a/m1", "m2"], ["m1", "m2"], ["m1", "m2"]),
    ],
    ids=lambda v: f"{v.kind}-{v.tenant}-{v.name}" if isinstance(v, StopFact) else None,
)  # fmt: skip
def test_a_stop_stops_what_it_names_and_nothing_else(
    stop: StopFact, mine: list[str], shared: list[str], theirs: list[str]
) -> None:
    of = owned()
    assert models(of, call(stops=(stop,))) == mine
    assert models(of, call(stops=(stop,), route="shared")) == shared
    assert models(of, call(stops=(stop,), tenant="b")) == theirs


def test_a_stop_of_a_call_is_told_before_everything_else() -> None:
    stops = (StopFact(kind="key", name="k1"), StopFact(kind="everything"))
    decision = decide(owned(), call(stops=stops, key=KeyFacts(id="k1")))
    assert decision.denial is not None
    assert (decision.denial.code, decision.denial.message) == (
        "stop",
        "the key k1 is stopped; every call is stopped",
    )
    assert names(decision.determining) == ["stop"]
    assert decision.dropped == ()


@pytest.mark.parametrize("field", ["exclude", "breakers_open"])
def test_breakers_and_exclusions_name_a_model_of_the_organisation_or_of_a_tenant(
    field: str,
) -> None:
    def left(*out: str, **changes: Any) -> list[str]:
        return models(owned(), call(**{field: out}, **changes))  # type: ignore[arg-type]  # by name

    assert left("m1") == ["a/m1", "m2"]
    assert left("a/m1") == ["m2"]
    assert left("a/m1", "m2") == []
    assert left("m1", route="shared") == ["m2"]


def test_a_tenants_names_hide_the_organisations_for_that_tenant_alone() -> None:
    of = owned()
    assert models(of, call()) == ["a/m1", "m2"]
    assert models(of, call(route="shared")) == ["m1", "m2"]
    assert models(of, call(tenant="b")) == ["m1", "m2"]
    plan = decide(of, call()).plan
    assert plan is not None
    assert [(s.provider_tenant, s.provider) for s in plan.steps] == [("a", "q"), ("", "p")]


@pytest.mark.parametrize(
    ("strategy", "moves_on"),
    [
        ({"type": "single", "model": "m1"}, ()),
        ({"type": "fallback", "models": ["m2", "m1"]}, ("timeout", "rate_limited", "overloaded", "server_error", "worker_lost", "refused_account")),
    ],
)  # fmt: skip
def test_a_fallback_moves_on_for_all_but_a_refused_request(
    strategy: dict[str, Any], moves_on: tuple[str, ...]
) -> None:
    of = bundle(EVERYONE, model("m1"), model("m2"), route("r", strategy=strategy))
    plan = decide(of, call()).plan
    assert plan is not None
    assert plan.fallback_on == moves_on
    assert [s.model for s in plan.steps] == strategy.get("models", ["m1"])
    assert (plan.retry.attempts, plan.retry.on, plan.retry.backoff_seconds) == (
        2,
        ("rate_limited", "overloaded", "server_error"),
        0.5,
    )
