"""Exceptions: a soft forbid lifted within its scope and time, a budget raised, and nothing else opened."""

from typing import Any

import pytest

from policies.documents.parse import parse_text
from policies.documents.whole import check_whole
from policies.engine.decide import decide
from policies.engine.decision import Lifted, RuleRef, encode
from policies.engine.explain import trace
from tests.policies.engine.small import (
    EVERYONE,
    budget,
    bundle,
    call,
    document,
    model,
    models,
    permission,
    refused,
    route,
    steps,
)

SOFT = permission("soft", effect="forbid", level="soft", on="model", when='model.name == "m1"')
WORLD = (EVERYONE, model("m1"), model("m2"), route("r", "m1", "m2"))


def exception(name: str, tenant: str = "", **spec: Any) -> str:
    base = {"permission": "soft", "reason": "a pilot", "expiresOn": "2026-12-31"}
    return document("Exception", name, base | spec, tenant)


def raising(name: str, tenant: str = "", **spec: Any) -> str:
    base = {"budget": "b", "raiseBy": "2.50", "reason": "a pilot", "expiresOn": "2026-12-31"}
    return document("Exception", name, base | spec, tenant)


def test_it_lifts_the_forbid_and_stands_in_the_decision() -> None:
    of = bundle(*WORLD, SOFT, exception("pilot"))
    decision = decide(of, call())
    assert [s.model for s in steps(decision)] == ["m1", "m2"]
    ref = RuleRef(kind="Permission", tenant="", name="soft", line=19)
    assert decision.lifted == (
        Lifted(exception="pilot", exception_tenant="", rule=ref, model="m1"),
    )
    assert (
        b'"lifted":[{"exception":"pilot","exceptionTenant":"","model":"m1","raiseNano":"0","rule"'
        in encode(decision)
    )
    assert models(bundle(*WORLD, SOFT), call()) == ["m2"]


def test_the_trace_names_it() -> None:
    (rule,) = [
        r
        for r in trace(bundle(*WORLD, SOFT, exception("pilot")), call()).rules
        if (r.name, r.model) == ("soft", "m1")
    ]
    assert (rule.outcome, rule.counted, rule.lifted) == ("true", False, "pilot")


@pytest.mark.parametrize(("now", "there"), [("2026-12-31T22:59:59.999Z", True), ("2027-01-01T00:00:00.000Z", False)])  # fmt: skip
def test_it_ends_with_its_last_day(now: str, *, there: bool) -> None:
    of = bundle(*WORLD, SOFT, exception("pilot"))
    assert models(of, call(now=now)) == (["m1", "m2"] if there else ["m2"])


@pytest.mark.parametrize(
    ("scope", "there"),
    [
        ({}, True), ({"tenant": "a"}, True), ({"tenant": "b"}, False), ({"team": "t"}, True),
        ({"key": "k2"}, False), ({"route": "r"}, True), ({"model": "m1"}, True), ({"model": "m2"}, False),
        ({"provider": "p"}, True), ({"useCase": "u"}, True), ({"labels": {"x": "y"}}, False),
    ],
)  # fmt: skip
def test_it_lifts_within_its_scope_only(scope: dict[str, Any], *, there: bool) -> None:
    of = bundle(*WORLD, SOFT, exception("pilot", scope=scope))
    assert models(of, call()) == (["m1", "m2"] if there else ["m2"])


def test_it_lifts_a_forbid_on_the_call() -> None:
    soft = permission("soft", effect="forbid", level="soft")
    assert refused(bundle(*WORLD, soft), call()).startswith("forbidden: ")
    of = bundle(*WORLD, soft, exception("pilot"))
    decision = decide(of, call())
    assert (decision.effect, [one.model for one in decision.lifted]) == ("permit", [""])
    # one that is about a model says nothing about the call
    named = bundle(*WORLD, soft, exception("pilot", scope={"model": "m1"}))
    assert refused(named, call()).startswith("forbidden: ")


def test_a_forbid_that_errs_is_not_lifted() -> None:
    soft = permission("soft", effect="forbid", level="soft", when="request.labels.missing == ''")
    assert refused(bundle(*WORLD, soft, exception("pilot")), call()).startswith("forbidden: ")


def test_it_lifts_no_other_rule() -> None:
    other = permission(
        "other", effect="forbid", level="soft", on="model", when='model.name == "m1"'
    )
    assert models(bundle(*WORLD, SOFT, other, exception("pilot")), call()) == ["m2"]


def problems(*documents: str) -> list[str]:
    parts = [
        document("Organisation", "acme", {"currency": "EUR"}),
        document("Tenant", "a", {"teams": ["t"]}),
    ]
    found = parse_text("\n---\n".join([*parts, *documents]) + "\n", "x.yaml")
    return [f"{p.path}: {p.message}" for p in check_whole(found)]


def test_what_it_may_not_name() -> None:
    hard = permission("soft", effect="forbid")
    assert problems(hard, exception("e")) == [
        'spec.permission: "soft" is no soft forbid; nothing else can be lifted'
    ]
    permit = permission("soft", effect="permit")
    assert len(problems(permit, exception("e"))) == 1
    assert problems(SOFT, exception("e", "a")) == [
        "spec.permission: \"soft\" is the organisation's; a tenant's Exception reaches its own documents only"
    ]
    assert problems(SOFT, exception("e")) == []


def test_a_tenants_exception_lifts_nothing_of_the_organisation_even_unchecked() -> None:
    # the whole was not checked here: the guard stands in the decision too
    assert models(bundle_unchecked(*WORLD, SOFT, exception("pilot", "a")), call()) == ["m2"]
    own = permission(
        "soft", "a", effect="forbid", level="soft", on="model", when='model.name == "m1"'
    )
    assert models(bundle(*WORLD, own, exception("pilot", "a")), call()) == ["m1", "m2"]


def bundle_unchecked(*documents: str) -> Any:
    from policies.engine.check import check
    from policies.engine.compile import compile_bundle
    from tests.policies.engine.small import PARTS

    found = parse_text("\n---\n".join([*PARTS.values(), *documents]) + "\n", "small.yaml")
    return compile_bundle(1, found, check(found))


def test_it_raises_a_budget() -> None:
    of = bundle(*WORLD, budget("b", limit="1"), raising("more"))
    decision = decide(of, call())
    (claim,) = steps(decision)[0].budgets
    assert claim.limit_nano == 3_500_000_000
    ref = RuleRef(kind="Budget", tenant="", name="b")
    assert decision.lifted == (
        Lifted(exception="more", exception_tenant="", rule=ref, raise_nano=2_500_000_000),
    )
    late = decide(of, call(now="2027-01-01T00:00:00.000Z"))
    assert steps(late)[0].budgets[0].limit_nano == 1_000_000_000
    assert late.lifted == ()


def test_two_raises_add_up_and_another_budget_stays() -> None:
    of = bundle(*WORLD, budget("b"), budget("c"), raising("x"), raising("y", raiseBy="1"))
    assert {c.budget: c.limit_nano for c in steps(decide(of, call()))[0].budgets} == {
        "b": 4_500_000_000, "c": 1_000_000_000,
    }  # fmt: skip
