"""A tool that an answer asks for: forbidden, permitted level by level, or a person's; never opened by an error."""

import json
from typing import Any

import pytest

from policies.engine.answer import output_of
from policies.engine.bundle import Bundle
from policies.engine.decide import decide
from policies.engine.decision import encode as encode_decision
from policies.engine.explain import trace
from policies.engine.tool_stage import ToolFacts
from policies.engine.tool_trace import trace_tool
from policies.engine.weigh import AnswerFacts, Weighed, decode_facts, encode, encode_facts, weigh
from tests.policies.engine.cascades import DESK, OTHER, escalation
from tests.policies.engine.small import EVERYONE, bundle, call, document, model, permission, route

OFFERS = call({"tools": ("pay", "look")})
PAY = document("Tool", "pay", {"type": "http", "risk": "money"})
SAID = "the answer asks for a tool that it may not have: "


def world(*documents: str) -> Bundle:
    return bundle(EVERYONE, DESK, OTHER, model("m"), route("r", "m"), *documents)


def on_tool(name: str, effect: str, when: str = "true", tenant: str = "", **more: Any) -> str:
    return permission(name, tenant, effect=effect, on="tool", when=when, **more)


def asked(of: Bundle, name: str = "pay", arguments: str = "{}", **more: Any) -> Weighed:
    said = json.dumps({"name": name, "arguments": arguments, "json": more.pop("json", True)})
    facts = AnswerFacts(
        of="cd" * 32,
        tier=0,
        last=True,
        attempts=1,
        tool=ToolFacts(number=0, model=more.pop("model", "m"), name=more.pop("known", name)),
    )
    return weigh(of, more.pop("facts", OFFERS), facts, output_of(said))


def told(found: Weighed) -> tuple[str, list[str], str]:
    return found.action, [rule.name for rule in found.determining], found.message


def checked_by(*documents: str, **request: Any) -> tuple[str, ...]:
    """What a plan says may have a say about tools."""
    plan = decide(world(*documents), call({"tools": ("pay",)} | request)).plan
    assert plan is not None
    return plan.checks.tools if plan.checks else ()


# what a plan says


def test_a_plan_names_the_rules_that_may_have_a_say_and_no_other() -> None:
    rules = (
        on_tool("never", "forbid", 'team.name == "other" && tool.name == "pay"'),
        on_tool("maybe", "forbid", 'tool.arguments.amount > 10'),
        on_tool("hint", "forbid", level="advisory"),
        escalation("no-team", 'team.name == "other"', "tool"),
        escalation("look", 'tool.risk == "money"', "tool"),
        document("Tool", "pay", {"type": "x", "risk": "money", "approval": "always", "queue": "desk"}),
        document("Tool", "far", {"type": "x", "risk": "money", "approval": "always", "queue": "desk"}),
    )  # fmt: skip
    assert checked_by(*rules) == (
        "Permission hint", "Permission maybe", "EscalationRule look", "Tool pay",
    )  # fmt: skip


def test_once_a_permit_stands_every_call_with_tools_is_looked_at() -> None:
    rule = on_tool("some", "permit", 'team.name == "other"')
    assert checked_by(rule) == ("Permission some",)
    assert checked_by(rule, tools=()) == ()
    assert checked_by(rule, tools=(), tools_committed="ab" * 32) == ("Permission some",)
    assert checked_by(rule, tools=(), needs=("chat",)) == ()


def test_a_plan_without_such_rules_has_the_bytes_that_it_always_had() -> None:
    plain = decide(world(), OFFERS)
    assert b'"tools"' not in encode_decision(plain)
    ruled = decide(world(on_tool("no", "forbid")), OFFERS)
    assert b'"tiers":[{"conditional":false,"steps":[0]}],"tools":["Permission no"]' in (
        encode_decision(ruled)
    )
    # a tool rule is no rule of the request: neither the call nor a model is held against it
    assert [line.name for line in trace(world(on_tool("no", "forbid")), OFFERS).rules] == [
        "everyone"
    ]


# forbids


