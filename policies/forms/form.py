"""The two views of one document: a YAML text as a form, and a posted form as that text. Neither needs a right document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from policies.documents.document import Document
from policies.documents.groups import Group
from policies.documents.kinds import KINDS, shape
from policies.documents.nodes import Text, compose, scalar
from policies.documents.parse import parse_text
from policies.documents.problems import InvalidDocuments, Problem
from policies.forms.edit import edited
from policies.forms.shapes import Flat, pairs_of
from policies.forms.shown import Showing
from policies.forms.wanted import At, Taking

_ROOT = At("", "", "")


class NoForm(InvalidDocuments):
    """A text that no form can show: it is not YAML, not one document, or of an unknown kind. It stays a text."""

    code = "no_form"


@dataclass(frozen=True, slots=True)
class Filled:
    """One document as text and as form. `names` says which control a path has; `document` is None while `problems` stand."""

    kind: str
    text: str
    flat: dict[str, list[str]]
    names: Mapping[str, str]
    problems: tuple[Problem, ...]
    document: Document | None


def opened(text: str, file: str = "<form>") -> Filled:
    """A text as its form shows it. Raises NoForm."""
    kind, node = _read(text, file)
    flat = _shown(kind, text, node)
    taking = Taking(flat, flat)
    taking.want(_shape(kind), node, _ROOT)
    return _filled(kind, text, flat, taking.names, file)


def posted(kind: str, text: str, flat: Flat, file: str = "<form>") -> Filled:
    """A post of the form of `text` as that text with the changes in it; an empty text is a new document. Raises NoForm."""
    node = None
    shown: Flat = {}
    if text.strip():
        kind, node = _read(text, file)
        shown = _shown(kind, text, node)
    taking = Taking(flat, shown)
    asked = taking.want(_shape(kind), node, _ROOT)
    made = edited(text, node, asked) if asked is not None else text
    return _filled(kind, made, flat, taking.names, file)


def blank(kind: str, name: str = "", tenant: str = "") -> Filled:
    """The form of a document that is not written yet. Raises KeyError."""
    group = KINDS[kind]
    flat = {"metadata.name": [name]}
    if group.tenanted:
        flat["metadata.tenant"] = [tenant]
    return posted(kind, "", flat)


def problems_of(text: str, file: str = "<form>") -> tuple[Document | None, tuple[Problem, ...]]:
    """What is wrong with the text of one document, and the document if nothing is."""
    try:
        found = parse_text(text, file)
    except InvalidDocuments as error:
        return None, tuple(error.problems)
    if len(found) != 1:
        return None, (_count(file, len(found)),)
    return found[0], ()


def control_of(names: Mapping[str, str], path: str) -> str:
    """The control at which an error of a path stands: its own, or that of the nearest part around it."""
    while path:
        if path in names:
            return names[path]
        cut = max(path.rfind("."), path.rfind("["))
        path = path[:cut] if cut > 0 else ""
    return ""


def told(filled: Filled, problems: Sequence[Problem] | None = None) -> dict[str, list[str]]:
    """The errors by control; the empty name has those of no control."""
    found: dict[str, list[str]] = {}
    for problem in filled.problems if problems is None else problems:
        found.setdefault(control_of(filled.names, problem.path), []).append(problem.message)
    return found


def _read(text: str, file: str) -> tuple[str, yaml.MappingNode]:
    try:
        nodes = compose(Text(file, text))
    except InvalidDocuments as error:
        raise NoForm(error.problems) from error
    if len(nodes) != 1:
        raise NoForm([_count(file, len(nodes))])
    node = nodes[0]
    head = dict(reversed(pairs_of(node)))
    kind = head.get("kind")
    word = scalar(kind) if isinstance(kind, yaml.ScalarNode) else None
    if not isinstance(node, yaml.MappingNode) or word not in KINDS:
        _, problems = problems_of(text, file)
        raise NoForm(problems)
    return str(word), node


def _count(file: str, count: int) -> Problem:
    return Problem(file, 1, 1, "", f"has {count} documents; a form is about one")


def _shape(kind: str) -> Group:
    return shape(KINDS[kind])


def _shown(kind: str, text: str, node: yaml.Node) -> dict[str, list[str]]:
    showing = Showing(text)
    for name, part in _shape(kind).fields.items():
        child = dict(reversed(pairs_of(node))).get(name)
        if child is not None and name not in ("apiVersion", "kind"):
            showing.show(part, child, name)
    return showing.flat


def _filled(kind: str, text: str, flat: Flat, names: Mapping[str, str], file: str) -> Filled:
    document, problems = problems_of(text, file)
    return Filled(kind, text, dict(flat), names, problems, document)
