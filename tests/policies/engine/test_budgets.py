"""Which budgets bind a call: scope, `each`, rank, time zone and fiscal year, with a second reading of the words on scopes."""

from functools import lru_cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.kernel.money import NANO
from policies.engine.bundle import Bundle
from policies.engine.decide import decide
from policies.engine.decision import BudgetClaim
from policies.engine.facts import Facts, KeyFacts, RunFacts, UserFacts
from tests.policies.engine.small import (
    EVERYONE,
    budget,
    bundle,
    call,
    document,
    model,
    organisation,
    route,
    steps,
    tenant,
)  # fmt: skip

# fmt: off
NARROW_TO_WIDE = ["run", "user", "key", "labels", "route", "useCase", "model", "provider", "team", "tenant", "organisation"]
# fmt: on


@lru_cache(maxsize=16)
def world(*budgets: str, **parts: str) -> Bundle:
    other = {"owner": "o", "purpose": "x", "riskClass": "minimal"}
    mine = {"on": "2026-01-01", "validUntil": "2027-12-31", "by": "rui@acme.example"}
    return bundle(
        EVERYONE,
        *budgets,
        model("m1"), model("m2", provider="q"), document("Provider", "q", {"type": "sandbox"}),
        document("UseCase", "v", other | {"validation": mine}),
        route("r", "m1", "m2"), route("s", "m1", "m2", useCase="v"),
        **{"a": tenant("a", teams=["t", "t2"]), "b": tenant("b", teams=["t", "t2"])} | parts,
    )  # fmt: skip


def claims(of: Bundle, facts: Facts) -> dict[str, tuple[BudgetClaim, ...]]:
    return {s.model: s.budgets for s in steps(decide(of, facts))}


def bound(of: Bundle, facts: Facts) -> dict[str, list[str]]:
    return {m: [c.budget for c in found] for m, found in claims(of, facts).items()}


def only(of: Bundle, facts: Facts) -> BudgetClaim:
    (claim,) = claims(of, facts)["m1"]
    return claim


SCOPE: dict[str, tuple[str, ...]] = {
    "tenant": ("a", "b"),
    "team": ("t", "t2"),
    "key": ("k1", "k2"),
    "user": ("u1", "u2"),
    "model": ("m1", "m2"),
    "provider": ("p", "q"),
    "route": ("r", "s"),
    "useCase": ("u", "v"),
}
PROVIDER_OF = {"m1": "p", "m2": "q"}
USE_CASE_OF = {"r": "u", "s": "v"}
SCOPES = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in SCOPE.items()}
)
LABELS = st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["1", "2"]), max_size=2)
CALLERS = st.fixed_dictionaries(
    {n: st.sampled_from(SCOPE[n]) for n in ("tenant", "team", "key", "user", "route")}
)


def matches(scope: dict[str, Any], here: dict[str, Any]) -> bool:
    named = all(here[n] == v for n, v in scope.items() if n != "labels")
    return named and all(here["labels"].get(n) == v for n, v in scope.get("labels", {}).items())


@settings(deadline=None, max_examples=150)
@given(SCOPES, st.sampled_from(["", "a", "b"]), LABELS, CALLERS, st.tuples(LABELS, LABELS))
def test_a_budget_binds_the_calls_that_match_every_part_of_its_scope(
    scope: dict[str, str],
    owner: str,
    wanted: dict[str, str],
    caller: dict[str, str],
    labels: tuple[dict[str, str], dict[str, str]],
) -> None:
    whole: dict[str, Any] = scope | ({"labels": wanted} if wanted else {})
    of = world(budget("x", owner, scope=whole))
    of_request, of_key = labels
    facts = call(
        {"labels": of_request},
        tenant=caller["tenant"],
        team=caller["team"],
        key=KeyFacts(id=caller["key"], labels=of_key),
        user=UserFacts(known=True, ref=caller["user"]),
        route=caller["route"],
    )
    for name in ("m1", "m2"):
        here: dict[str, Any] = {
            **caller,
            "model": name,
            "provider": PROVIDER_OF[name],
            "useCase": USE_CASE_OF[caller["route"]],
            "labels": of_request | of_key,
        }
        binds = owner in ("", caller["tenant"]) and matches(whole, here)
        found = claims(of, facts)[name]
        assert [c.budget for c in found] == (["x"] if binds else [])
        if binds:
            parts = [*whole, *(["tenant"] if owner else [])]
            rank = min(map(NARROW_TO_WIDE.index, parts), default=len(NARROW_TO_WIDE) - 1)
            assert found[0].rank == rank