def test_a_forbid_names_its_rule_its_line_and_whom_to_ask() -> None:
    of = world(PAY, document("Permission", "no-money", {
        "effect": "forbid", "on": "tool", "when": 'tool.risk == "money"', "message": '"no payments, " + team.name',
    }, owner="finn@acme.example"))  # fmt: skip
    found = asked(of)
    assert told(found) == ("reject", ["no-money"], SAID + "no payments, t")
    assert (found.stage, found.effect, found.owner) == ("tool", "deny", "finn@acme.example")
    assert [rule.line for rule in found.determining] == [23]
    assert told(asked(world(PAY, on_tool("other", "forbid", 'tool.name == "x"')))) == (
        "accept", [], "",
    )  # fmt: skip


def test_a_forbid_without_an_owner_sends_to_the_owner_of_the_use_case() -> None:
    assert asked(world(on_tool("no", "forbid"))).owner == "cleo@acme.example"


@pytest.mark.parametrize(
    ("arguments", "action"),
    [
        ('{"amount": 100}', "accept"),
        ('{"amount": 101}', "reject"),
        ('{"amount": 1.5}', "accept"),
        # an error closes the door
        ("{}", "reject"),
        ("", "reject"),
        ("no json", "reject"),
        ('{"amount": "1"}', "reject"),
        # whoever runs the tool may read the other one
        ('{"amount": 1, "amount": 9000}', "reject"),
        ('{"amount": 1, "to": {"a": 1, "a": 2}}', "reject"),
    ],
)
def test_what_it_is_asked_with_decides(arguments: str, action: str) -> None:
    of = world(on_tool("no-big", "forbid", "tool.arguments.amount > 100"))
    assert asked(of, arguments=arguments).action == action


def test_a_tool_whose_arguments_are_no_json_has_them_as_text() -> None:
    of = world(on_tool("no-rm", "forbid", 'tool.arguments.startsWith("rm ")'))
    assert asked(of, "shell", "rm -r", json=False).action == "reject"
    assert asked(of, "shell", "ls", json=False).action == "accept"


def test_the_words_of_a_denial_quote_no_argument_and_no_name_that_only_the_caller_has() -> None:
    says = on_tool("r", "forbid", message='tool.name + " to " + string(tool.arguments.to)')
    assert asked(world(PAY, says), arguments='{"to": "Mallory"}').message == (
        SAID + 'the rule "r" forbids it'
    )
    named = on_tool("r", "forbid", message='"never " + tool.name')
    assert asked(world(PAY, named)).message == SAID + "never pay"
    assert asked(world(named), known="").message == SAID + 'the rule "r" forbids it'
    errs = on_tool("r", "forbid", 'tool.arguments["to"] == "x"')
    assert asked(world(errs), arguments='{"a": 1}').message == (
        SAID + 'the rule "r" could not be evaluated, so it forbids'
    )


def test_the_risk_of_a_tool_that_no_document_has_is_not_known() -> None:
    of = world(on_tool("no-money", "forbid", 'tool.risk == "money"'))
    found = asked(of, "pay")
    assert found.message == SAID + (
        'the rule "no-money" could not be evaluated (tool.risk is not known), so it forbids'
    )
    assert [rule.error for rule in found.errors] == ["tool.risk is not known"]


def test_a_tenant_hides_nothing_of_the_organisation_from_its_rules() -> None:
    own = document("Tool", "pay", {"type": "x", "risk": "read"}, "a")
    whole = on_tool("no-money", "forbid", 'tool.risk == "money"')
    assert asked(world(PAY, own, whole)).action == "reject"
    assert asked(world(own, whole)).action == "accept"
    theirs = on_tool("no-money", "forbid", 'tool.risk == "money"', "a")
    assert asked(world(PAY, own, theirs)).action == "accept"
    assert asked(world(PAY, theirs)).action == "reject"
    plan = decide(world(PAY, theirs), call({"tools": ("pay",)}, tenant="b")).plan
    assert plan is not None
    assert plan.checks is None


