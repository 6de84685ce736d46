"""What permissions mean, held against a second reading of the product's words on random sets of rules."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.engine.bundle import Bundle
from policies.engine.decide import decide
from policies.engine.decision import Decision
from tests.policies.engine.small import (
    EVERYONE,
    bundle,
    call,
    model,
    models,
    names,
    permission,
    refused,
    route,
    steps,
)  # fmt: skip

MODELS = ("m1", "m2", "m3", "m4")
TIERS = {"m1": "small", "m2": "medium", "m3": "large", "m4": "small"}
UNCLEARED = "m3"
ERROR = None
Truth = bool | None
ON_CALL: dict[str, Truth] = {
    "true": True,
    "1 == 1": True,
    "request.stream": False,
    "request.labels.missing == ''": ERROR,
    "1 / run.calls == 1 || true": True,
    "1 / run.calls == 1 && request.stream": False,
    "1 / run.calls == 1 && true": ERROR,
}
ON_MODEL: dict[str, frozenset[str] | None] = {
    "true": frozenset(MODELS),
    "request.stream": frozenset(),
    "model.tier == 'small'": frozenset({"m1", "m4"}),
    "model.name != 'm1'": frozenset({"m2", "m3", "m4"}),
    "1 / run.calls == 1": None,
}


@dataclass(frozen=True)
class Written:
    """One random permission."""

    owner: str
    effect: str
    level: str
    on: str
    when: str

    def truth(self, name: str = "") -> Truth:
        if self.on == "call":
            return ON_CALL[self.when]
        where = ON_MODEL[self.when]
        return ERROR if where is None else name in where

    def forbids(self, name: str = "") -> bool:
        binds = self.effect == "forbid" and self.level != "advisory"
        return binds and self.truth(name) is not False

    def permits(self, name: str = "") -> bool:
        return self.effect == "permit" and self.truth(name) is True


OWNERS = st.sampled_from(["", "a", "b"])
LEVELS = st.sampled_from(["hard", "soft", "advisory"])
EFFECTS = st.sampled_from(["permit", "permit", "forbid"])
RULES = st.one_of(
    st.builds(Written, OWNERS, EFFECTS, LEVELS, st.just("call"), st.sampled_from(list(ON_CALL))),
    st.builds(Written, OWNERS, EFFECTS, LEVELS, st.just("model"), st.sampled_from(list(ON_MODEL))),
)


@lru_cache(maxsize=16)
def compiled(rules: tuple[Written, ...]) -> Bundle:
    def spec(rule: Written) -> dict[str, Any]:
        level = {"level": rule.level} if rule.effect == "forbid" else {}
        return {"effect": rule.effect, "on": rule.on, "when": rule.when, **level}

    return bundle(
        *(permission(f"r{i}", r.owner, **spec(r)) for i, r in enumerate(rules)),
        *(model(m, tier=TIERS[m], clearance=[] if m == UNCLEARED else ["public"]) for m in MODELS),
        route("r", *MODELS),
    )


class Reading:
    """The product's words about permissions, for one call of tenant `a`."""

    def __init__(self, rules: tuple[Written, ...], out: str) -> None:
        mine = {f"r{i}": r for i, r in enumerate(rules) if r.owner in ("", "a")}
        self.on_call = {n: r for n, r in mine.items() if r.on == "call"}
        self.on_model = {n: r for n, r in mine.items() if r.on == "model"}
        self.out = out
        self.levels = {r.owner for r in self.on_model.values() if r.effect == "permit"}

    def against(self, name: str) -> set[str]:
        """What removes one model."""
        found = {n for n, r in self.on_model.items() if r.forbids(name)}
        met = {r.owner for r in self.on_model.values() if r.permits(name)}
        found |= {"no-permit"} if self.levels - met else set()
        found |= {"clearance"} if name == UNCLEARED else set()
        return found | ({"breaker"} if name == self.out else set())

    def plan(self) -> list[str]:
        return [] if self.refused() else [m for m in MODELS if not self.against(m)]

    def refused(self) -> set[str]:
        forbidding = {n for n, r in self.on_call.items() if r.forbids()}
        permitted = any(r.permits() for r in self.on_call.values())
        return forbidding or (set() if permitted else {"no-permit"})

    def determining(self) -> set[str]:
        plan = self.plan()
        if not plan:
            return self.refused() or set.union(*map(self.against, MODELS))
        before = MODELS[: MODELS.index(plan[-1]) + 1]
        permits = {n for n, r in self.on_call.items() if r.permits()}
        permits |= {n for n, r in self.on_model.items() if any(map(r.permits, plan))}
        return permits.union(*map(self.against, before))

    def failed(self) -> set[str]:
        return {n for n, r in (self.on_call | self.on_model).items() if r.truth() is ERROR}

    def advised(self) -> set[str]:
        advisory = {
            n: r
            for n, r in (self.on_call | self.on_model).items()
            if (r.effect, r.level) == ("forbid", "advisory")
        }
        return {n for n, r in advisory.items() if any(r.truth(m) for m in MODELS)}


