"""A tool that was decided, as the call's page tells it; and what was redacted, from the log alone."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.template.loader import render_to_string

from audit.log.kinds import KINDS
from audit.log.read import Line
from policies.engine.decision import RuleRef
from policies.engine.explain import Atom, Considering
from routing.reports.considered import of_tool
from routing.reports.redactions import Redaction, redactions

AT = datetime(2026, 11, 29, 9, tzinfo=UTC)


def rule(name: str, outcome: str, **more: Any) -> Considering:
    given: dict[str, Any] = {
        "kind": "Permission", "tenant": "", "name": name, "effect": "forbid", "level": "hard", "on": "tool", "model": "m",
        "outcome": outcome, "counted": outcome == "true", "message": "", "owner": "", "file": "", "line": 3, "atoms": (),
    }  # fmt: skip
    return Considering(**given | more)


def test_rules_about_a_tool_are_lines_like_any_other_and_what_determines_comes_first() -> None:
    atoms = (Atom('tool.risk == "money"', 3, "true", {"tool.risk": "money"}),)
    rules = (
        rule("calm", "false"),
        rule("pay", "true", kind="Tool", effect="escalate", level="", line=0),
        rule("big", "true", atoms=atoms, message="no pay"),
        rule("note", "true", level="advisory", counted=False),
    )
    determining = (
        RuleRef(kind="Permission", tenant="", name="big", line=3),
        RuleRef(kind="builtIn", tenant="", name="no-permit"),
    )
    told = [(x.outcome, x.kind, x.name, x.saw, x.determining) for x in of_tool(rules, determining)]
    assert told == [
        ("forbids", "builtIn", "no-permit", "", True),
        ("forbids", "Permission", "big", 'tool.risk is "money"', True),
        ("asks for a person", "Tool", "pay", "always", False),
        ("recorded", "Permission", "note", "always", False),
        ("no match", "Permission", "calm", "always", False),
    ]


def entry(kind: str, **counts: int) -> Line:
    data = {"redacted": {"counts": counts, "rules": 1}} if counts else {}
    return Line(UUID(int=1), AT, AT, KINDS[kind], "worker:1", "a", None, "r", data, None)


def test_what_was_redacted_is_counted_by_detector_and_place() -> None:
    log = [
        entry("call.admitted"),
        entry("attempt.started", card=2, email=1),
        entry("attempt.failed"),
        entry("attempt.started", card=3),
        entry("call.completed", iban=1),
    ]
    assert redactions(log) == [
        Redaction("in the answer", "iban", 1),
        Redaction("before it was sent", "email", 1),
        Redaction("before it was sent", "card", 3),
    ]
    assert redactions(log[:1]) == []
    shown = render_to_string("routing/redacted.html", {"redacted": redactions(log)})
    assert "<dt>card, before it was sent</dt><dd>3</dd>" in shown
    assert "<dt>iban, in the answer</dt><dd>1</dd>" in shown
    assert "Redacted" not in render_to_string("routing/redacted.html", {"redacted": []})
