"""The trace of a decision: which lines and atoms decided under `&&`, `||`, `!`, `?:`, in every state of their parts."""

import pytest

from policies.engine.decide import decide
from policies.engine.explain import trace
from policies.engine.facts import RunFacts
from tests.policies.engine.small import (
    EVERYONE,
    PARTS,
    VALID,
    bundle,
    call,
    compiled,
    document,
    model,
    names,
    organisation,
    route,
    tenant,
)  # fmt: skip

RULE = """\
apiVersion: mandate/v1
kind: Permission
metadata: {{name: rule}}
spec:
  effect: forbid
  on: call
  when: |
    {}
    {}
    {}
"""
FIRST, SECOND, THIRD, KEY = 8, 9, 10, 7
TRUE, FALSE, ERROR = "1 == 1", "run.calls > 5", "1 / run.calls == 1"


def line_of(*parts: str) -> int:
    """The line that decided a rule of three lines, which holds or fails."""
    others = [*PARTS.values(), EVERYONE, model("m1"), route("r", "m1")]
    decision = decide(compiled([RULE.format(*parts), *others]), call(run=RunFacts(calls=0)))
    assert decision.effect == "deny"
    (ref,) = decision.determining
    assert ref.name == "rule"
    return ref.line


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        # all parts of a conjunction were needed: the rule's own line stands for them
        ((TRUE, f"&& {TRUE}", f"&& {TRUE}"), KEY),
        # the first true part of a disjunction is enough
        ((TRUE, f"|| {FALSE}", f"|| {FALSE}"), FIRST),
        ((FALSE, f"|| {TRUE}", f"|| {FALSE}"), SECOND),
        ((FALSE, f"|| {FALSE}", f"|| {TRUE}"), THIRD),
        ((FALSE, f"|| {TRUE}", f"|| {TRUE}"), SECOND),
        # a true part wins over one that failed
        ((ERROR, f"|| {FALSE}", f"|| {TRUE}"), THIRD),
        # the part that failed decided when nothing else could
        ((TRUE, f"&& {ERROR}", f"&& {TRUE}"), SECOND),
        ((FALSE, f"|| {FALSE}", f"|| {ERROR}"), THIRD),
        # a choice stands where its chosen side does
        ((TRUE, f"? {TRUE}", f": {FALSE}"), SECOND),
        ((FALSE, f"? {FALSE}", f": {TRUE}"), THIRD),
        ((ERROR, f"? {TRUE}", f": {TRUE}"), FIRST),
        # negation looks through
        (("true &&", f"!({FALSE} ||", f"{FALSE})"), KEY),
    ],
)
def test_the_line_that_decided(parts: tuple[str, ...], line: int) -> None:
    assert line_of(*parts) == line


def test_the_trace_of_a_denied_call_has_every_rule_and_every_model_with_its_fate() -> None:
    of = bundle(
        EVERYONE,
        document("Permission", "never", {"effect": "forbid", "on": "call", "when": "run.calls == 0"}),
        document("Permission", "on-m1", {"effect": "forbid", "on": "model", "when": "model.name == 'm1'"}),
        document("Permission", "theirs", {"effect": "forbid", "on": "call"}, "b"),
        model("m1"), model("m2"), route("r", "m1", "m2"),
    )  # fmt: skip
    explained = trace(of, call())
    assert explained.decision == decide(of, call())
    assert explained.decision.effect == "deny"
    assert [(r.name, r.model, r.outcome, r.counted) for r in explained.rules] == [
        ("everyone", "", "true", True),
        ("never", "", "true", True),
        ("on-m1", "m1", "true", True),
        ("on-m1", "m2", "false", False),
    ]
    assert [m.model for m in explained.models] == ["m1", "m2"]


def test_the_trace_shows_no_other_tenants_rule_even_by_name() -> None:
    theirs = document(
        "Permission", "their-secret-project", {"effect": "forbid", "on": "model"}, "b"
    )
    of = bundle(EVERYONE, theirs, model("m1"), route("r", "m1"))
    assert [r.name for r in trace(of, call()).rules] == ["everyone"]
    assert "their-secret-project" in [r.name for r in trace(of, call(tenant="b")).rules]


def test_a_bundle_of_another_order_of_documents_decides_and_explains_the_same() -> None:
    parts = [
        organisation(), tenant("a"), tenant("b"), document("Provider", "p", {"type": "sandbox"}),
        EVERYONE, model("m1"), model("m2"), route("r", "m2", "m1"),
        document("UseCase", "u", {"owner": "o", "purpose": "x", "riskClass": "high", "validation": VALID}),
        document("Permission", "z", {"effect": "permit", "on": "model"}),
        document("Permission", "y", {"effect": "forbid", "on": "model", "when": "model.name == 'm2'"}, "a"),
    ]  # fmt: skip
    forward, backward = compiled(parts), compiled(reversed(parts))
    assert forward.digest == backward.digest
    first, second = decide(forward, call()), decide(backward, call())
    assert names(first.determining) == ["everyone", "y", "z"]
    assert [d.model for d in first.dropped] == ["m2"]
    # the lines of rules are those of each text; everything else is the same
    assert names(second.determining) == names(first.determining)
    assert second.plan == first.plan
