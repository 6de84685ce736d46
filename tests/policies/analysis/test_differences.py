"""The smallest calls that a draft decides otherwise."""

from typing import Any

from policies.analysis.differences import Compared, compare
from policies.engine.bundle import Bundle
from tests.policies.engine.small import EVERYONE, bundle, document, model, permission, route, tenant

NOW = "2026-11-28T12:00:00.000Z"
MODELS = (model("m1", clearance=["public", "health"]), model("m2", clearance=["public", "health"]))
WORLD = (EVERYONE, *MODELS, route("r", "m1", "m2"))


def with_rules(*rules: str) -> Bundle:
    return bundle(*WORLD, *rules)


def forbid(name: str, when: str, **spec: Any) -> str:
    return permission(name, effect="forbid", when=when, **spec)


def shown(found: Compared) -> list[tuple[str, str, tuple[tuple[str, str], ...]]]:
    return [(e.change, f"{e.tenant}/{e.team}/{e.route}", e.facts) for e in found.examples]


def test_the_same_bundle_decides_the_same() -> None:
    found = compare(with_rules(), with_rules(), NOW)
    assert found.examples == ()
    # two tenants with a team each, one route; each class that a model may see, with another; four sizes on each side
    assert (found.examined, found.whole) == (2 * 8 * 4 * 4, True)


def test_a_new_forbid_denies_from_its_boundary_on() -> None:
    found = compare(with_rules(), with_rules(forbid("long", "run.calls > 20")), NOW)
    assert shown(found) == [("newly denied", "a/t/r", (("run.calls", "21"),))]
    example = found.examples[0]
    assert (example.before.effect, example.before.models) == ("permit", ("m1", "m2"))
    assert (example.after.effect, example.after.models) == ("deny", ())
    assert example.after.why == 'the rule "long" forbids it'


def test_both_sides_of_a_boundary_that_moved() -> None:
    base = with_rules(forbid("long", "run.calls > 20"))
    looser = compare(base, with_rules(forbid("long", "run.calls > 21")), NOW)
    assert shown(looser) == [("newly permitted", "a/t/r", (("run.calls", "21"),))]
    stricter = compare(base, with_rules(forbid("long", "run.calls >= 20")), NOW)
    assert shown(stricter) == [("newly denied", "a/t/r", (("run.calls", "20"),))]


def test_the_fewest_facts_are_shown() -> None:
    rule = forbid("x", 'request.stream && "health" in request.dataClasses')
    found = compare(with_rules(), with_rules(rule), NOW)
    assert shown(found) == [
        ("newly denied", "a/t/r", (("request.dataClasses", "health"), ("request.stream", "yes")))
    ]


def test_a_tenants_draft_is_tried_with_its_own_calls() -> None:
    mine = permission("x", "b", effect="forbid", when="user.known")
    assert shown(compare(with_rules(), with_rules(mine), NOW, "b")) == [
        ("newly denied", "b/t/r", (("user.known", "yes"),))
    ]
    assert compare(with_rules(), with_rules(mine), NOW, "a").examples == ()


def test_other_models_other_obligations_and_holds() -> None:
    queue = document("ReviewQueue", "desk", {"reviewers": ["role:reviewer"]})
    base = bundle(*WORLD, queue)
    dropped = forbid("no-m1", '"health" in request.dataClasses && model.name == "m1"', on="model")
    found = compare(base, bundle(*WORLD, queue, dropped), NOW)
    assert shown(found) == [("other models", "a/t/r", (("request.dataClasses", "health"),))]
    assert found.examples[0].after.models == ("m2",)
    held = document(
        "EscalationRule", "look", {"stage": "request", "when": "user.known", "queue": "desk"}
    )
    found = compare(base, bundle(*WORLD, queue, held), NOW)
    assert shown(found) == [("newly held", "a/t/r", (("user.known", "yes"),))]
    found = compare(bundle(*WORLD, queue, held), base, NOW)
    assert shown(found) == [("no longer held", "a/t/r", (("user.known", "yes"),))]
    short = permission("everyone", effect="permit", obligations={"maxOutputTokens": 50})
    found = compare(base, bundle(short, *WORLD[1:], queue), NOW)
    # an obligation cuts what was asked for, so that what no model could answer fits now
    assert shown(found) == [
        ("other obligations", "a/t/r", ()),
        ("newly permitted", "a/t/r", (("request.outputTokensMax", "1001"),)),
    ]


def test_what_an_old_permit_needs_is_varied_too() -> None:
    world = (permission("some", effect="permit", when="user.known"), *WORLD[1:])
    rule = forbid("long", "run.calls > 20")
    found = compare(bundle(*world, rule), bundle(*world), NOW)
    assert shown(found) == [
        ("newly permitted", "a/t/r", (("run.calls", "21"), ("user.known", "yes")))
    ]


def test_a_smaller_window_denies_long_calls() -> None:
    base = bundle(EVERYONE, model("m1"), route("r", "m1"))
    draft = bundle(EVERYONE, model("m1", contextWindow=5000), route("r", "m1"))
    found = compare(base, draft, NOW)
    assert found.examples[0].change == "newly denied"
    assert dict(found.examples[0].facts) == {"request.inputTokensMax": "5000"}


def test_a_condition_that_does_more_is_not_told_whole() -> None:
    rule = forbid("x", 'request.language.startsWith("de")')
    found = compare(with_rules(), with_rules(rule), NOW)
    assert shown(found) == [("newly denied", "a/t/r", (("request.language", "de"),))]
    assert found.whole is False


def test_what_is_too_much_is_counted_and_not_told_whole() -> None:
    tools = " || ".join(f'"t{i}" in request.tools' for i in range(6))
    labels = " || ".join(f'request.labels.l{i} == "x"' for i in range(5))
    rule = forbid("x", f"({tools}) && ({labels}) && run.calls > 7")
    found = compare(with_rules(), with_rules(rule), NOW)
    assert (found.examined, found.whole) == (3000, False)


def test_a_label_that_is_required_denies_and_one_that_both_require_hides_nothing() -> None:
    def requiring(*labels: dict[str, Any], rules: tuple[str, ...] = ()) -> Bundle:
        return bundle(*WORLD, *rules, a=tenant("a", requiredLabels=list(labels)))

    case = {"name": "case", "values": ["x", "y"]}
    found = compare(with_rules(), requiring(case), NOW)
    assert shown(found) == [("newly denied", "a/t/r", ())]
    words = 'the label "case" is required: send it as metadata.case or in x-mandate-labels; allowed: x, y'
    assert found.examples[0].after.why == words
    assert shown(compare(requiring(case), with_rules(), NOW)) == [("newly permitted", "a/t/r", ())]
    # both require it: the call has it, and another difference is seen
    long = forbid("long", "run.calls > 20")
    both = compare(requiring(case), requiring(case, rules=(long,)), NOW)
    assert shown(both) == [("newly denied", "a/t/r", (("run.calls", "21"),))]
