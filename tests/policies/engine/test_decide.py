"""The decision: permissions, built-in rules, models, budgets, and who is told what. Each denial has no plan: nothing may happen."""

import pytest

from policies.engine.decide import decide
from policies.engine.decision import Decision, RuleRef
from policies.engine.facts import BudgetFacts, Facts, KeyFacts, RunFacts, StopFact, UserFacts
from tests.policies.engine.world import facts, world

# ruff: noqa: E501  # one case a line reads better than a short one


def decided(given: Facts, extra: str = "") -> Decision:
    return decide(world(extra), given)


def denied(given: Facts, extra: str = "") -> tuple[str, str, tuple[str, ...], str]:
    decision = decided(given, extra)
    assert decision.effect == "deny"
    assert decision.plan is None
    assert decision.denial is not None
    return (
        decision.denial.code,
        decision.denial.message,
        decision.denial.rules,
        decision.denial.owner,
    )


def planned(given: Facts, extra: str = "") -> list[str]:
    decision = decided(given, extra)
    assert decision.effect == "permit", decision.denial
    assert decision.plan is not None
    return [step.model for step in decision.plan.steps]


def names(refs: tuple[RuleRef, ...]) -> list[str]:
    return [ref.name for ref in refs]


def rule(name: str, spec: str, tenant: str = "") -> str:
    whose = f", tenant: {tenant}" if tenant else ""
    return f"apiVersion: mandate/v1\nkind: Permission\nmetadata: {{name: {name}{whose}}}\nspec: {spec}\n"


def test_a_permitted_call() -> None:
    decision = decided(facts())
    assert decision.effect == "permit"
    assert decision.denial is None
    assert decision.plan is not None
    assert decision.plan.strategy == "fallback"
    assert [s.model for s in decision.plan.steps] == ["claude-small", "llama-old", "llama-small"]
    assert decision.plan.retry.attempts == 2
    assert decision.plan.retry.backoff_seconds == 0.5
    assert "refused_request" not in decision.plan.fallback_on
    assert decision.obligations.max_output_tokens == 4000
    assert [(r.name, r.line) for r in decision.determining] == [
        ("claims-may-call", 157),
        ("eu-data-stays-in-eu", 177),
        ("vendors-we-know", 215),
        ("large-models-for-underwriting", 210),
        ("clearance", 0),
    ]
    assert [(d.model, d.rule.name, d.message) for d in decision.dropped] == [
        ("gpt-mini", "eu-data-stays-in-eu", "personal data of an EU tenant may not go to gpt-mini"),
        (
            "claude-large",
            "large-models-for-underwriting",
            'the rule "large-models-for-underwriting" forbids it',
        ),
        ("gpt-large", "clearance", "gpt-large has no clearance for personal data"),
        (
            "gpt-large",
            "large-models-for-underwriting",
            'the rule "large-models-for-underwriting" forbids it',
        ),
    ]


def test_what_a_candidate_may_cost() -> None:
    decision = decided(facts({"n": 2}))
    assert decision.plan is not None
    step = decision.plan.steps[0]
    # 3000 tokens at 1.60 USD (cache write, the dearest) and 2 × 4000 at 4.00 USD, at 0.92 EUR
    assert step.fixed_nano == 4_416_000 + 2
    assert step.amount_nano == step.fixed_nano + 29_440_000
    assert step.min_amount_nano == step.fixed_nano + 2 * 16 * 3680
    assert (step.price.rate, step.output_nano_per_million) == ("0.92", "3680000000")


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (facts(tenant="nobody"), "unknown-tenant", 'there is no tenant "nobody"'),
        (facts(team="support"), "unknown-team", 'the tenant "insurance" has no team "support"'),
        (facts(route="none"), "unknown-route", 'there is no route "none"'),
        (facts(tenant="retail", team="support"), "unknown-route", 'there is no route "claims-triage"'),
        (facts(route="unvalidated"), "use-case", 'the use case "unvalidated" has not been validated'),
        (facts(now="2026-09-30T21:59:59.000Z"), "use-case", 'the use case "claims-triage" is valid only from 2026-10-01'),
        (facts(now="2027-10-01T22:00:00.000Z"), "use-case", 'the validation of the use case "claims-triage" ended on 2027-10-01'),
        (facts(route="priceless"), "price", 'no model of the route "priceless" may take this call: no price of priceless is known for 2026-11-24'),
        (facts(tenant="retail", team="support", route="writing", now="2026-09-01T00:00:00.000Z"), "use-case", 'the use case "writing" is valid only from 2026-10-01'),
        (facts({"data_classes": ("secret",)}), "forbidden", 'the rule "no-secrets" forbids it'),
        (facts(run=RunFacts(id="r", calls=1001)), "forbidden", "this run has made 1001 calls"),
        (facts({"labels": {"depth": "4"}}), "forbidden", 'the rule "depth-is-set" forbids it'),
    ],
)  # fmt: skip
def test_denials(given: Facts, code: str, message: str) -> None:
    found = denied(given)
    assert found[:2] == (code, message)


