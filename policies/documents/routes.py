"""Route, Validator, Tool, DataSource: how a call runs, how its answer is checked, and what a model may use."""

from collections.abc import Iterator, Mapping
from typing import Final

from policies.documents.accounts import URL
from policies.documents.fields import Cel, Choice, Field, Free, Number, Ref, Secret, Whole, Words
from policies.documents.groups import Group, ListOf, OneOf
from policies.documents.kind import Kind, Told, name
from policies.documents.reading import Json

ERROR_CLASSES: Final = (
    "timeout", "rate_limited", "overloaded", "server_error", "worker_lost",
    "refused_request", "refused_account",
)  # fmt: skip
EXECUTED_STRATEGIES: Final = ("single", "fallback", "weighted")


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
        """Weights that add up to something, each model once."""
        strategy = spec["strategy"]
        if strategy["type"] == "weighted":
            names = [m["model"] for m in strategy["models"]]
            if sum(m["weight"] for m in strategy["models"]) == 0:
                yield "strategy.models", "at least one weight must be above zero"
            if len(set(names)) < len(names):
                yield "strategy.models", "each model stands once in the list"
        refused = spec.get("retry", {}).get("on", [])
        for index, error_class in enumerate(refused):
            if error_class == "refused_request":
                yield (
                    f"retry.on[{index}]",
                    "a refused request is refused again; it cannot be retried",
                )

    @classmethod
    def not_yet(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """Other strategies, and everything that checks answers."""
        if spec["strategy"]["type"] not in EXECUTED_STRATEGIES:
            yield "strategy.type", f'the strategy "{spec["strategy"]["type"]}"'
        for field in ("confidence", "validators", "canary", "shadow"):
            if spec.get(field):
                yield field, f'"{field}"'


class Validator(Kind):
    """A check of an answer, and what happens when it fails."""

    kind = "Validator"
    executed = False
    fields = {
        "type": name(required=True),
        "schema": Free(dict),
        "config": Free(dict),
        "onFailure": Choice("repair", "next", "escalate", "reject", default="reject"),
    }


class Tool(Kind):
    """Something a model may call."""

    kind = "Tool"
    executed = False
    fields = {
        "type": name(required=True),
        "risk": Choice("read", "write", "money", "external", required=True),
        "description": Words(r"[\s\S]{1,2000}", "text of at most 2,000 characters"),
        "parameters": Free(dict),
        "endpoint": Words(URL, "an address"),
        "credential": Secret(),
        "approval": Choice("none", "always", default="none"),
    }


class DataSource(Kind):
    """Something a model may be shown."""

    kind = "DataSource"
    executed = False
    fields = {
        "type": name(required=True),
        "dataClass": name(required=True),
        "region": name(),
        "endpoint": Words(URL, "an address"),
        "credential": Secret(),
        "maxItems": Whole(1, 1000, default=20),
    }