@settings(deadline=None, max_examples=250)
@given(st.lists(RULES, max_size=6).map(tuple), st.sampled_from(["", *MODELS]))
def test_every_set_of_rules_decides_as_the_product_says(
    rules: tuple[Written, ...], out: str
) -> None:
    of, words = compiled(rules), Reading(rules, out)
    decision = decide(of, call(breakers_open=(out,) if out else ()))
    assert [s.model for s in steps(decision)] == words.plan()
    assert decision.effect == ("permit" if words.plan() else "deny")
    assert set(names(decision.determining)) == words.determining()
    assert {(e.name, bool(e.error)) for e in decision.errors} == {(n, True) for n in words.failed()}
    assert set(names(decision.advisories)) == words.advised()
    if not words.refused():
        removed = {(m, n) for m in MODELS for n in words.against(m)}
        assert {(d.model, d.rule.name) for d in decision.dropped} == removed


def world(*documents: str) -> Bundle:
    return bundle(*documents, model("m1"), route("r", "m1"))


def decided(*documents: str, **changes: Any) -> Decision:
    return decide(world(*documents), call(**changes))


@pytest.mark.parametrize(
    ("owners", "permitted"),
    [([""], True), (["a"], True), (["", "a"], True), (["b"], False), ([], False)],
)
def test_the_permits_on_a_call_of_organisation_and_tenant_count_together(
    owners: list[str], permitted: bool
) -> None:
    found = decided(*(permission(f"p{o}", o, effect="permit") for o in owners))
    assert (found.effect == "permit") is permitted
    wanted = [f"p{o}" for o in owners] if permitted else ["no-permit"]
    assert names(found.determining) == wanted


@pytest.mark.parametrize("level", ["hard", "soft"])
@pytest.mark.parametrize("owner", ["", "a"])
def test_forbid_beats_permit_at_either_level(level: str, owner: str) -> None:
    forbid = permission("never", owner, effect="forbid", level=level)
    own = permission("own", "a", effect="permit")
    assert refused(world(EVERYONE, own, forbid), call()) == (
        'forbidden: the rule "never" forbids it'
    )


def test_an_advisory_forbid_that_fails_is_reported_and_binds_nobody() -> None:
    noted = permission(
        "noted", effect="forbid", level="advisory", when="request.labels.missing == ''"
    )
    found = decided(EVERYONE, noted)
    assert found.effect == "permit"
    assert names(found.determining) == ["everyone"]
    assert [(e.name, e.error) for e in found.errors] == [("noted", 'no such key: "missing"')]
    assert found.advisories == ()


def test_the_owner_of_a_denial_is_of_the_first_rule_that_has_one_else_of_the_use_case() -> None:
    def owner(*forbids: str) -> str:
        denial = decided(EVERYONE, *forbids).denial
        assert denial is not None
        return denial.owner

    nobodys = permission("a1", effect="forbid")
    finns = permission("a2", effect="forbid").replace(
        '"name": "a2"', '"name": "a2", "owner": "finn@acme.example"'
    )
    assert owner(nobodys, finns) == "finn@acme.example"
    assert owner(nobodys) == "cleo@acme.example"


def test_a_message_that_fails_says_the_rules_name_and_the_rule_still_forbids() -> None:
    broken = permission("broken", effect="forbid", message="request.labels.missing")
    assert refused(world(EVERYONE, broken), call()) == ('forbidden: the rule "broken" forbids it')


def test_a_permit_on_models_of_the_organisation_binds_the_tenant_and_is_not_met_by_its_own() -> (
    None
):
    ours = permission("ours", effect="permit", on="model", when="model.name == 'other'")
    own = permission("own", "a", effect="permit", on="model")
    assert models(world(EVERYONE, own), call()) == ["m1"]
    assert refused(world(EVERYONE, ours, own), call()) == (
        'no-permit: no model of the route "r" may take this call: no permission of the organisation permits m1'
    )


def test_the_organisations_permit_on_models_does_not_meet_a_tenants_own() -> None:
    ours = permission("ours", effect="permit", on="model")
    own = permission("own", "a", effect="permit", on="model", when="false")
    assert refused(world(EVERYONE, ours, own), call()) == (
        'no-permit: no model of the route "r" may take this call: no permission of tenant "a" permits m1'
    )
    assert models(world(EVERYONE, ours, own), call(tenant="b")) == ["m1"]
