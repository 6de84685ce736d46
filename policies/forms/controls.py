"""A form as a tree of controls: what a template draws, from a kind's fields, the values and the errors."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from policies.documents.fields import (
    Cel,
    Choice,
    Day,
    Field,
    Flag,
    Number,
    Ref,
    Secret,
    Whole,
    Words,
)
from policies.documents.groups import ListOf, MapOf, OneOf
from policies.documents.kind import Kind, metadata
from policies.documents.kinds import KINDS
from policies.engine.schema import PLACES, place_of
from policies.forms.shapes import (
    KEY,
    ON,
    RATE,
    ROW,
    YAML,
    Flat,
    one,
    optional_group,
    parts_of,
    row_numbers,
    shape_of,
)
from policies.forms.words import help_of, label_of

_SEGMENTS: Final = 4
_SEGMENT_LETTERS: Final = 34
_SHORT: Final = frozenset({"text", "day", "select", "segments", "lines"})
HIDDEN: Final = frozenset({"metadata.origin"})


@dataclass(frozen=True, slots=True)
class Option:
    """One of the values to choose from."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a list or a mapping: `number` is what stood there in the text, `key` the control of a mapping's key."""

    name: str
    origin: str
    title: str
    key: str
    control: "Control"
    first: bool
    last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One control. `shape` names its template, `on` says whether an optional group is there; a condition has a `place`."""

    shape: str
    name: str
    label: str
    help: str = ""
    required: bool = False
    value: str = ""
    options: tuple[Option, ...] = ()
    children: tuple["Control", ...] = ()
    rows: tuple[Row, ...] = ()
    errors: tuple[str, ...] = ()
    mode: str = ""
    on: bool = True
    optional: bool = False
    reloads: bool = False
    shown: str = ""
    place: str = ""
    result: str = ""

    @property
    def id(self) -> str:
        """The id of its element."""
        return "c-" + re.sub(r"[^A-Za-z0-9_]", "-", self.name)

    @property
    def short(self) -> bool:
        """Whether two of them stand side by side."""
        return self.shape in _SHORT

    @property
    def described_by(self) -> str:
        """The ids of what describes it."""
        return " ".join(
            f"{self.id}-{what}" for what, there in (("h", self.help), ("e", self.errors)) if there
        )

    @property
    def lines(self) -> int:
        """How high a text area is."""
        return min(max(self.value.count("\n") + 2, 3), 24)


@dataclass(frozen=True, slots=True)
class Known:
    """What there is to refer to: names by kind of document (and `team`), tenants to belong to, data classes."""

    references: Mapping[str, Sequence[str]] = field(default_factory=dict)
    tenants: Sequence[tuple[str, str]] = ()
    data_classes: Sequence[str] = ()
    fixed: bool = False
    """Whether name and tenant stand: those of a document that exists do not change."""


def controls(
    kind: str, flat: Flat, errors: Mapping[str, Sequence[str]], known: Known
) -> tuple[Control, ...]:
    """The controls of a whole document: name and tenant, the spec, then the rest of the metadata."""
    building = _Building(KINDS[kind], flat, errors, known)
    about = metadata(tenanted=KINDS[kind].tenanted).fields
    head = [building.build(about[n], f"metadata.{n}") for n in ("name", "tenant") if n in about]
    rest = [
        building.build(part, f"metadata.{n}")
        for n, part in about.items()
        if n not in ("name", "tenant")
    ]
    spec = [building.build(part, f"spec.{n}") for n, part in KINDS[kind].fields.items()]
    wrong = any(control.errors for control in walk(rest))
    more = Control(shape="more", name="metadata", label="About it", children=tuple(rest), on=wrong)
    return *head, *spec, more


def walk(tree: Sequence[Control]) -> list[Control]:
    """Every control, outer ones first."""
    found = []
    for control in tree:
        found.append(control)
        found += walk(control.children)
        found += walk([row.control for row in control.rows])
    return found


@dataclass(slots=True)
class _Building:
    kind: type[Kind]
    flat: Flat
    errors: Mapping[str, Sequence[str]]
    known: Known

    def build(self, part: Field, name: str) -> Control:
        """The control of a field."""
        path = re.sub(r"\.[0-9]+(?=\.|$)", "", name)
        base = Control(
            shape="text",
            name=name,
            label=label_of(self.kind.kind, path),
            help=self._help(part, path),
            required=part.required,
            errors=tuple(self.errors.get(name, ())),
        )
        shape = shape_of(part)
        if name + YAML in self.flat or shape == "yaml":
            return replace(base, shape="yaml", value=one(self.flat, name + YAML))
        if shape in ("group", "union", "rates"):
            return self._group(part, base)
        if isinstance(part, ListOf | MapOf) and shape in ("rows", "map"):
            return replace(base, shape=shape, rows=self._rows(part, name, base.label))
        if isinstance(part, ListOf) and isinstance(part.item, Choice):
            chosen = self.flat.get(name, [])
            words = list(dict.fromkeys([*part.item.choices, *chosen]))
            return replace(
                base, shape="checks", options=tuple(Option(w, w, w in chosen) for w in words)
            )
        return self._scalar(part, base)

    def _help(self, part: Field, path: str) -> str:
        told = help_of(self.kind.kind, path)
        if not told and isinstance(part, Words) and " like " in part.words:
            told = f"{part.words[:1].upper()}{part.words[1:]}."
        left_out = part.default
        if isinstance(part, Choice | Flag | Whole | Number) and left_out not in (None, ""):
            word = ("no", "yes")[left_out] if isinstance(left_out, bool) else left_out
            told = f"{told} Not set: {word}.".strip()
        if path in ("spec.dataClasses", "spec.clearance") and self.known.data_classes:
            told = f"{told} Known: {', '.join(self.known.data_classes)}."
        return told

    def _group(self, part: Field, base: Control) -> Control:
        word = one(self.flat, f"{base.name}.{part.tag}") if isinstance(part, OneOf) else ""
        optional = optional_group(part)
        on = not optional or base.name + ON in self.flat
        children = []
        for key, child in parts_of(part, word).items() if on else ():
            built = self.build(child, f"{base.name}.{key}")
            is_tag = isinstance(part, OneOf) and key == part.tag
            children.append(replace(built, reloads=True) if is_tag else built)
        rows = self._rows(MapOf(RATE), base.name, "Rate") if shape_of(part) == "rates" else ()
        return replace(
            base,
            shape="group",
            children=tuple(children),
            rows=rows,
            on=on,
            optional=optional,
            mode="rates" if shape_of(part) == "rates" else "",
        )

    def _rows(self, part: ListOf | MapOf, name: str, label: str) -> tuple[Row, ...]:
        numbers = row_numbers(self.flat, name)
        rows = []
        for place, number in enumerate(numbers):
            row = f"{name}.{number}"
            title = f"{_singular(label)} {place + 1}"
            built = replace(self.build(part.item, row), label=title)
            key = one(self.flat, row + KEY)
            rows.append(
                Row(
                    row,
                    one(self.flat, row + ROW),
                    title,
                    key,
                    built,
                    first=place == 0,
                    last=place == len(numbers) - 1,
                )
            )
        return tuple(rows)

    def _scalar(self, part: Field, base: Control) -> Control:
        value = one(self.flat, base.name)
        made = replace(base, value=value)
        if base.name in HIDDEN or isinstance(part, ListOf):
            return replace(made, shape="hidden" if base.name in HIDDEN else "lines")
        if isinstance(part, Cel):
            return self._condition(part, made)
        if isinstance(part, Choice):
            reloads = base.name in ("spec.on", "spec.stage")
            return replace(_choice(part, made, [(w, w) for w in part.choices]), reloads=reloads)
        if isinstance(part, Flag):
            return _choice(part, made, [("true", "yes"), ("false", "no")])
        if base.name in ("metadata.name", "metadata.tenant") and self.known.fixed:
            labels = dict(self.known.tenants) if base.name == "metadata.tenant" else {}
            return replace(made, shape="fixed", shown=labels.get(value, value))
        options = self._options(part, base.name)
        return _typed(part, made) if options is None else _select(part, made, options)

    def _options(self, part: Field, name: str) -> list[tuple[str, str]] | None:
        if name == "metadata.tenant" and self.known.tenants:
            return list(self.known.tenants)
        if isinstance(part, Ref) and self.known.references.get(part.kind):
            return [(name, name) for name in self.known.references[part.kind]]
        return None

    def _condition(self, part: Cel, made: Control) -> Control:
        named = {key: one(self.flat, f"spec.{key}") for key in ("on", "stage")}
        place = place_of(part.place, named)
        return replace(
            made, shape="condition", place=place if place in PLACES else "", result=part.result
        )


def _typed(part: Field, made: Control) -> Control:
    if isinstance(part, Day) and (not made.value or part.accepts(made.value)):
        return replace(made, shape="day")
    many = isinstance(part, Words) and not isinstance(part, Secret) and part.accepts("a\nb")
    in_row = made.name.rpartition(".")[2].isdecimal()
    if (many and not in_row) or "\n" in made.value:
        return replace(made, shape="area")
    number = isinstance(part, Whole | Number)
    mode = "numeric" if isinstance(part, Whole) else "decimal" if number else ""
    return replace(made, mode=mode)


def _choice(part: Field, made: Control, pairs: list[tuple[str, str]]) -> Control:
    letters = sum(len(label) for _, label in pairs)
    if len(pairs) <= _SEGMENTS and letters <= _SEGMENT_LETTERS:
        blank = [] if part.required else [("", "not set")]
        known = {value for value, _ in pairs}
        odd = [(made.value, made.value)] if made.value and made.value not in known else []
        return replace(made, shape="segments", options=_chosen([*blank, *pairs, *odd], made.value))
    return _select(part, made, pairs)


def _select(part: Field, made: Control, pairs: list[tuple[str, str]]) -> Control:
    known = {value for value, _ in pairs}
    blank = [] if "" in known else [("", "Choose…" if part.required else "none")]
    odd = [(made.value, made.value)] if made.value and made.value not in known else []
    return replace(made, shape="select", options=_chosen([*blank, *pairs, *odd], made.value))


def _chosen(pairs: list[tuple[str, str]], value: str) -> tuple[Option, ...]:
    return tuple(Option(v, label, v == value) for v, label in pairs)


def _singular(label: str) -> str:
    return label[:-1] if label.endswith("s") and not label.endswith("ss") else label


def first_in(tree: Sequence[Control], name: str) -> str:
    """The first control of a row or group that was just added: there one goes on typing."""
    if not name:
        return ""
    for outer in walk(tree):
        for row in outer.rows:
            if row.name == name and (outer.shape == "map" or outer.mode == "rates"):
                return row.control.id
    inside = [c for c in walk(tree) if c.name == name or c.name.startswith(f"{name}.")]
    return next((c.id for c in inside if c.shape not in ("group", "rows", "map")), "")
