"""Route, Validator, Tool, DataSource: how a call runs, how its answer is checked, and what a model may use."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from policies.documents.accounts import URL
from policies.documents.fields import Cel, Choice, Field, Free, Number, Ref, Secret, Whole, Words
from policies.documents.groups import Group, ListOf, OneOf
from policies.documents.kind import Kind, Told, name
from policies.documents.reading import Json
from policies.documents.schemas import schema_problem

ERROR_CLASSES: Final = (
    "timeout", "rate_limited", "overloaded", "server_error", "worker_lost",
    "refused_request", "refused_account",
)  # fmt: skip
EXECUTED_STRATEGIES: Final = ("single", "fallback", "weighted", "cascade")
EXECUTED_VALIDATORS: Final = ("json_schema", "cel")
EXECUTED_METHODS: Final = ("logprob", "agreement", "validators")


def _models(*, required: bool = True) -> ListOf:
    return ListOf(Ref("Model", required=True), 1, unique=True, required=required)


def _strategies(*, nested: bool) -> OneOf:
    leaves: dict[str, dict[str, Field]] = {
        "single": {"model": Ref("Model", required=True)},
        "fallback": {"models": _models()},
        "weighted": {
            "models": ListOf(
                Group(
                    {
                        "model": Ref("Model", required=True),
                        "weight": Whole(0, 1_000_000, required=True),
                    }
                ),
                1,
                required=True,
            )
        },
        "consensus": {"models": _models(), "agree": Whole(1, 20, required=True)},
        "human": {"queue": Ref("ReviewQueue", required=True)},
    }
    tier: dict[str, Field] = {"models": _models(required=False), "accept": Cel("accept")}
    if not nested:
        tier["strategy"] = _strategies(nested=True)
    otherwise: dict[str, Field] = {"escalate": Ref("ReviewQueue")}
    if not nested:
        otherwise["strategy"] = _strategies(nested=True)
    leaves["cascade"] = {
        "tiers": ListOf(Group(tier), 1, required=True),
        "otherwise": Group(otherwise, absent=True),
    }
    return OneOf("type", leaves, required=not nested)


class Route(Kind):
    """What callers send as `model`: a use case, and a strategy over models."""

    kind = "Route"
    fields = {
        "useCase": Ref("UseCase", required=True),
        "task": Words(".{1,100}", "text of one line", default=""),
        "strategy": _strategies(nested=False),
        "confidence": Group(
            {
                "method": Choice(
                    "logprob", "agreement", "validators", "judge", "declared", required=True
                ),
                "samples": Whole(2, 20, default=3),
                "judge": Ref("Model"),
            },
            absent=True,
        ),
        "validators": ListOf(Ref("Validator", required=True), unique=True),
        "tools": ListOf(Ref("Tool", required=True), unique=True),
        "sources": ListOf(Ref("DataSource", required=True), unique=True),
        "retry": Group(
            {
                "attempts": Whole(1, 10, default=2),
                "on": ListOf(
                    Choice(*ERROR_CLASSES),
                    unique=True,
                    default=["rate_limited", "overloaded", "server_error"],
                ),
                "backoffSeconds": Number("0", "60", default="0.5"),
            }
        ),
        "stream": Choice("hold", "refuse", default="hold"),
        "canary": Group(
            {"model": Ref("Model", required=True), "percent": Number("0", "100", required=True)},
            absent=True,
        ),
        "shadow": Group(
            {"models": _models(), "percent": Number("0", "100", required=True)}, absent=True
        ),
    }

    @classmethod
    def check(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """Weights that add up to something, tiers that can be walked, each model once."""
        strategy = spec["strategy"]
        if strategy["type"] == "weighted":
            yield from _weights(strategy["models"])
        if strategy["type"] == "cascade":
            yield from _tiers(strategy["tiers"], measured="confidence" in spec)
        refused = spec.get("retry", {}).get("on", [])
        for index, error_class in enumerate(refused):
            if error_class == "refused_request":
                yield (
                    f"retry.on[{index}]",
                    "a refused request is refused again; it cannot be retried",
                )

    @classmethod
    def not_yet(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """Other strategies, strategies within a tier, other ways to measure confidence, and what a model may use."""
        strategy = spec["strategy"]
        if strategy["type"] not in EXECUTED_STRATEGIES:
            yield "strategy.type", f'the strategy "{strategy["type"]}"'
        for index, tier in enumerate(strategy.get("tiers", [])):
            if "strategy" in tier:
                yield f"strategy.tiers[{index}].strategy", "a strategy within a tier"
        if "strategy" in strategy.get("otherwise", {}):
            yield "strategy.otherwise.strategy", "another strategy after the last tier"
        method = spec.get("confidence", {}).get("method", "")
        if method and method not in EXECUTED_METHODS:
            yield "confidence.method", f'confidence by "{method}"'
        for field in ("canary", "tools", "sources"):
            if spec.get(field):
                yield field, f'"{field}"'


def _weights(weighted: Sequence[Mapping[str, Json]]) -> Iterator[Told]:
    names = [m["model"] for m in weighted]
    if sum(m["weight"] for m in weighted) == 0:
        yield "strategy.models", "at least one weight must be above zero"
    if len(set(names)) < len(names):
        yield "strategy.models", "each model stands once in the list"


def _tiers(tiers: Sequence[Mapping[str, Json]], *, measured: bool) -> Iterator[Told]:
    seen: set[str] = set()
    for index, tier in enumerate(tiers):
        at = f"strategy.tiers[{index}]"
        if ("models" in tier) == ("strategy" in tier):
            yield at, "a tier has models, or a strategy of its own"
        for model in tier.get("models", []):
            if model in seen:
                yield (
                    f"{at}.models",
                    f'"{model}" stands in an earlier tier; each model stands in one',
                )
            seen.add(model)
        if "confidence." in tier.get("accept", "") and not measured:
            yield f"{at}.accept", "reads confidence, and the route does not say how it is measured"


class Validator(Kind):
    """A check of an answer, and what happens when it fails. `message` is what a repair tells the model."""

    kind = "Validator"
    fields = {
        "type": name(required=True),
        "schema": Free(dict),
        "when": Cel("validator"),
        "config": Free(dict),
        "message": Words(r"[\s\S]{1,2000}", "text of at most 2,000 characters"),
        "onFailure": Choice("repair", "next", "escalate", "reject", default="reject"),
        "queue": Ref("ReviewQueue", default=""),
    }

    @classmethod
    def check(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """What its type needs, a schema that is one, and a queue to escalate to."""
        needs = {"json_schema": "schema", "cel": "when"}.get(spec["type"])
        if needs and needs not in spec:
            yield needs, f'a Validator of type "{spec["type"]}" needs {needs}'
        if spec["type"] == "json_schema" and "schema" in spec:
            wrong = schema_problem(spec["schema"])
            if wrong:
                yield "schema", wrong
        if spec.get("onFailure") == "escalate" and not spec.get("queue"):
            yield "queue", "onFailure escalate needs a queue"

    @classmethod
    def not_yet(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """Other types, and settings that none of ours reads."""
        if spec["type"] not in EXECUTED_VALIDATORS:
            yield "type", f'the validator type "{spec["type"]}"'
        if spec.get("config"):
            yield "config", '"config"'


class Tool(Kind):
    """Something a model may call. With `approval: always` a person of `queue` looks at every answer that asks for it."""

    kind = "Tool"
    fields = {
        "type": name(required=True),
        "risk": Choice("read", "write", "money", "external", required=True),
        "description": Words(r"[\s\S]{1,2000}", "text of at most 2,000 characters"),
        "parameters": Free(dict),
        "endpoint": Words(URL, "an address"),
        "credential": Secret(),
        "approval": Choice("none", "always", default="none"),
        "queue": Ref("ReviewQueue", default=""),
    }

    @classmethod
    def check(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """Who approves."""
        if spec.get("approval") == "always" and not spec.get("queue"):
            yield "queue", "approval always needs a queue"


class DataSource(Kind):
    """Something a model may be shown."""

    kind = "DataSource"
    fields = {
        "type": name(required=True),
        "dataClass": name(required=True),
        "region": name(),
        "endpoint": Words(URL, "an address"),
        "credential": Secret(),
        "maxItems": Whole(1, 1000, default=20),
    }
