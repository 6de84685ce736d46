"""A condition that fails over content: which rule and which line, and not a word of what it read."""

import json

import pytest

from policies.engine.answer import output_of
from policies.engine.decision import RuleRef
from policies.engine.telling import unquoted, without_quotes
from policies.engine.tool_stage import ToolFacts
from policies.engine.tool_trace import trace_tool
from policies.engine.weigh import AnswerFacts, weigh
from tests.policies.engine.cascades import escalation
from tests.policies.engine.small import call
from tests.policies.engine.test_tool_stage import OFFERS, PAY, asked, on_tool, world

CANARY = "CANARY-DE02"
FAILING = [
    ('request.labels[{}] == "x"', "no such key"),
    ("timestamp({}) > now", "not a timestamp"),
    ('duration({}) > duration("1h")', "not a duration"),
    ("now.getHours({}) > 1", "not a time zone"),
    ("int({}) > 1", "cannot convert string to int"),
]


@pytest.mark.parametrize(("when", "error"), FAILING)
def test_an_error_over_arguments_tells_none_of_them(when: str, error: str) -> None:
    of = world(PAY, on_tool("guarded", "forbid", when=when.format("tool.arguments.iban")))
    arguments = json.dumps({"iban": CANARY})
    found = asked(of, arguments=arguments)
    told = without_quotes(found)
    assert [(rule.name, rule.line, rule.error) for rule in told.errors] == [
        ("guarded", found.errors[0].line, error)
    ]
    assert (told.digest, told.action, told.message) == (found.digest, "reject", found.message)
    said = json.dumps({"name": "pay", "arguments": arguments, "json": True})
    tool = ToolFacts(number=0, model="m", name="pay")
    assert CANARY not in f"{told!r}{trace_tool(of, OFFERS, tool, output_of(said))!r}"


@pytest.mark.parametrize(("when", "error"), FAILING)
def test_an_error_over_an_answer_tells_none_of_it(when: str, error: str) -> None:
    of = world(escalation("odd", when.format("output.json.iban")))
    facts = AnswerFacts(of="cd" * 32, tier=0, last=True, attempts=1)
    found = weigh(of, call(), facts, output_of(json.dumps({"iban": CANARY})))
    told = without_quotes(found)
    assert told.hold is not None
    assert [(rule.name, rule.error) for rule in told.hold.rules] == [("odd", error)]
    assert CANARY not in repr(told)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ('no such key: "a"b"', "no such key"),
        ("not a regular expression: bad escape q", "not a regular expression"),
        ('something new about "x"', "the condition failed"),
        ("division by zero", "division by zero"),
        ("tool.arguments is not known", "tool.arguments is not known"),
        ("", ""),
    ],
)
def test_whatever_quotes_is_told_in_other_words(error: str, told: str) -> None:
    ref = RuleRef(kind="Permission", tenant="", name="r", line=3, error=error)
    assert unquoted([ref]) == (RuleRef(kind="Permission", tenant="", name="r", line=3, error=told),)