def test_the_day_is_the_tenants() -> None:
    # 22:00 UTC is still the last valid day in New York, and already the next in Berlin
    last = "2027-10-01T22:00:00.000Z"
    assert planned(facts(tenant="retail", team="support", route="single", now=last)) == ["gpt-mini"]
    assert denied(facts(route="single", now=last))[0] == "use-case"


UNLABELLED = """\
apiVersion: mandate/v1
kind: UseCase
metadata: {name: other}
spec: {owner: cleo@acme.example, purpose: x, riskClass: limited, validation: {by: a@b.example, on: 2026-01-01, validUntil: 2027-12-31}}
---
apiVersion: mandate/v1
kind: Route
metadata: {name: unlabelled}
spec: {useCase: other, strategy: {type: single, model: gpt-mini}}
"""


def retail(**changes: object) -> Facts:
    return facts(**{"tenant": "retail", "team": "support", "route": "unlabelled", **changes})  # type: ignore[arg-type]  # by name


def test_nothing_permits_so_it_is_denied_and_no_permit_of_another_tenant_counts() -> None:
    assert denied(retail(), UNLABELLED) == (
        "no-permit",
        'no permission permits calls of the team "support" to the route "unlabelled"',
        ("no-permit",),
        "cleo@acme.example",
    )


def test_a_permit_that_errors_does_not_permit_and_is_reported() -> None:
    decision = decided(retail(), UNLABELLED)
    assert [(e.name, e.error) for e in decision.errors] == [
        ("labelled-may-call", 'no such key: "purpose"')
    ]
    assert decision.effect == "deny"
    labelled = retail(request={"labels": {"purpose": "test"}})
    assert planned(labelled, UNLABELLED) == ["gpt-mini"]
    assert decided(labelled, UNLABELLED).errors == ()


def test_a_forbid_that_errors_forbids_and_is_reported() -> None:
    decision = decided(facts({"labels": {"depth": "deep"}}))
    assert decision.denial is not None
    assert decision.denial.message == (
        'the rule "depth-is-set" could not be evaluated (cannot convert string to int), so it forbids'
    )
    assert [(e.name, e.error) for e in decision.errors] == [
        ("depth-is-set", "cannot convert string to int"),
        ("labelled-may-call", 'no such key: "purpose"'),
    ]


def test_a_denial_names_every_forbid_and_who_owns_the_first() -> None:
    code, message, rules, owner = denied(
        facts({"data_classes": ("secret",)}, run=RunFacts(id="r", calls=2000))
    )
    assert rules == ("no-secrets", "runs-end")
    assert message == 'the rule "no-secrets" forbids it; this run has made 2000 calls'
    assert (code, owner) == ("forbidden", "cleo@acme.example")


def test_the_line_that_decided_is_that_of_the_atom() -> None:
    calls = decided(facts(run=RunFacts(id="r", calls=2000))).determining
    cost = decided(facts(run=RunFacts(id="r", cost="50.01"))).determining
    both = decided(facts(run=RunFacts(id="r", calls=2000, cost="50.01"))).determining
    assert [r.line for r in (*calls, *cost, *both)] == [195, 196, 195]


def test_a_tenants_permit_lifts_no_forbid_of_the_organisation() -> None:
    own = (
        rule("all", "{effect: permit, on: call}", "insurance")
        + "---\n"
        + rule("all-models", "{effect: permit, on: model}", "insurance")
    )
    assert denied(facts({"data_classes": ("secret",)}), own)[2] == ("no-secrets",)
    assert "gpt-mini" not in planned(facts(), own)