def test_an_advisory_rule_is_recorded_and_a_soft_one_lifted_for_its_scope_and_model() -> None:
    advisory = on_tool("hint", "forbid", level="advisory")
    found = asked(world(advisory))
    assert (found.action, [rule.name for rule in found.advisories]) == ("accept", ["hint"])
    soft = on_tool("soft", "forbid", level="soft")
    lifting = document(
        "Exception",
        "trial",
        {"permission": "soft", "scope": {"team": "t", "model": "m"}, "reason": "x", "expiresOn": "2026-12-31"},
    )  # fmt: skip
    of = world(soft, lifting, model("n"))
    found = asked(of)
    assert (found.action, [(one.exception, one.model) for one in found.lifted]) == (
        "accept", [("trial", "m")],
    )  # fmt: skip
    assert told(asked(of, model="n"))[:2] == ("reject", ["soft"])
    late = call({"tools": ("pay",)}, now="2027-01-01T00:00:00Z")
    assert told(asked(of, facts=late))[:2] == ("reject", ["soft"])


# permits


def test_each_level_that_permits_tools_needs_a_match_of_its_own() -> None:
    ours = on_tool("ours", "permit", 'tool.name in ["pay", "look"]')
    theirs = on_tool("theirs", "permit", 'tool.name == "look"', "a")
    assert told(asked(world(ours))) == ("accept", ["ours"], "")
    assert told(asked(world(ours), "send")) == (
        "reject", ["no-permit"], SAID + "no permission of the organisation permits it",
    )  # fmt: skip
    assert told(asked(world(ours, theirs))) == (
        "reject", ["no-permit"], SAID + 'no permission of tenant "a" permits it',
    )  # fmt: skip
    assert told(asked(world(ours, theirs), "look")) == ("accept", ["ours", "theirs"], "")
    assert asked(world(on_tool("errs", "permit", "tool.arguments.x > 1"))).action == "reject"


def test_a_forbid_beats_a_permit_and_both_are_told() -> None:
    found = asked(world(on_tool("yes", "permit", "false"), on_tool("no", "forbid")))
    assert told(found) == (
        "reject",
        ["no", "no-permit"],
        SAID + 'the rule "no" forbids it; no permission of the organisation permits it',
    )


# a person


def test_a_rule_a_permit_and_the_tool_itself_ask_for_a_person() -> None:
    rule = escalation("look", 'tool.name == "pay"', "tool", queue="other")
    permit = on_tool("held", "permit", obligations={"hold": "desk"})
    always = document("Tool", "pay", {"type": "x", "risk": "money", "approval": "always", "queue": "desk"})  # fmt: skip
    found = asked(world(always, permit, rule))
    assert (found.action, found.effect) == ("escalate", "escalate")
    assert found.hold is not None
    assert (found.hold.queue, [(r.kind, r.name) for r in found.hold.rules]) == (
        "other", [("EscalationRule", "look"), ("Permission", "held"), ("Tool", "pay")],
    )  # fmt: skip
    assert found.determining == found.hold.rules
    alone = asked(world(always))
    assert alone.hold is not None
    assert (alone.hold.queue, alone.hold.message) == (
        "desk", "the rule pay asks for a person; it waits at desk",
    )  # fmt: skip
    assert asked(world(always), "look").action == "accept"
    assert asked(world(always, on_tool("no", "forbid"))).action == "reject"


def test_a_rule_that_cannot_be_evaluated_asks_for_a_person() -> None:
    found = asked(world(escalation("look", "tool.arguments.amount > 1", "tool")), arguments="x")
    assert (found.action, [r.error for r in found.errors]) == (
        "escalate", ["tool.arguments is not known"],
    )  # fmt: skip


def test_the_organisations_queue_for_a_tool_wins() -> None:
    spec = {"type": "x", "risk": "read", "approval": "always"}
    own = document("Tool", "pay", spec | {"queue": "other"}, "a")
    whole = document("Tool", "pay", spec | {"queue": "desk"})
    one, two = asked(world(own, whole)), asked(world(own))
    assert (one.hold and one.hold.queue, two.hold and two.hold.queue) == ("desk", "other")
    assert [one.determining[0].tenant, two.determining[0].tenant] == ["", "a"]


# records


def test_facts_are_read_back_and_those_of_an_answer_keep_their_bytes() -> None:
    answer = AnswerFacts(of="ab", tier=0, last=True, attempts=1)
    assert b"tool" not in encode_facts(answer)
    tool = AnswerFacts(
        of="ab", tier=0, last=True, attempts=1, tool=ToolFacts(number=2, model="m", name="pay")
    )
    assert b'"tool":{"model":"m","name":"pay","number":2}' in encode_facts(tool)
    assert decode_facts(encode_facts(tool)) == tool


