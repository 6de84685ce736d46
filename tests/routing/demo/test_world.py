"""The demo's documents: right, of four vendors, and deciding as the demo promises. Over a bundle that is never published."""

from datetime import date, timedelta

import pytest

from policies.documents.whole import check_whole, not_yet_executed
from policies.engine.bundle import Bundle
from policies.engine.check import check
from policies.engine.compile import compile_bundle
from policies.engine.decide import decide
from policies.engine.decision import Decision
from policies.engine.expectations import broken, policy_tests
from policies.engine.facts import Facts, KeyFacts, RequestFacts
from routing.demo import world
from routing.demo.traffic import SCRIPTS
from routing.providers.rules import answer_of

SANDBOX = "http://127.0.0.1:9001"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    found = world.documents(SANDBOX)
    return compile_bundle(1, found, check(found))


def _decide(
    bundle: Bundle,
    team: str,
    route: str,
    *classes: str,
    dialect: str = "openai.chat",
    day: date = date(2026, 11, 24),
) -> Decision:
    tenant, name = team.split("/")
    request = RequestFacts(
        dialect=dialect,
        data_classes=classes,
        input_tokens_max=400,
        input_tokens_estimate=100,
        stream=True,
    )
    facts = Facts(
        now=f"{day}T09:00:00.000Z",
        call="0" * 32,
        tenant=tenant,
        team=name,
        key=KeyFacts(id="abcdefgh"),
        route=route,
        request=request,
    )
    return decide(bundle, facts)


@pytest.mark.parametrize("vendors", [frozenset(), frozenset(world.VENDORS)])
def test_the_documents_are_right_and_all_of_them_are_executed(vendors: frozenset[str]) -> None:
    found = world.documents(SANDBOX, vendors)
    assert check_whole(found) == []
    assert not_yet_executed(found) == []
    assert len({d.identity for d in found}) == len(found)


@pytest.mark.parametrize(
    "day", ["2026-11-30", "2026-12-01", "2027-06-15", "2028-02-29", "2032-10-31"]
)
def test_a_demo_of_any_month_is_as_far_from_what_is_dated_in_it(day: str) -> None:
    today = date.fromisoformat(day)
    found = world.documents(SANDBOX, on=today)
    assert check_whole(found) == []
    bundle = compile_bundle(1, found, check(found))
    for ago in (0, 14):
        at = today - timedelta(days=ago)
        told = {
            (team, route): _decide(bundle, team, route, day=at).effect
            for team, route in (
                ("insurance/claims", "claims-triage"),
                ("insurance/underwriting", "inspections"),
                ("insurance/underwriting", "extraction"),
                ("retail/support", "replies"),
                ("group/data-science", "coding"),
            )
        }
        assert set(told.values()) == {"permit"}, told


def test_four_vendors_answer_from_the_sandbox(bundle: Bundle) -> None:
    models = {k[2]: d.labels["vendor"] for k, d in bundle.documents.items() if k[0] == "Model"}
    assert models == {
        "gpt-mini": "openai",
        "gpt-large": "openai",
        "claude-small": "anthropic",
        "claude-large": "anthropic",
        "gemini-flash": "google",
        "llama-small": "meta",
        "llama-large": "meta",
        "llama-metered": "meta",
        "glass-table": "house",
    }
    urls = {d.spec["baseUrl"] for k, d in bundle.documents.items() if k[0] == "Provider"}
    # the house's own rules are at no address
    assert urls == {SANDBOX, f"{SANDBOX}/v1", None}


