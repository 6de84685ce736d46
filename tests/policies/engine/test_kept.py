"""What a bundle keeps from one decision to the next changes no byte of any: of other calls, tenants, days, exceptions."""

import random
from hashlib import sha256

import pytest

from policies.engine.calendar import day_at, today_at
from policies.engine.compile import load_bundle
from policies.engine.decide import decide, decided, deliberate
from policies.engine.decision import encode
from policies.engine.explain import trace
from policies.engine.facts import Facts, KeyFacts, decode
from policies.engine.schema import MODEL
from tests.policies.engine import corpus
from tests.policies.engine.small import (
    EVERYONE,
    bundle,
    call,
    document,
    model,
    models,
    permission,
    route,
)

WORLDS = corpus.bundles()


@pytest.mark.parametrize("world", sorted(WORLDS))
def test_a_bundle_that_was_asked_before_answers_as_a_fresh_one(world: str) -> None:
    of, cases = WORLDS[world]
    given = [decode(case.facts.encode()) for case in cases]
    chosen = random.Random(7).sample(given, min(6, len(given)))  # noqa: S311  # not for secrets
    stored = of.text, corpus.stored_checked(corpus.FOLDER / f"{world}.bundle.json")
    fresh = [trace(load_bundle(1, *stored), facts) for facts in chosen[:2]]
    for facts in (*given[:20], *chosen, *chosen):
        trace(of, facts)
    assert [trace(of, facts) for facts in chosen[:2]] == fresh


@pytest.mark.parametrize("world", sorted(WORLDS))
def test_a_whole_deliberation_comes_to_the_same_decision(world: str) -> None:
    of, cases = WORLDS[world]
    for case in cases[::7]:
        facts = decode(case.facts.encode())
        decision = decide(of, facts)
        assert decided(of, facts, deliberate(of, facts)) == decision
        # the ends of steps that were made ready say what the steps say
        assert sha256(encode(decision)).digest() == decision.digest


def test_the_rules_of_one_tenant_are_not_kept_for_another() -> None:
    on_m1 = {"on": "model", "when": 'model.name == "m1"'}
    of = bundle(
        EVERYONE, model("m1"), model("m2"), route("r", "m1", "m2"),
        permission("ours", tenant="a", effect="forbid", **on_m1), permission("theirs", tenant="b", effect="permit", **on_m1),
    )  # fmt: skip
    assert [models(of, call(tenant=name)) for name in "abab"] == [["m2"], ["m1"]] * 2


SOFT = permission("soft", effect="forbid", level="soft", on="model", when='model.name == "m1"')
UNTIL = {"permission": "soft", "scope": {"key": "k1"}, "reason": "x", "expiresOn": "2026-11-24"}


def test_an_exception_is_not_kept_for_a_call_that_it_does_not_cover() -> None:
    of = bundle(
        EVERYONE, model("m1"), model("m2"), route("r", "m1", "m2"), SOFT,
        document("Exception", "pilot", UNTIL),
    )  # fmt: skip
    covered, other = call(), call(key=KeyFacts(id="k2"))

    def seen(facts: Facts) -> tuple[list[str], list[str]]:
        rules = [one for one in trace(of, facts).rules if one.name == "soft" and one.model == "m1"]
        return models(of, facts), [one.lifted for one in rules]

    assert [seen(one) for one in (other, covered, other, covered)] == [
        (["m2"], [""]),
        (["m1", "m2"], ["pilot"]),
    ] * 2


def test_a_rule_whose_words_or_line_depend_on_the_call_is_not_plain() -> None:
    forbid = {"effect": "forbid", "on": "model"}
    of = bundle(
        EVERYONE, model("m1"), route("r", "m1"),
        permission("no-words", when='model.name == "x"', **forbid),
        permission("model-words", message='"not " + model.name', **forbid),
        permission("call-words", message='"not " + team.name', **forbid),
        permission("may-fail", when='request.labels.x == "1"', **forbid),
    )  # fmt: skip
    plain = {rule.name: rule.plain for rule in of.rules}
    assert plain == {
        "everyone": True, "no-words": True, "model-words": True, "call-words": False, "may-fail": False,
    }  # fmt: skip
    assert {d.name.partition(".")[0] for d in MODEL} == {"model"}


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York"])
def test_the_day_of_a_second_is_the_day_of_its_parts(zone: str) -> None:
    for moment in ("2026-11-23T22:59:59.999Z", "2026-11-23T23:00:00.001Z", "2026-03-29T01:00:00Z"):
        assert today_at(moment, zone) == day_at(moment, zone).isoformat()
