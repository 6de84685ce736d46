"""Why: every rule with its outcome, the atoms with what they read, each model's fate."""

from policies.engine.decide import decide
from policies.engine.explain import Considering, trace
from tests.policies.engine.world import facts, world


def found(name: str, model: str = "", **changes: object) -> Considering:
    explained = trace(world(), facts(**changes))  # type: ignore[arg-type]  # by name
    return next(r for r in explained.rules if (r.name, r.model) == (name, model))


def test_a_trace_has_the_decision_itself() -> None:
    assert trace(world(), facts()).decision == decide(world(), facts())


def test_a_rule_that_removed_a_model() -> None:
    rule = found("eu-data-stays-in-eu", "gpt-mini")
    assert (rule.file, rule.line, rule.outcome, rule.counted) == ("world.yaml", 177, "true", True)
    assert rule.message == "personal data of an EU tenant may not go to gpt-mini"
    assert rule.owner == "cleo@acme.example"
    assert [(a.text, a.line, a.outcome, a.inputs) for a in rule.atoms] == [
        ('tenant.region == "eu"', 178, "true", {"tenant.region": "eu"}),
        (
            'request.dataClasses.exists(c, c == "personal")',
            179,
            "true",
            {"request.dataClasses": ("personal",)},
        ),
        ('!("eu" in model.regions)', 180, "true", {"model.regions": ("us",)}),
    ]


def test_a_rule_that_did_not_hold_stands_at_the_atom_that_decided() -> None:
    rule = found("eu-data-stays-in-eu", "claude-small")
    assert (rule.line, rule.outcome, rule.counted, rule.message) == (180, "false", False, "")


def test_a_part_that_was_not_reached_is_skipped() -> None:
    rule = found("depth-is-set")
    assert [(a.text, a.outcome) for a in rule.atoms] == [
        ("has(request.labels.depth)", "false"),
        ("int(request.labels.depth) > 3", "skipped"),
    ]


def test_a_part_that_failed() -> None:
    rule = found("depth-is-set", request={"labels": {"depth": "x"}})
    assert (rule.outcome, rule.counted) == ("error", True)
    assert [a.outcome for a in rule.atoms] == ["true", "error"]
    permit = found("labelled-may-call")
    assert (permit.outcome, permit.counted, permit.message) == (
        "error",
        False,
        'no such key: "purpose"',
    )


def test_each_models_fate() -> None:
    models = trace(world(), facts()).models
    assert [(m.model, m.fate) for m in models] == [
        ("gpt-mini", "dropped"),
        ("claude-small", "planned"),
        ("llama-old", "planned"),
        ("claude-large", "dropped"),
        ("gpt-large", "dropped"),
        ("llama-small", "planned"),
    ]
    assert models[1].amount_nano == "19136002"
    assert [r.message for r in models[0].reasons] == [
        "personal data of an EU tenant may not go to gpt-mini"
    ]
    denied = trace(world(), facts(request={"data_classes": ("secret", "personal")}))
    assert denied.decision.effect == "deny"
    assert {m.fate for m in denied.models} == {"dropped"}


def test_a_call_on_an_unknown_route_considered_nothing() -> None:
    explained = trace(world(), facts(route="none"))
    assert (explained.rules, explained.models) == ((), ())
    assert explained.decision.denial is not None