def test_the_bytes_hold_no_argument_and_are_the_same_twice() -> None:
    of = world(PAY, on_tool("no", "forbid", 'tool.arguments.to == "Mallory"'))
    found = asked(of, arguments='{"to": "Mallory"}')
    assert b"Mallory" not in encode(found)
    assert encode(found).startswith(b'{"action":"reject","advisories":[],"bundle":"')
    assert asked(of, arguments='{"to": "Mallory"}').digest == found.digest


# why


def traced(of: Bundle, name: str = "pay", arguments: str = "{}", known: str = "pay") -> list[Any]:
    said = output_of(json.dumps({"name": name, "arguments": arguments, "json": True}))
    return list(trace_tool(of, OFFERS, ToolFacts(number=0, model="m", name=known), said))


def test_every_rule_that_has_a_say_is_told_with_its_atoms() -> None:
    of = world(
        document("Tool", "pay", {"type": "x", "risk": "money", "approval": "always", "queue": "desk"}),
        on_tool("big", "forbid", 'team.name == "t" && tool.risk == "money" && tool.arguments.amount > 100',
                message='"no " + tool.name', level="soft"),
        on_tool("other", "forbid", 'tool.name == "look" || team.name == "x"'),
        on_tool("note", "forbid", level="advisory"),
        escalation("look", "tool.arguments.amount > 5000", "tool"),
    )  # fmt: skip
    rules = traced(of, arguments='{"amount": 700}')
    assert [(r.kind, r.name, r.effect, r.on, r.outcome, r.counted, r.message) for r in rules] == [
        ("Permission", "big", "forbid", "tool", "true", True, "no pay"),
        ("Permission", "note", "forbid", "tool", "true", False, 'the rule "note" forbids it'),
        ("Permission", "other", "forbid", "tool", "false", False, ""),
        ("EscalationRule", "look", "escalate", "tool", "false", False, ""),
        ("Tool", "pay", "escalate", "tool", "true", True, ""),
    ]
    assert [(a.text, a.outcome, a.inputs) for a in rules[0].atoms] == [
        ('team.name == "t"', "true", {"team.name": "t"}),
        ('tool.risk == "money"', "true", {"tool.risk": "money"}),
        ("tool.arguments.amount > 100", "true", {}),
    ]
    assert [(a.text, a.outcome, a.inputs) for a in rules[2].atoms] == [
        ('tool.name == "look"', "false", {"tool.name": "pay"}),
        ('team.name == "x"', "false", {"team.name": "t"}),
    ]
    assert {r.model for r in rules} == {"m"}
    assert rules[0].line == asked(of, arguments='{"amount": 700}').determining[0].line > 0


def test_a_trace_tells_no_argument_and_no_name_that_only_the_caller_has() -> None:
    of = world(
        on_tool("a", "forbid", 'tool.name == "hush" && tool.arguments.to == "Mallory"'),
        on_tool("b", "forbid", 'int(tool.arguments.to) > 1'),
        on_tool("c", "forbid", 'tool.risk == "money"', message='"x " + tool.name'),
    )  # fmt: skip
    rules = traced(of, "hush", '{"to": "Mallory"}', known="")
    assert [(r.name, r.outcome, r.message) for r in rules] == [
        ("a", "true", 'the rule "a" forbids it'),
        ("b", "error", 'the rule "b" could not be evaluated, so it forbids'),
        ("c", "error", 'the rule "c" could not be evaluated (tool.risk is not known), so it forbids'),
    ]  # fmt: skip
    assert [atom.inputs for rule in rules for atom in rule.atoms] == [{}, {}, {}, {}]


def test_an_exception_that_lifts_a_rule_about_a_tool_is_told() -> None:
    lift = {"permission": "no", "scope": {"team": "t"}, "reason": "x", "expiresOn": "2037-01-01"}
    of = world(on_tool("no", "forbid", level="soft"), document("Exception", "pilot", lift))
    assert [(r.name, r.outcome, r.counted, r.lifted) for r in traced(of)] == [
        ("no", "true", False, "pilot")
    ]
    assert asked(of).action == "accept"
