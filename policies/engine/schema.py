"""The variables of conditions, by place, with their types: the one source of what a condition may read.

The checker declares them, the compiler reads them by their order here, the reference page is made from them.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from policies.engine.wire import CelType

BOOL, INT, DOUBLE, STRING, DYN = ("bool",), ("int",), ("double",), ("string",), ("dyn",)
STRINGS: Final[CelType] = ("list", STRING)
LABELS: Final[CelType] = ("map", STRING, STRING)


class Declared(NamedTuple):
    """One variable: its dotted name, its type, and a sentence for the reference."""

    name: str
    type: CelType
    about: str


EVERYWHERE: Final = (
    Declared(
        "request.dataClasses",
        STRINGS,
        "classes of the data in it: use case, header and what was detected",
    ),
    Declared("request.tools", STRINGS, "names of the tools the caller offers to the model"),
    Declared("request.inputTokensMax", INT, "the input has never more tokens than this"),
    Declared(
        "request.outputTokensMax", INT, "output tokens the caller asked for; 0 without a limit"
    ),
    Declared("request.stream", BOOL, "whether the answer is streamed"),
    Declared("request.language", STRING, "language of the request, as in `de`; empty if unknown"),
    Declared("request.labels", LABELS, "labels the caller sent"),
    Declared("request.task", STRING, "what is asked for; the route's task until it is detected"),
    Declared("tenant.name", STRING, "the tenant that pays"),
    Declared("tenant.region", STRING, "its region; empty if none is set"),
    Declared("tenant.labels", LABELS, "labels of its document"),
    Declared("team.name", STRING, "the team whose key called"),
    Declared("key.id", STRING, "the API key's id"),
    Declared("key.labels", LABELS, "the API key's labels"),
    Declared("user.known", BOOL, "whether the caller named its end user"),
    Declared("route.name", STRING, "the route that was called"),
    Declared("route.task", STRING, "the route's task"),
    Declared("useCase.name", STRING, "the use case of the route"),
    Declared("useCase.riskClass", STRING, "minimal, limited or high"),
    Declared("run.calls", INT, "calls of the same run so far"),
    Declared(
        "run.cost",
        DOUBLE,
        "what they cost, in the organisation's currency; a reading, no amount is made of it",
    ),
    Declared("run.seconds", INT, "how long the run has lasted"),
    Declared(
        "budget.shareUsed",
        DOUBLE,
        "the fullest budget of this call at its last reading; 1.0 is used up",
    ),
    Declared("now", ("timestamp",), "the moment of the decision"),
)
MODEL: Final = (
    Declared("model.name", STRING, "the model's name"),
    Declared("model.vendor", STRING, "its label `vendor`, else its provider's name"),
    Declared("model.tier", STRING, "small, medium or large"),
    Declared("model.regions", STRINGS, "where it runs"),
    Declared("model.capabilities", STRINGS, "what it can do"),
    Declared("model.clearance", STRINGS, "data classes it may see"),
    Declared("model.lifecycle", STRING, "preview, active, deprecated or retired"),
)
TOOL: Final = (
    Declared("tool.name", STRING, "the tool's name"),
    Declared("tool.risk", STRING, "its risk"),
    Declared("tool.arguments", DYN, "what the model wants to call it with"),
)
DATA: Final = (
    Declared("data.name", STRING, "the source's name"),
    Declared("data.dataClass", STRING, "its data class"),
    Declared("data.region", STRING, "where it lies"),
)
ANSWER: Final = (
    Declared("confidence.score", DOUBLE, "how sure the answer is, 0.0 to 1.0"),
    Declared("confidence.method", STRING, "how that was found"),
    Declared("output.json", DYN, "the answer as JSON"),
    Declared("output.text", STRING, "the answer as text"),
    Declared("output.finishReason", STRING, "why it ended"),
    Declared("output.tokens", INT, "its tokens"),
    Declared("attempts", INT, "attempts so far"),
    Declared("error.class", STRING, "the error class of the last attempt; empty without one"),
)

INPUT: Final = (
    Declared("input.text", STRING, "the last thing the user said"),
    Declared("input.json", DYN, "the same as JSON; null where it is none"),
    Declared("found", LABELS, "what the extracts found, by their names"),
    Declared("lookups", ("map", STRING, LABELS), "the tables to look up in, by their names"),
)

PLACES: Final[Mapping[str, tuple[Declared, ...]]] = {
    "call": EVERYWHERE,
    "model": EVERYWHERE + MODEL,
    "tool": EVERYWHERE + TOOL,
    "data": EVERYWHERE + DATA,
    "request": EVERYWHERE,
    "accept": EVERYWHERE + ANSWER,
    "validator": EVERYWHERE + ANSWER[2:7],
    "response": EVERYWHERE + ANSWER,
    "rules": INPUT,
    "failure": EVERYWHERE + ANSWER,
}
"""What a condition at each place may read. Permissions stand `on` a place, escalation rules at a stage.

A validator reads the answer and not the confidence, which may be made of what the validators said.
"""


def place_of(place: str, spec: Mapping[str, object]) -> str:
    """The place of a condition whose field says `on` or `stage`: the document names it."""
    named = spec.get(place) if place in ("on", "stage") else place
    return str(named)


def reference() -> str:
    """The page of all variables, in Markdown."""
    parts = (
        ("Everywhere", EVERYWHERE), ("On a model", MODEL), ("On a tool", TOOL), ("On data", DATA),
        ("Accept, response and failure", ANSWER), ("Rules of a model", INPUT),
    )  # fmt: skip
    lines = ["# Variables of conditions", ""]
    for title, declared in parts:
        lines += [f"## {title}", "", "| variable | type | what it says |", "| --- | --- | --- |"]
        lines += [f"| `{d.name}` | {type_text(d.type)} | {d.about} |" for d in declared] + [""]
    return "\n".join(lines)


def type_text(kind: CelType) -> str:
    """A type as CEL writes it."""
    inner = ", ".join(type_text(part) for part in kind[1:])
    return f"{kind[0]}({inner})" if inner else str(kind[0])