def test_payouts_are_checked_and_the_first_route_is_not(bundle: Bundle) -> None:
    plan = _decide(bundle, "insurance/claims", "payouts").plan
    assert plan is not None
    assert plan.checks is not None
    assert [[plan.steps[i].model for i in tier.steps] for tier in plan.checks.tiers] == [
        ["glass-table"], ["llama-small", "claude-small"], ["claude-large"],
    ]  # fmt: skip
    assert plan.checks.escalations == ("insurance/large-payout",)
    assert plan.checks.otherwise == "insurance/claims-desk"
    first = _decide(bundle, "insurance/claims", world.ROUTE).plan
    assert first is not None
    assert first.checks is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The hail of Friday: panes broken: 3. What do we pay?", '{"line": "household", "payout": 720.0}'),
        ("A stone hit my windscreen.", '{"line": "motor", "payout": 180.0}'),
        ("panes broken: 400", None),
        ("The kitchen burnt out.", None),
    ],
)  # fmt: skip
def test_broken_glass_is_settled_by_a_table(bundle: Bundle, text: str, said: str | None) -> None:
    rules = bundle.models["", "glass-table"].rules
    assert rules is not None
    assert answer_of(rules, text) == said


def test_the_pilot_lifts_the_soft_forbid_for_its_team(bundle: Bundle) -> None:
    decision = _decide(bundle, "group/data-science", "coding")
    assert decision.effect == "permit"
    assert [one.exception for one in decision.lifted] == ["coding-pilot"]


def test_the_demos_own_tests_pass(bundle: Bundle) -> None:
    tests = policy_tests(bundle)
    assert [test.name for test in tests] == ["secrets-are-told-to-no-model"]
    assert [broken(bundle, test, "2026-11-24T09:00:00.000Z") for test in tests] == [[]]


@pytest.mark.parametrize("dialect", ["openai.chat", "anthropic.messages"])
def test_the_first_key_may_call_the_route_in_every_dialect(bundle: Bundle, dialect: str) -> None:
    decision = _decide(bundle, world.TEAMS[0], world.ROUTE, "personal", dialect=dialect)
    assert decision.effect == "permit"
    assert decision.plan is not None
    assert [c.model for c in decision.plan.steps] == ["llama-small", "claude-small"]
    assert [(d.model, d.rule.name) for d in decision.dropped] == [
        ("gpt-mini", "eu-data-stays-in-eu")
    ]
    assert decision.obligations.max_output_tokens == 4000
    assert not decision.obligations.hold


@pytest.mark.parametrize(
    ("team", "route", "classes", "rules"),
    [
        ("retail/support", "replies", ("personal", "health"), ("health-data-is-for-insurance",)),
        ("retail/support", "coding", ("internal",), ("no-permit",)),
        ("insurance/claims", "claims-triage", ("personal", "secret"), ("secrets-go-nowhere",)),
    ],
)
def test_what_is_denied_and_by_which_rule(
    bundle: Bundle, team: str, route: str, classes: tuple[str, ...], rules: tuple[str, ...]
) -> None:
    decision = _decide(bundle, team, route, *classes)
    assert decision.effect == "deny"
    assert decision.denial is not None
    assert decision.denial.rules == rules


def test_clearance_drops_a_model(bundle: Bundle) -> None:
    decision = _decide(bundle, "insurance/underwriting", "extraction", "personal", "health")
    assert decision.effect == "permit"
    assert [(d.model, d.rule.name) for d in decision.dropped] == [("gpt-large", "clearance")]


def test_traffic_calls_what_there_is(bundle: Bundle) -> None:
    outcomes = set()
    for script in SCRIPTS:
        tenant = script.team.split("/")[0]
        route = bundle.route(tenant, script.route)
        assert route is not None, script
        case = bundle.find("UseCase", tenant, route.spec["useCase"])
        assert case is not None
        sent = script.headers.get("x-mandate-data-classes", "")
        classes = (*case.spec["dataClasses"], *filter(None, [sent]))
        outcomes.add(_decide(bundle, script.team, script.route, *classes).effect)
    assert outcomes == {"permit", "deny"}


def test_every_token_is_of_somebody_with_that_role() -> None:
    held = {person.email: person.roles for person in world.PEOPLE}
    assert all(role in held[email] for role, email in world.TOKENS.items())