def test_every_matching_budget_binds_narrow_to_wide_whatever_its_name() -> None:
    scopes: dict[str, dict[str, Any]] = {
        "a-organisation": {},
        "b-tenant": {"tenant": "a"},
        "c-team": {"team": "t"},
        "d-provider": {"provider": "p"},
        "e-model": {"model": "m1"},
        "f-use-case": {"useCase": "u"},
        "g-route": {"route": "r"},
        "h-labels": {"labels": {"x": "1"}},
        "i-key": {"key": "k1"},
        "j-user": {"user": "u1"},
    }
    of = world(*(budget(n, scope=s) for n, s in scopes.items()), budget("k-run", each=["run"]))
    facts = call({"labels": {"x": "1"}}, user=UserFacts(known=True, ref="u1"))
    everything = ["k-run", *reversed(scopes)]
    assert bound(of, facts) == {
        "m1": everything,
        "m2": [n for n in everything if n not in ("d-provider", "e-model")],
    }
    assert [c.rank for c in claims(of, facts)["m1"]] == list(range(11))


def test_budgets_of_one_rank_stand_by_tenant_and_name() -> None:
    of = world(
        budget("z", scope={"tenant": "a"}),
        budget("y", scope={"tenant": "a"}),
        budget("x", "a"),
        budget("x", "b"),
    )
    found = claims(of, call())["m1"]
    assert [(c.tenant, c.budget, c.rank) for c in found] == [
        ("", "y", 9),
        ("", "z", 9),
        ("a", "x", 9),
    ]


@pytest.mark.parametrize(
    ("each", "changes", "subject"),
    [
        ([], {}, ""),
        (["key"], {}, "key=k1"),
        (["user"], {"user": UserFacts(known=True, ref="ab")}, "user=ab"),
        (["user"], {}, "user="),
        (["team"], {}, "team=a/t"),
        (["team"], {"tenant": "b"}, "team=b/t"),
        (["run"], {"run": RunFacts(id="r7")}, "run=r7"),
        (["run"], {}, "run=" + "00" * 16),
        (["user", "run", "team", "key"], {"run": RunFacts(id="r7")}, "key=k1;run=r7;team=a/t;user="),
    ],
)  # fmt: skip
def test_each_makes_one_window_for_each_subject(
    each: list[str], changes: dict[str, Any], subject: str
) -> None:
    assert only(world(budget("x", each=each)), call(**changes)).subject == subject


def test_what_a_claim_says_of_its_budget() -> None:
    of = world(
        budget("x", limit="1234567890.123456789", period="quarter", hard=False, onExhausted="clamp")
    )
    claim = only(of, call())
    assert (claim.limit_nano, claim.period, claim.hard, claim.on_exhausted) == (
        1234567890 * NANO + 123456789,
        "quarter",
        False,
        "clamp",
    )


@pytest.mark.parametrize(
    ("owner", "scope", "zone", "fiscal"),
    [
        ("", {}, "Europe/Berlin", "07-01"),
        ("", {"tenant": "a"}, "Asia/Tokyo", "04-01"),
        ("a", {}, "Asia/Tokyo", "04-01"),
        # what a tenant does not say is the organisation's
        ("", {"tenant": "b"}, "Europe/Berlin", "07-01"),
        ("b", {}, "Europe/Berlin", "07-01"),
        ("", {"team": "t"}, "Europe/Berlin", "07-01"),
    ],
)
def test_the_times_of_a_budget_are_its_tenants_else_the_organisations(
    owner: str, scope: dict[str, str], zone: str, fiscal: str
) -> None:
    of = world(
        budget("x", owner, scope=scope, period="fiscal-year"),
        organisation=organisation(timeZone="Europe/Berlin", fiscalYearStartsOn="07-01"),
        a=tenant("a", timeZone="Asia/Tokyo", fiscalYearStartsOn="04-01"),
    )
    claim = only(of, call(tenant=scope.get("tenant") or owner or "a"))
    assert (claim.time_zone, claim.fiscal_starts_on) == (zone, fiscal)


def test_a_budget_on_the_organisations_model_does_not_bind_a_tenants_own_of_that_name() -> None:
    of = world(
        budget("ours", scope={"model": "m1"}),
        budget("own", "a", scope={"model": "m1"}),
        model("m1", "a"),
        route("r", "m1", tenant="a"),
    )
    assert bound(of, call()) == {"m1": ["own"]}
    assert bound(of, call(tenant="b")) == {"m1": ["ours"], "m2": []}


def test_a_budget_on_a_route_that_a_tenant_hides_binds_the_others_alone() -> None:
    of = world(budget("ours", scope={"route": "r"}), route("r", "m1", tenant="a"))
    assert bound(of, call()) == {"m1": []}
    assert bound(of, call(tenant="b")) == {"m1": ["ours"], "m2": ["ours"]}


def test_a_model_that_replaces_another_draws_on_its_own_budgets() -> None:
    of = bundle(
        EVERYONE,
        model("old", lifecycle={"sunsetOn": "2026-11-24", "replacement": "new"}),
        model("new"),
        route("r", "old"),
        budget("of-old", scope={"model": "old"}),
        budget("of-new", scope={"model": "new"}),
    )
    assert bound(of, call(now="2026-11-23T23:59:59.999Z")) == {"old": ["of-old"]}
    assert bound(of, call(now="2026-11-24T00:00:00.000Z")) == {"new": ["of-new"]}
