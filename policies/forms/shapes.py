"""How a field of a document is shown: the shape of its control, and whether what stands in a YAML text fits it.

A form is flat: names like `spec.tiers.0.models.1` to values, as a browser posts them. Marks begin with `@`:
`NAME.@yaml` is a part shown as YAML, `NAME.@on` an optional group that is there, `NAME.3.@` a row with the number it
had in the text it was read from, and `NAME.3.@key` the key of a row of a mapping.
"""

from collections.abc import Mapping
from typing import Final

import yaml

from policies.documents.fields import Choice, Field, Flag, Number, Ref, Whole, Words
from policies.documents.groups import Either, Group, ListOf, MapOf, OneOf, Tag
from policies.documents.identity import Rates
from policies.documents.kind import day
from policies.documents.nodes import plain_value, scalar

Flat = Mapping[str, list[str]]
YAML, ON, ROW, KEY = ".@yaml", ".@on", ".@", ".@key"
NEW: Final = "new"
RATE: Final = Words(r"[0-9]{1,9}(\.[0-9]{1,9})?", 'a rate in quotes like "0.92"')
RATES_DAY: Final = "from"
_SCALARS: Final = (Words, Flag, Whole, Number, Either)


def shape_of(field: Field) -> str:
    """`scalar`, `checks`, `lines`, `rows`, `map`, `rates`, `group`, `union`, `tag` or `yaml`."""
    if isinstance(field, ListOf):
        return _shape_of_list(field.item)
    if isinstance(field, MapOf):
        return "map" if shape_of(field.item) in ("scalar", "group") else "yaml"
    for kind, shape in (
        (_SCALARS, "scalar"),
        (Tag, "tag"),
        (Rates, "rates"),
        (Group, "group"),
        (OneOf, "union"),
    ):
        if isinstance(field, kind):
            return shape
    return "yaml"


def _shape_of_list(item: Field) -> str:
    if isinstance(item, Choice):
        return "checks"
    if isinstance(item, Ref) or shape_of(item) in ("group", "union", "rates"):
        return "rows"
    return "lines" if shape_of(item) == "scalar" else "yaml"


def optional_group(field: Field) -> bool:
    """Whether a group may be absent, which is not the same as empty."""
    return isinstance(field, Group) and not field.required and field.default is None


def parts_of(field: Field, word: str) -> Mapping[str, Field]:
    """The fields inside a group, a union (by its word) or a day with rates."""
    if isinstance(field, Group):
        return field.fields
    if isinstance(field, OneOf):
        tag = Choice(*field.groups, required=field.required)
        return {field.tag: tag, **field.groups.get(word, {})}
    return {RATES_DAY: day(required=True)}


def fits(field: Field, node: yaml.Node) -> bool:
    """Whether the control of a field can show a node; nothing is shown as an empty control."""
    shape = shape_of(field)
    if shape != "yaml" and isinstance(node, yaml.ScalarNode) and scalar(node) is None:
        return True
    if shape in ("scalar", "tag"):
        return isinstance(node, yaml.ScalarNode)
    if shape in ("checks", "lines"):
        return isinstance(node, yaml.SequenceNode) and all(map(_one_line, node.value))
    if shape == "rows":
        return isinstance(node, yaml.SequenceNode)
    return (
        shape != "yaml"
        and isinstance(node, yaml.MappingNode)
        and all(isinstance(key, yaml.ScalarNode) for key, _ in node.value)
    )


def right_type(field: Field, node: yaml.Node) -> bool:
    """Whether a scalar has the type of its field; else the form writes it anew: `"5"` as 5, `5` as "5"."""
    if not isinstance(node, yaml.ScalarNode):
        return False
    if isinstance(field, Whole | Flag):
        return not node.style or isinstance(plain_value(node.value), str)
    return isinstance(field, Number) or isinstance(scalar(node), str)


def is_plain(field: Field, value: str) -> bool:
    """Whether a posted value stands in YAML without quotes as a number or a boolean."""
    return isinstance(field, Whole | Flag | Number) and not isinstance(
        plain_value(value), str | None
    )


def row_numbers(flat: Flat, name: str) -> list[int]:
    """The rows of a list or a mapping, in order."""
    head = f"{name}."
    found = {
        key[len(head) : -len(ROW)] for key in flat if key.startswith(head) and key.endswith(ROW)
    }
    return sorted(int(number) for number in found if number.isdecimal())


def origin_of(flat: Flat, row: str, count: int) -> int:
    """Which of `count` items of the text a row came from; -1 for a new one."""
    told = one(flat, row + ROW)
    return int(told) if told.isdecimal() and int(told) < count else -1


def one(flat: Flat, name: str) -> str:
    """The value of a control with one value; empty when it was not sent."""
    values = flat.get(name)
    return values[-1] if values else ""


def normal(value: str) -> str:
    """A value with the line ends that a browser makes of it."""
    return value.replace("\r\n", "\n").replace("\r", "\n")


def items_of(node: yaml.Node | None) -> list[yaml.Node]:
    """The items of a list."""
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def pairs_of(node: yaml.Node | None) -> list[tuple[str, yaml.Node]]:
    """The pairs of a mapping with scalar keys, in order."""
    if not isinstance(node, yaml.MappingNode):
        return []
    return [(str(key.value), value) for key, value in node.value]


def _one_line(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and "\n" not in node.value
