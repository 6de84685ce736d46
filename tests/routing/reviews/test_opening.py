"""A case is opened with the rules that asked for it, and no word of the answer outside the vault."""

import json
from types import SimpleNamespace
from uuid import UUID

from policies.engine.answer import output_of
from policies.engine.weigh import AnswerFacts, weigh
from routing.reviews.opening import opening
from tests.policies.engine.cascades import escalation
from tests.policies.engine.small import call
from tests.policies.engine.test_tool_stage import world

ASKED = SimpleNamespace(call=UUID(int=1), tenant="t", team="a", key="k", route="r")


def test_a_case_quotes_nothing_of_the_answer() -> None:
    of = world(escalation("odd", "timestamp(output.json.iban) > now"))
    facts = AnswerFacts(of="cd" * 32, tier=0, last=True, attempts=1)
    held = weigh(of, call(), facts, output_of(json.dumps({"iban": "CANARY-DE02"}))).hold
    assert held is not None
    assert "CANARY" in repr(held)
    case = opening(of, held, "response", ASKED, UUID(int=2))
    assert [(rule.name, rule.error) for rule in case.rules] == [("odd", "not a timestamp")]
    assert "CANARY" not in repr(case)
