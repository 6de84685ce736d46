"""Fifty rules and ten models in three tongues: our documents, Cedar's policies, and Python as somebody would write it by hand.

40 rules are on the call (one permit, 39 forbids), 10 on the model (two permits, eight forbids). Each of a few shapes
takes its values from a table.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Call = Mapping[str, Any]
"""What rules read of a call, by the names that Cedar's context and the Python have for it."""
Test = Callable[[Call, Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `cel` in a Permission, `cedar` in a policy, `test` in Python."""

    effect: str
    on: str
    cel: str
    cedar: str
    test: Test


MODELS: Final = tuple(
    {
        "name": f"model-{n}",
        "vendor": ("openai", "anthropic", "mistral")[n % 3],
        "tier": ("small", "medium", "large")[n % 3],
        "regions": [["eu"], ["us"], ["eu", "us"], ["asia"]][n % 4],
        "capabilities": ["chat", "tools", "vision"][: 1 + n % 3],
    }
    for n in range(10)
)
_WORDS: Final = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")


def _on_call(n: int) -> Rule:
    word, high = _WORDS[n // 6], 100_000 + n
    shapes: tuple[tuple[str, str, Test], ...] = (
        (
            f'tenant.region == "{word}" && request.dataClasses.exists(c, c == "health")',
            f'context.region == "{word}" && context.dataClasses.contains("health")',
            lambda c, _: c["region"] == word and "health" in c["dataClasses"],
        ),
        (
            f'request.inputTokensMax > {high} && team.name == "{word}"',
            f'context.inputTokensMax > {high} && context.team == "{word}"',
            lambda c, _: c["inputTokensMax"] > high and c["team"] == word,
        ),
        (
            f'request.language in ["{word}", "xx"] && useCase.riskClass == "high"',
            f'["{word}", "xx"].contains(context.language) && context.riskClass == "high"',
            lambda c, _: c["language"] in (word, "xx") and c["riskClass"] == "high",
        ),
        (
            f'request.tools.exists(t, t in ["{word}", "delete_{n}"]) && !user.known',
            f'context.tools.containsAny(["{word}", "delete_{n}"]) && !context.userKnown',
            lambda c, _: any(t in (word, f"delete_{n}") for t in c["tools"]) and not c["userKnown"],
        ),
        (
            f'has(key.labels.env) && key.labels.env == "{word}" && run.calls > 3',
            f'context.keyLabels has env && context.keyLabels.env == "{word}" && context.runCalls > 3',
            lambda c, _: c["keyLabels"].get("env") == word and c["runCalls"] > 3,
        ),
        (
            f'run.calls + request.outputTokensMax > {high} || (request.stream && team.name == "{word}")',
            f'context.runCalls + context.outputTokensMax > {high} || (context.stream && context.team == "{word}")',
            lambda c, _: (
                c["runCalls"] + c["outputTokensMax"] > high or (c["stream"] and c["team"] == word)
            ),
        ),
    )
    return Rule("forbid", "call", *shapes[n % 6])


def _on_model(n: int) -> Rule:
    word, vendor = _WORDS[n], ("openai", "anthropic", "mistral")[n % 3]
    shapes: tuple[tuple[str, str, Test], ...] = (
        (
            f'tenant.region == "eu" && request.dataClasses.exists(c, c == "{word}") && !("eu" in model.regions)',
            f'context.region == "eu" && context.dataClasses.contains("{word}") && !resource.regions.contains("eu")',
            lambda c, m: (
                c["region"] == "eu" and word in c["dataClasses"] and "eu" not in m["regions"]
            ),
        ),
        (
            f'model.tier == "large" && team.name == "{word}"',
            f'resource.tier == "large" && context.team == "{word}"',
            lambda c, m: m["tier"] == "large" and c["team"] == word,
        ),
        (
            f'model.vendor == "{vendor}" && request.language == "{word}"',
            f'resource.vendor == "{vendor}" && context.language == "{word}"',
            lambda c, m: m["vendor"] == vendor and c["language"] == word,
        ),
        (
            f'!("tools" in model.capabilities) && request.tools.exists(t, t == "{word}")',
            f'!resource.capabilities.contains("tools") && context.tools.contains("{word}")',
            lambda c, m: "tools" not in m["capabilities"] and word in c["tools"],
        ),
    )
    return Rule("forbid", "model", *shapes[n % 4])


def rules() -> list[Rule]:
    """All fifty, in order."""
    permits = [
        Rule("permit", "call", "true", "true", lambda _c, _m: True),
        Rule("permit", "model", 'model.tier != "none"', 'resource.tier != "none"', lambda _c, m: m["tier"] != "none"),
        Rule("permit", "model", "user.known", "context.userKnown", lambda c, _: c["userKnown"]),
    ]  # fmt: skip
    return [*permits, *map(_on_call, range(39)), *map(_on_model, range(8))]


def documents(found: list[Rule]) -> Iterator[str]:
    """The rules as Permissions, and what a route over the models needs, each as a line of JSON."""
    yield _document("Organisation", "bench", {"currency": "EUR"})
    yield _document("Tenant", "bench", {"region": "eu", "teams": ["alpha", "team"]})
    yield _document("Provider", "sandbox", {"type": "sandbox"})
    validation = {"by": "cleo@bench.example", "on": "2026-01-01", "validUntil": "2027-12-31"}
    about = {"owner": "cleo@bench.example", "purpose": "bench", "riskClass": "high"}
    yield _document("UseCase", "bench", about | {"validation": validation})
    price = {"from": "2026-01-01", "currency": "EUR", "inputPerMillion": "1", "outputPerMillion": "2"}  # fmt: skip
    for one in MODELS:
        spec = {name: one[name] for name in ("tier", "regions", "capabilities")}
        size = {"contextWindow": 400_000, "maxOutputTokens": 32_000, "prices": [price]}
        clear = {"clearance": ["public", "health", "alpha", "eta"], "provider": "sandbox"}
        yield _document("Model", str(one["name"]), spec | size | clear, vendor=one["vendor"])
    strategy = {"type": "fallback", "models": [one["name"] for one in MODELS]}
    yield _document("Route", "bench", {"useCase": "bench", "strategy": strategy})
    for n, rule in enumerate(found):
        spec = {"effect": rule.effect, "on": rule.on, "when": rule.cel}
        yield _document("Permission", f"rule-{n:02}", spec)


def _document(kind: str, name: str, spec: Mapping[str, object], **labels: object) -> str:
    metadata = {"name": name} | ({"labels": labels} if labels else {})
    return json.dumps({"apiVersion": "mandate/v1", "kind": kind, "metadata": metadata, "spec": spec})  # fmt: skip


def policies(found: list[Rule]) -> str:
    """The rules in Cedar: the action is `call`, or `use` of a model."""
    action = {"call": 'Action::"call"', "model": 'Action::"use"'}
    return "\n".join(
        f"{rule.effect}(principal, action == {action[rule.on]}, resource) when {{ {rule.cedar} }};"
        for rule in found
    )


def entities() -> str:
    """The models as Cedar's entities."""
    return json.dumps(
        [
            {"uid": {"type": "Model", "id": one["name"]}, "attrs": {k: v for k, v in one.items() if k != "name"}, "parents": []}
            for one in MODELS
        ]
    )  # fmt: skip


class ByHand:
    """The same in Python, as somebody would write it who needs nothing but the answer."""

    def __init__(self, found: list[Rule]) -> None:
        self._on = {
            (effect, on): [r.test for r in found if (r.effect, r.on) == (effect, on)]
            for effect in ("permit", "forbid")
            for on in ("call", "model")
        }

    def __call__(self, call: Call) -> list[str]:
        """The models that a call may go to; none where it is denied."""
        if not self._allowed("call", call, {}):
            return []
        return [str(model["name"]) for model in MODELS if self._allowed("model", call, model)]

    def _allowed(self, on: str, call: Call, model: Mapping[str, Any]) -> bool:
        # all of them, since whoever is denied is told every rule
        against = [test for test in self._on["forbid", on] if test(call, model)]
        return not against and any(test(call, model) for test in self._on["permit", on])
