"""The type check of every condition, with errors at their line and column. The only importer of the CEL checker.

Only document text enters the native checker, never the data of a request.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.metadata import version
from typing import Final

from cel_expr_python import cel

from policies.documents.document import Document
from policies.documents.fields import ANY
from policies.documents.limits import CONDITION_TEXT
from policies.documents.problems import InvalidDocuments, Problem, did_you_mean
from policies.documents.reading import Condition
from policies.documents.spans import Span, position_in
from policies.engine import wire
from policies.engine.bounds import too_costly
from policies.engine.forms import CheckedForms, Form, form_key, spans_of
from policies.engine.lint import linear, lint
from policies.engine.schema import PLACES, place_of, type_text
from policies.engine.wire import CelType

_ERROR: Final = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_UNDECLARED: Final = re.compile(r"undeclared reference to '([^']*)'")
_SCALARS: Final[Mapping[str, cel.Type]] = {
    "bool": cel.Type.BOOL,
    "int": cel.Type.INT,
    "uint": cel.Type.UINT,
    "double": cel.Type.DOUBLE,
    "string": cel.Type.STRING,
    "timestamp": cel.Type.TIMESTAMP,
    "duration": cel.Type.DURATION,
    "dyn": cel.Type.DYN,
}


def check(documents: Iterable[Document]) -> CheckedForms:
    """The checked form of every condition of the documents. Raises InvalidDocuments with every error."""
    forms: dict[str, Form] = {}
    places: dict[str, tuple[str, int]] = {}
    problems: list[Problem] = []
    documents = list(documents)
    for document in documents:
        if document.kind == "Permission":
            place = document.position("spec.when")
            places[form_key(document.identity, "")] = (document.file, place.line)
        problems += _patterns(document)
        for condition in document.conditions:
            found = check_condition(document, condition)
            if isinstance(found, Form):
                forms[form_key(document.identity, condition.path)] = found
            else:
                problems += found
    problems = problems or list(too_costly(documents, forms))
    if problems:
        raise InvalidDocuments(problems)
    checker = f"cel-expr-python {version('cel-expr-python')}"
    return CheckedForms(checker, dict(sorted(forms.items())), dict(sorted(places.items())))


def _patterns(document: Document) -> Iterator[Problem]:
    """Regular expressions of rules that are not linear in their text."""
    rules = document.spec.get("rules", {}) if document.kind == "Model" else {}
    for index, one in enumerate(rules.get("extract", [])):
        wrong = linear(one["pattern"])
        if wrong:
            yield document.problem(f"spec.rules.extract[{index}].pattern", wrong)


def check_condition(document: Document, condition: Condition) -> Form | list[Problem]:
    """One condition: its form, or what is wrong with it."""

    def problem(offset: int, message: str) -> Problem:
        place = position_in(condition.spans, offset)
        return Problem(document.file, *place, condition.path, message)

    found = _checked(place_of(condition.place, document.spec), condition.result, condition.text)
    if isinstance(found, list):
        return [problem(offset, message) for offset, message in found]
    return Form(found, condition.text, document.file, condition.line, spans_of(condition.spans))


def check_text(place: str, result: str, text: str) -> Form | list[Problem]:
    """A condition that stands in no document yet; line and column count in the text itself."""
    spans, offset = [], 0
    for number, line in enumerate(text.split("\n"), 1):
        spans.append(Span(offset, number, 1))
        offset += len(line) + 1
    if place not in PLACES or result not in _SCALARS:
        return [Problem("<condition>", 1, 1, "", f'there is no place "{place}" for a {result}')]
    found = _checked(place, result, text)
    if isinstance(found, list):
        return [
            Problem("<condition>", *position_in(tuple(spans), at), "", message)
            for at, message in found
        ]
    return Form(found, text, "<condition>", 1, spans_of(tuple(spans)))


def _checked(place: str, result: str, text: str) -> bytes | list[tuple[int, str]]:
    """The checked expression, or what is wrong at which offset."""
    if len(text) > CONDITION_TEXT.most:
        return [(0, f"is longer than {CONDITION_TEXT.most} characters")]
    if any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        return [(0, "has half a character, which is no text")]
    try:
        expression = _environment(place).compile(text)
        data = bytes(expression.serialize())
    except (RuntimeError, UnicodeError) as error:
        return list(_errors(str(error), text, place))
    got = expression.return_type()
    if result != ANY and got != _SCALARS[result]:
        return [(0, f"must be a {result}, not {got.name().lower()}")]
    return list(lint(wire.read(data))) or data


@lru_cache(maxsize=len(PLACES))
def _environment(place: str) -> cel.Env:
    return cel.NewEnv(variables={d.name: _native(d.type) for d in PLACES[place]})


def _native(kind: CelType) -> cel.Type:
    if kind[0] == "list":
        return cel.Type.List(_native(kind[1]))
    if kind[0] == "map":
        return cel.Type.Map(_native(kind[1]), _native(kind[2]))
    return _SCALARS[kind[0]]


def _errors(told: str, text: str, place: str) -> Iterator[tuple[int, str]]:
    lines = text.split("\n")
    starts = [sum(len(line) + 1 for line in lines[:i]) for i in range(len(lines) + 1)]
    found = _ERROR.findall(told)
    for line, column, message in found:
        row, at = int(line), int(column)
        offset = starts[min(row - 1, len(lines))] + max(0, at - 1) if row > 0 else 0
        yield min(offset, max(len(text) - 1, 0)), _in_words(message, place)
    if not found:
        yield 0, told.splitlines()[0]


def _in_words(message: str, place: str) -> str:
    unknown = _UNDECLARED.search(message)
    if unknown:
        names = [d.name for d in PLACES[place]]
        elsewhere = [
            p for p, declared in PLACES.items() if any(d.name == unknown[1] for d in declared)
        ]
        if elsewhere:
            return f'"{unknown[1]}" cannot be read here (on "{place}"); it exists at: {", ".join(elsewhere)}'
        group = [n for n in names if n.startswith(f"{unknown[1]}.")]
        hint = f"; it has {', '.join(group)}" if group else did_you_mean(unknown[1], names)
        return f'there is no variable "{unknown[1]}"{hint}'
    if "no matching overload" in message and "double" in message and "int" in message:
        return f"{message}; int and double do not mix: write 1.0 instead of 1"
    return message.removeprefix("Syntax error: ").removesuffix(" (in container '')")


def declared(place: str) -> list[tuple[str, str]]:
    """The variables of a place with their types as text, for an editor."""
    return [(d.name, type_text(d.type)) for d in PLACES[place]]
