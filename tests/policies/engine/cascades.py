"""Bundles with a cascade: two small models and a large one, a validator, a queue, and rules that hold answers."""

from typing import Any

from policies.engine.answer import Output
from policies.engine.bundle import Bundle
from policies.engine.facts import Facts
from policies.engine.weigh import AnswerFacts, Checked, Weighed, weigh
from tests.policies.engine.small import EVERYONE, bundle, call, document, model

DESK = document("ReviewQueue", "desk", {"reviewers": ["role:reviewer"]})
OTHER = document("ReviewQueue", "other", {"reviewers": ["role:reviewer"]})
MODELS = (model("s1", tier="small"), model("s2", tier="small"), model("l", tier="large"))
TIERS = [{"models": ["s1", "s2"], "accept": "confidence.score >= 0.85"}, {"models": ["l"]}]


def cascade(tiers: list[dict[str, Any]] | None = None, **spec: Any) -> str:
    """The route `r` as a cascade; `otherwise` is the queue after the last tier."""
    otherwise = spec.pop("otherwise", "desk")
    strategy: dict[str, Any] = {"type": "cascade", "tiers": tiers or TIERS}
    if otherwise:
        strategy["otherwise"] = {"escalate": otherwise}
    base = {"useCase": "u", "strategy": strategy, "confidence": {"method": "agreement"}}
    return document("Route", "r", base | spec)


def validator(name: str, on_failure: str, **spec: Any) -> str:
    """A validator that wants `output.text` to be "good", unless it says otherwise."""
    base = {"type": "cel", "when": 'output.text == "good"', "onFailure": on_failure}
    return document("Validator", name, base | spec)


def escalation(name: str, when: str, stage: str = "response", **more: Any) -> str:
    """A rule that sends to `desk`."""
    spec = {"stage": stage, "when": when, "queue": more.pop("queue", "desk")}
    return document("EscalationRule", name, spec, more.pop("tenant", ""))


def world(*documents: str) -> Bundle:
    """The parts with everyone permitted, the models, the queues, and a test's documents."""
    return bundle(EVERYONE, DESK, OTHER, *MODELS, *documents)


def weighed(of: Bundle, text: str = "", facts: Facts | None = None, **answer: Any) -> Weighed:
    """An answer of the first tier, sure of itself, unless it says otherwise."""
    json = answer.pop("json", None)
    failed = answer.pop("failed", ())
    base: dict[str, Any] = {
        "of": "cd" * 32, "tier": 0, "last": False, "attempts": 1, "method": "agreement", "confidence": "1",
        "validators": tuple(Checked(validator=name, passed=False) for name in failed),
    }  # fmt: skip
    return weigh(of, facts or call(), AnswerFacts(**base | answer), Output(text, json))