def test_each_level_with_a_permit_on_models_needs_a_match_of_its_own() -> None:
    own = rule(
        "only-llama", '{effect: permit, on: model, when: model.vendor == "meta"}', "insurance"
    )
    assert planned(facts(), own) == ["llama-old", "llama-small"]
    reasons = [
        (d.model, d.message) for d in decided(facts(), own).dropped if d.rule.name == "no-permit"
    ]
    assert ("claude-small", 'no permission of tenant "insurance" permits claude-small') in reasons
    # another tenant's permit asks nothing of this one
    other = rule(
        "only-llama", '{effect: permit, on: model, when: model.vendor == "meta"}', "retail"
    )
    assert planned(facts(), other) == ["claude-small", "llama-old", "llama-small"]


def test_an_advisory_forbid_is_only_recorded() -> None:
    night = decided(facts(now="2026-11-24T02:00:00.000Z"))
    assert night.effect == "permit"
    assert names(night.advisories) == ["at-night"]
    assert "at-night" not in names(night.determining)


def test_obligations_merge_and_the_smallest_limit_wins() -> None:
    both = decided(facts({"labels": {"purpose": "test"}}))
    assert both.obligations.max_output_tokens == 100
    assert names(both.determining)[:2] == ["labelled-may-call", "claims-may-call"]
    assert both.plan is not None
    assert {s.max_output_tokens for s in both.plan.steps} == {100}


@pytest.mark.parametrize(
    ("stop", "message"),
    [
        (StopFact(kind="everything"), "every call is stopped"),
        (StopFact(kind="tenant", name="insurance"), "the tenant insurance is stopped"),
        (StopFact(kind="key", name="ab12cd34"), "the key ab12cd34 is stopped"),
        (StopFact(kind="route", tenant="insurance", name="claims-triage"), "the route claims-triage is stopped"),
    ],
)  # fmt: skip
def test_a_stop_denies(stop: StopFact, message: str) -> None:
    assert denied(facts(stops=(stop,)))[:2] == ("stop", message)


@pytest.mark.parametrize(
    "stop",
    [
        StopFact(kind="tenant", name="retail"),
        StopFact(kind="key", name="ffffffff"),
        StopFact(kind="route", tenant="", name="claims-triage"),
        StopFact(kind="model", tenant="retail", name="claude-small"),
    ],
)
def test_a_stop_of_something_else_does_not(stop: StopFact) -> None:
    assert planned(facts(stops=(stop,))) == ["claude-small", "llama-old", "llama-small"]


def test_models_are_dropped_by_stop_breaker_and_exclusion() -> None:
    given = facts(
        stops=(StopFact(kind="provider", name="anthropic"),),
        breakers_open=("llama-old",),
        exclude=("llama-small",),
    )
    code, message, rules, _ = denied(given)
    assert code == "forbidden"
    assert rules == (
        "eu-data-stays-in-eu",
        "stop",
        "breaker",
        "large-models-for-underwriting",
        "clearance",
        "excluded",
    )
    assert "claude-small is stopped: the provider anthropic" in message
    assert "llama-old fails too often at the moment" in message


def test_a_capability_a_model_lacks() -> None:
    assert planned(facts({"needs": ("tools",)})) == ["claude-small"]


@pytest.mark.parametrize(
    ("request_", "plan"),
    [
        ({"output_tokens_asked": 3000}, ["claude-small"]),
        ({"output_tokens_asked": 2048}, ["claude-small", "llama-old", "llama-small"]),
        ({"input_tokens_estimate": 8192}, ["claude-small"]),
        ({"input_tokens_estimate": 8000}, ["claude-small", "llama-old", "llama-small"]),
        ({"input_tokens_estimate": 8000, "output_tokens_asked": 500}, ["claude-small"]),
    ],
)
def test_context_and_output_must_fit(request_: dict[str, int], plan: list[str]) -> None:
    assert planned(facts(request_)) == plan


def test_a_clamp_of_admission_cuts_the_answer() -> None:
    decision = decided(facts(clamp=64))
    assert decision.plan is not None
    assert [s.max_output_tokens for s in decision.plan.steps] == [64, 64, 64]


