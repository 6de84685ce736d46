"""A PolicyTest of a recorded call: what can be written of its facts, what was decided, and what had to be left out."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from policies.engine.decision import Decision
from policies.engine.facts import BudgetFacts, Facts, RequestFacts, RunFacts, StopFact
from policies.engine.required import as_sent

_CALLER: Final = "caller"
"""Who a test names where a call named its user: that there was one is a fact, who it was is a commitment."""


@dataclass(frozen=True, slots=True)
class Drafted:
    """The YAML of a test, and in words what of the facts does not stand in it."""

    name: str
    text: str
    left_out: tuple[str, ...]


def drafted(facts: Facts, decision: Decision) -> Drafted:
    """A test that expects what was decided. No content and no commitment is written."""
    name = f"call-{facts.call[-12:]}"
    spec = {"given": _given(facts), "expect": _expect(decision)}
    head = [
        "apiVersion: mandate/v1",
        "kind: PolicyTest",
        f"metadata: {{name: {name}, tenant: {facts.tenant}}}",
    ]
    lines = [*head, "spec:", *_lines(spec, "  ")]
    return Drafted(name, "\n".join(lines) + "\n", tuple(_left_out(facts)))


def _given(facts: Facts) -> dict[str, Any]:
    asked = as_sent(facts.request)
    request = {
        "dataClasses": list(asked.data_classes),
        "tools": list(asked.tools),
        "inputTokensMax": asked.input_tokens_max,
        "outputTokensMax": asked.output_tokens_asked,
        "stream": asked.stream,
        "language": asked.language,
        "labels": asked.labels,
        "needs": list(asked.needs),
    }
    said = {
        "tenant": facts.tenant,
        "team": facts.team,
        "route": facts.route,
        "key": facts.key.id,
        "keyLabels": facts.key.labels,
        "user": _CALLER if facts.user.known else "",
        "now": facts.now,
        "request": {k: v for k, v in request.items() if v},
        "run": _run(facts.run),
        "budget": _budget(facts.budgets),
        "stops": [_stop(one) for one in facts.stops],
    }
    return {name: value for name, value in said.items() if value}


def _run(run: RunFacts) -> dict[str, Any]:
    """What the run came to; what it is called is a commitment."""
    return {"calls": run.calls, "cost": run.cost, "seconds": run.seconds} if run.id else {}


def _budget(budgets: Sequence[BudgetFacts]) -> dict[str, Any]:
    """What conditions see: the share of the fullest."""
    most = max((one.share_used_permille for one in budgets), default=0)
    return {"shareUsed": str(Decimal(most) / 1000)} if most else {}


def _stop(stop: StopFact) -> dict[str, str]:
    said = {"kind": stop.kind, "tenant": stop.tenant, "name": stop.name}
    return {name: value for name, value in said.items() if value}


def _expect(decision: Decision) -> dict[str, Any]:
    """Effect, models in the plan and out of it, and the rules: names, as tests know them."""
    planned = [step.model for step in decision.plan.steps] if decision.plan else []
    gone = [d.model.rpartition("/")[2] for d in decision.dropped]
    said = {
        "effect": decision.effect,
        "models": list(dict.fromkeys(planned)),
        "modelsNever": [n for n in dict.fromkeys(gone) if n not in planned],
        "determiningRules": list(dict.fromkeys(rule.name for rule in decision.determining)),
    }
    return {name: value for name, value in said.items() if value}


def _left_out(facts: Facts) -> Iterator[str]:
    """What the decision may have looked at and a test has no place for."""
    if facts.user.known:
        yield f'who the user was: only a commitment is recorded, the test says "{_CALLER}"'
    yield from _of_request(facts.request)
    if facts.breakers_open or facts.exclude:
        yield "models that were left out at that moment"
    if facts.clamp:
        yield "the output tokens that there was money for"


def _of_request(asked: RequestFacts) -> Iterator[str]:
    if asked.labels_committed:
        yield "labels that no rule named: only a commitment is recorded"
    if asked.tools_committed:
        yield "tools that no rule named: only a commitment is recorded"
    if asked.n > 1:
        yield "that several answers were asked for"


def _lines(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, one in value.items():
        if isinstance(one, Mapping):
            yield f"{indent}{name}:"
            yield from _lines(one, indent + "  ")
        else:
            # JSON is YAML: a text that looks like a number or a date stays a text
            yield f"{indent}{name}: {json.dumps(one)}"
