"""What a condition comes to on sample facts: its value, and that of each of its parts. Our own evaluator, never the checker."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from policies.engine.cel import NotCompilable, Variable, compile_expression
from policies.engine.explain import text_of
from policies.engine.forms import Form
from policies.engine.rules import Expression
from policies.engine.schema import PLACES, Declared, type_text
from policies.engine.values import BoolKey, CelError, Erred, Moment, from_json, moment, moment_text
from policies.engine.wire import CelType, Node, read, walk

BUILT_IN: Final[Mapping[str, str]] = {
    "request.dataClasses": "internal, personal",
    "request.tools": "lookup_policy",
    "request.inputTokensMax": "1200",
    "request.outputTokensMax": "400",
    "request.stream": "false",
    "request.language": "de",
    "request.labels": "",
    "request.task": "classification",
    "tenant.name": "insurance",
    "tenant.region": "eu",
    "tenant.labels": "",
    "team.name": "claims",
    "key.id": "ab12cd34",
    "key.labels": "",
    "user.known": "true",
    "route.name": "claims-triage",
    "route.task": "classification",
    "useCase.name": "claims-triage",
    "useCase.riskClass": "high",
    "run.calls": "1",
    "run.cost": "0.0",
    "run.seconds": "0",
    "budget.shareUsed": "0.4",
    "now": "2026-11-20T09:14:00Z",
    "model.name": "gpt-mini",
    "model.vendor": "openai",
    "model.tier": "small",
    "model.regions": "us",
    "model.capabilities": "chat, tools",
    "model.clearance": "public, internal, personal",
    "model.lifecycle": "active",
    "tool.name": "lookup_policy",
    "tool.risk": "read",
    "tool.arguments": '{"policy": "4711"}',
    "data.name": "claims-archive",
    "data.dataClass": "personal",
    "data.region": "eu",
    "confidence.score": "0.8",
    "confidence.method": "agreement",
    "output.json": '{"label": "theft", "payout": 12000}',
    "output.text": "label: theft",
    "output.finishReason": "stop",
    "output.tokens": "140",
    "attempts": "1",
    "error.class": "",
    "input.text": "A windscreen broke; 2 panes",
    "input.json": "null",
    "found": "panes=2",
    "lookups": "",
}


@dataclass(frozen=True, slots=True)
class Given:
    """One variable of a sample as a person edits it."""

    name: str
    type: str
    about: str
    text: str
    error: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a condition and its value; "skipped" where the parts before it settle the matter."""

    text: str
    value: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A condition on sample facts."""

    given: tuple[Given, ...]
    parts: tuple[Part, ...]
    value: str


def sampled(form: Form, place: str, texts: Mapping[str, str]) -> Sample:
    """A checked condition on the values that somebody typed; what is not given is the built-in sample's."""
    checked = read(form.checked)
    used = {node.name for node in walk(checked.root) if node.kind == "ident"}
    given, values = [], []
    for declared in PLACES[place]:
        text = texts.get(declared.name, BUILT_IN.get(declared.name, ""))
        value, error = _value(declared, text)
        values.append(value)
        if declared.name in used:
            kind = type_text(declared.type)
            given.append(Given(declared.name, kind, declared.about, text, error))
    if any(one.error for one in given):
        return Sample(tuple(given), (), "")
    parts, value = evaluated(form, place, values)
    return Sample(tuple(given), parts, value)


def evaluated(form: Form, place: str, values: Sequence[Any]) -> tuple[tuple[Part, ...], str]:
    """The parts of a checked condition and its value, on the variables of its place in their order."""
    checked = read(form.checked)
    variables = {d.name: Variable(f"c[{i}]") for i, d in enumerate(PLACES[place])}

    def value_of(node: Node) -> object:
        return compile_expression(checked, variables, "c", root=node).evaluate(tuple(values))

    try:
        whole = compile_expression(checked, variables, "c")
        expression = Expression(form, checked, whole, 0)
        parts = tuple(_parts(expression, checked.root, value_of, reached=True))
        return parts, in_words(whole.evaluate(tuple(values)))
    except NotCompilable as error:
        return (), str(error)


def _parts(
    of: Expression, node: Node, value_of: Callable[[Node], object], *, reached: bool
) -> Iterator[Part]:
    if node.kind == "call" and node.name in ("_&&_", "_||_"):
        left, right = node.parts
        yield from _parts(of, left, value_of, reached=reached)
        settled = value_of(left) is (node.name == "_||_")
        yield from _parts(of, right, value_of, reached=reached and not settled)
        return
    if node.kind == "call" and node.name == "!_" and node.parts[0].name in ("_&&_", "_||_"):
        yield from _parts(of, node.parts[0], value_of, reached=reached)
        return
    yield Part(text_of(of, node), in_words(value_of(node)) if reached else "skipped")


def in_words(value: object) -> str:
    """A value as CEL writes it, an error as a sentence."""
    if isinstance(value, Erred):
        return f"error: {value.message}"
    if isinstance(value, Moment):
        return moment_text(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(in_words, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{in_words(k)}: {in_words(v)}" for k, v in value.items()) + "}"
    if isinstance(value, BoolKey):
        return str(value.value).lower()
    return json.dumps(value) if isinstance(value, bool | str | float | None) else str(value)


def as_text(kind: CelType, value: object) -> str:
    """A value of a variable as a person edits it: the reverse of reading it."""
    if kind[0] == "list" and isinstance(value, tuple):
        return ", ".join(map(str, value))
    if kind[0] == "map" and isinstance(value, Mapping):
        return ", ".join(f"{k}={v}" for k, v in value.items())
    if isinstance(value, bool):
        return str(value).lower()
    return moment_text(value) if isinstance(value, Moment) else str(value)


def _value(declared: Declared, text: str) -> tuple[object, str]:
    try:
        return _READERS[declared.type[0]](
            text.strip() if declared.type[0] != "string" else text
        ), ""
    except (ValueError, CelError, RecursionError):
        return None, f"must be {_WANTED[declared.type[0]]}"


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _whole(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise ValueError(text)
    return int(text)


def _double(text: str) -> float:
    if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", text):
        raise ValueError(text)
    return float(text)


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _map(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in _list(text)]
    if any(not equals for _, equals, _ in pairs):
        raise ValueError(text)
    return {key.strip(): value.strip() for key, _, value in pairs}


_READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "string": str,
    "bool": _flag,
    "int": _whole,
    "double": _double,
    "list": _list,
    "map": _map,
    "timestamp": moment,
    "dyn": lambda text: from_json(json.loads(text or "null")),
}
_WANTED: Final[Mapping[str, str]] = {
    "bool": "true or false",
    "int": "a whole number",
    "double": "a number like 0.85",
    "list": "words with commas between them",
    "map": "pairs like region=eu, with commas between them",
    "timestamp": "a moment like 2026-11-20T09:14:00Z",
    "dyn": 'JSON like {"payout": 12000}',
}