def test_from_its_sunset_a_model_is_replaced_and_thirty_days_before_it_warns() -> None:
    assert decided(facts(now="2026-11-09T12:00:00.000Z")).warnings == ()
    warned = decided(facts(now="2026-11-10T12:00:00.000Z"))
    assert warned.warnings == (
        "llama-old is used until 2026-12-10; then llama-small takes its place",
    )
    assert planned(facts(now="2026-12-09T12:00:00.000Z")) == [
        "claude-small",
        "llama-old",
        "llama-small",
    ]
    # the replacement stands where the old one stood, once
    assert planned(facts(now="2026-12-10T12:00:00.000Z")) == ["claude-small", "llama-small"]


def test_only_what_was_ranked_before_the_last_in_the_plan_determined_it() -> None:
    drawn_last = facts(route="writing", draw=str(2**63), request={"language": "de", "stream": True})
    assert planned(drawn_last) == ["claude-small", "llama-small"]
    assert "german-stays-here" in names(decided(drawn_last).determining)
    single = facts({"needs": ("tools",)})
    # llama-small lacks tools, but stands behind the last model of the plan
    assert "capability" not in names(decided(single).determining)


@pytest.mark.parametrize(
    ("draw", "order"),
    [
        (0, ["gpt-mini", "claude-small", "llama-small"]),
        (2**62 - 1, ["gpt-mini", "claude-small", "llama-small"]),
        (2**62, ["claude-small", "gpt-mini", "llama-small"]),
        (3 * 2**62 - 1, ["claude-small", "gpt-mini", "llama-small"]),
        (3 * 2**62, ["llama-small", "gpt-mini", "claude-small"]),
        (2**64 - 1, ["llama-small", "gpt-mini", "claude-small"]),
    ],
)
def test_weights_divide_the_draw(draw: int, order: list[str]) -> None:
    assert planned(facts(route="writing", draw=str(draw))) == order


def test_the_budgets_of_a_call_narrow_to_wide() -> None:
    decision = decided(facts(team="underwriting", user=UserFacts(known=True, ref="u1")))
    assert decision.plan is not None
    claims = {
        s.model: [(c.budget, c.subject, c.rank) for c in s.budgets] for s in decision.plan.steps
    }
    common = [("insurance-monthly", "", 9), ("organisation-year", "", 10)]
    assert claims["claude-small"] == [("per-user", "user=u1", 1), *common]
    assert claims["claude-large"] == [
        ("per-user", "user=u1", 1),
        ("claude-large-daily", "", 6),
        *common,
    ]
    monthly = next(c for c in decision.plan.steps[0].budgets if c.budget == "insurance-monthly")
    assert (monthly.limit_nano, monthly.time_zone, monthly.fiscal_starts_on) == (
        25_000 * 10**9,
        "Europe/Berlin",
        "04-01",
    )
    assert (monthly.on_exhausted, monthly.hard, monthly.period) == ("clamp", True, "month")


def test_a_reading_of_a_budget_may_stand_in_a_condition() -> None:
    nearly = (BudgetFacts(name="insurance-monthly", share_used_permille=950),)
    assert planned(facts(team="underwriting", budgets=nearly)) == [
        "claude-small",
        "llama-old",
        "llama-small",
    ]
    assert "claude-large" in planned(facts(team="underwriting"))


def test_labels_and_keys_scope_budgets() -> None:
    extra = (
        "apiVersion: mandate/v1\nkind: Budget\nmetadata: {name: by-label}\n"
        'spec: {scope: {labels: {project: alpha}}, each: [key, run], period: once, limit: "1"}\n'
    )
    given = facts({"labels": {"project": "alpha"}}, key=KeyFacts(id="k1"))
    decision = decided(given, extra)
    assert decision.plan is not None
    (claim,) = [c for c in decision.plan.steps[0].budgets if c.budget == "by-label"]
    assert (claim.subject, claim.rank) == (f"key=k1;run={given.call}", 0)
    # the key's own label wins over what the caller says
    other = facts(
        {"labels": {"project": "alpha"}}, key=KeyFacts(id="k1", labels={"project": "beta"})
    )
    plan = decided(other, extra).plan
    assert plan is not None
    assert all(c.budget != "by-label" for c in plan.steps[0].budgets)
