"""A recorded call as a PolicyTest: what stands in it, what does not, and that it passes where it was made."""

from policies.analysis.drafting import drafted
from policies.analysis.testing import run_tests
from policies.documents.parse import parse_text
from policies.engine.decide import decide
from policies.engine.facts import BudgetFacts, KeyFacts, RunFacts, StopFact, UserFacts
from tests.policies.engine.small import EVERYONE, bundle, call, model, permission, route, tenant

NOW = "2026-11-28T12:00:00.000Z"
WORLD = (
    EVERYONE, model("m1"), model("m2", "a"), route("r", "m1", "m2", tenant="a"),
    permission("no-m1", effect="forbid", on="model", when='model.name == "m1"'),
)  # fmt: skip
PLAIN = """\
apiVersion: mandate/v1
kind: PolicyTest
metadata: {name: call-0000000000aa, tenant: a}
spec:
  given:
    tenant: "a"
    team: "t"
    route: "r"
    key: "k1"
    now: "2026-11-24T12:00:00.000Z"
    request:
      dataClasses: ["public"]
      inputTokensMax: 100
  expect:
    effect: "permit"
    models: ["m2"]
    modelsNever: ["m1"]
    determiningRules: ["everyone", "no-m1"]
"""
CALL = "0193590f0000700080000000000000aa"


def test_a_call_whose_facts_all_can_be_written() -> None:
    facts = call(call=CALL)
    found = drafted(facts, decide(bundle(*WORLD), facts))
    assert (found.text, found.left_out) == (PLAIN, ())


def test_what_was_drafted_reads_and_passes() -> None:
    facts = call(
        {"tools": ("send",), "stream": True, "language": "no", "output_tokens_asked": 7},
        call=CALL,
        user=UserFacts(known=True, ref="ab12"),
    )
    found = drafted(facts, decide(bundle(*WORLD), facts))
    (document,) = parse_text(found.text, "x.yaml")
    assert document.spec["given"]["request"]["language"] == "no"
    run = run_tests(bundle(*WORLD, found.text, a=tenant("a")), NOW)
    assert [(r.test[2], r.passed, r.misses) for r in run.results] == [(found.name, True, ())]


def test_a_denial() -> None:
    world = bundle(*WORLD, permission("none", "a", effect="forbid"))
    facts = call(call=CALL)
    found = drafted(facts, decide(world, facts))
    assert found.text.endswith('  expect:\n    effect: "deny"\n    determiningRules: ["none"]\n')


def test_what_was_committed_or_has_no_place_is_named_and_not_written() -> None:
    facts = call(
        {"labels": {"case": "4711"}, "labels_committed": "c0ffee", "tools_committed": "beef", "needs": ("chat",), "n": 2},
        call=CALL,
        user=UserFacts(known=True, ref="5ec4e7"),
        key=KeyFacts(id="k1", labels={"env": "prod"}),
        run=RunFacts(id="abba", calls=3),
        budgets=(BudgetFacts(name="b", share_used_permille=5),),
        stops=(StopFact(kind="model", name="m9"),),
        breakers_open=("m8",),
        clamp=100,
    )  # fmt: skip
    found = drafted(facts, decide(bundle(*WORLD), facts))
    assert found.left_out == (
        'who the user was: only a commitment is recorded, the test says "caller"',
        "labels that no rule named: only a commitment is recorded",
        "tools that no rule named: only a commitment is recorded",
        "that several answers were asked for",
        "models that were left out at that moment",
        "the output tokens that there was money for",
    )
    for secret in ("5ec4e7", "c0ffee", "beef", "abba"):
        assert secret not in found.text
    assert 'user: "caller"' in found.text


def test_labels_runs_budgets_and_stops_stand_in_it_and_it_passes() -> None:
    facts = call(
        {"labels": {"case": "4711"}, "needs": ("chat",)},
        call=CALL,
        key=KeyFacts(id="k1", labels={"env": "prod"}),
        run=RunFacts(id="abba", calls=3, cost="1.50", seconds=9),
        budgets=(BudgetFacts(name="b", share_used_permille=5), BudgetFacts(name="c", share_used_permille=950)),
        stops=(StopFact(kind="model", name="m1"), StopFact(kind="key", tenant="b", name="k7")),
    )  # fmt: skip
    when = 'budget.shareUsed < 0.95 || run.calls != 3 || key.labels.env != "prod"'
    held = permission("few", effect="forbid", when=when)
    world = (*WORLD, held)
    found = drafted(facts, decide(bundle(*world), facts))
    assert found.left_out == ()
    (document,) = parse_text(found.text, "x.yaml")
    given = document.spec["given"]
    assert given["request"] == {
        "dataClasses": ["public"], "inputTokensMax": 100, "labels": {"case": "4711"}, "needs": ["chat"],
    }  # fmt: skip
    assert (given["keyLabels"], given["run"]) == ({"env": "prod"}, {"calls": 3, "cost": "1.50", "seconds": 9})  # fmt: skip
    assert given["budget"] == {"shareUsed": "0.95"}
    assert given["stops"] == [
        {"kind": "model", "name": "m1"}, {"kind": "key", "tenant": "b", "name": "k7"},
    ]  # fmt: skip
    run = run_tests(bundle(*world, found.text, a=tenant("a")), NOW)
    assert [(r.test[2], r.passed, r.misses) for r in run.results] == [(found.name, True, ())]
