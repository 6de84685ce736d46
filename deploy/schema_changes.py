"""What breaks callers between the API schema that was released and the one of now (docs/adr/0025).

`docs/openapi.released.yaml` is what callers were promised; `docs/openapi.intended.txt` lists, line for line, the breaks that
are meant. Looked at: operations, parameters, bodies and successful answers, with types, formats, values, bounds and what is
required. Not looked at: descriptions, refusals' shapes, security. An addition never breaks.
"""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parent.parent
CURRENT: Final = ROOT / "docs" / "openapi.yaml"
RELEASED: Final = ROOT / "docs" / "openapi.released.yaml"
INTENDED: Final = ROOT / "docs" / "openapi.intended.txt"
HELP: Final = """\
each line above breaks a caller of the released API. Either keep what was promised; or, where the break is meant, put the
line into docs/openapi.intended.txt with a comment that says why; or raise VERSION of SPECTACULAR_SETTINGS by one.
"""
_METHODS: Final = ("get", "put", "post", "delete", "patch", "head", "options")
_UPPER: Final = ("maxLength", "maxItems", "maximum", "maxProperties")
_LOWER: Final = ("minLength", "minItems", "minimum", "minProperties")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the walk is: the words of the place, whether callers send it or get it, and which pairs it came through."""

    words: str
    sent: bool
    through: frozenset[tuple[str, str]] = frozenset()

    def at(self, more: str) -> "Place":
        """One step deeper."""
        return replace(self, words=f"{self.words}{more}")


class Comparison:
    """Two schemas, each with its own components."""

    def __init__(self, old: Json, new: Json) -> None:
        self._old = old
        self._new = new

    def breaks(self) -> list[str]:
        """Every break, one line each; none where the version was raised."""
        if _version(self._new) > _version(self._old):
            return []
        found: list[str] = []
        now = dict(_operations(self._new))
        for name, (path, operation) in _operations(self._old):
            if name not in now:
                found.append(f"{name}: the operation is gone")
                continue
            found += self._operation(name, (path, operation), now[name])
        return list(dict.fromkeys(found))

    def _operation(
        self, name: str, old: tuple[Json, Json], new: tuple[Json, Json]
    ) -> Iterator[str]:
        yield from self._parameters(name, old, new)
        yield from self._body(Place(f"{name}: the request", sent=True), old[1], new[1])
        for status, answer in old[1].get("responses", {}).items():
            if not status.startswith("2"):
                continue
            there = new[1].get("responses", {}).get(status)
            if there is None:
                yield f"{name}: no longer answers {status}"
                continue
            before, after = _resolved(self._old, answer), _resolved(self._new, there)
            yield from self._content(
                Place(f"{name}: the answer {status}", sent=False), before, after
            )

    def _parameters(
        self, name: str, old: tuple[Json, Json], new: tuple[Json, Json]
    ) -> Iterator[str]:
        before, after = _parameters(self._old, old), _parameters(self._new, new)
        for key, parameter in before.items():
            words = f"{name}: the parameter {key[1]} ({key[0]})"
            there = after.get(key)
            if there is None:
                yield f"{words} is gone"
                continue
            if there.get("required") and not parameter.get("required"):
                yield f"{words} is now required"
            yield from self._schema(
                Place(words, sent=True), parameter.get("schema", {}), there.get("schema", {})
            )
        for key, parameter in after.items():
            if key not in before and parameter.get("required"):
                yield f"{name}: the parameter {key[1]} ({key[0]}) is new and required"

    def _body(self, place: Place, old: Json, new: Json) -> Iterator[str]:
        before = _resolved(self._old, old.get("requestBody", {}))
        after = _resolved(self._new, new.get("requestBody", {}))
        if after.get("required") and not before.get("required"):
            yield f"{place.words} now needs a body"
        if before:
            yield from self._content(place, before, after)

    def _content(self, place: Place, old: Json, new: Json) -> Iterator[str]:
        after = new.get("content", {})
        for media, body in old.get("content", {}).items():
            if media not in after:
                yield f"{place.words} is no longer {media}"
                continue
            yield from self._schema(place, body.get("schema", {}), after[media].get("schema", {}))

    def _schema(self, place: Place, old: Json, new: Json) -> Iterator[str]:
        """What breaks within one value. A pair of components that is being compared already is not begun again."""
        pair = (_name(old), _name(new))
        if all(pair):
            if pair in place.through:
                return
            place = replace(place, through=place.through | {pair})
        before, after = _flat(self._old, old), _flat(self._new, new)
        yield from _types(place, before, after)
        yield from _values(place, before, after)
        if place.sent:
            yield from _bounds(place, before, after)
        yield from self._members(place, before, after)
        for key, more in (("items", "[]"), ("additionalProperties", ".*")):
            below, there = before.get(key), after.get(key)
            if isinstance(below, dict) and isinstance(there, dict):
                yield from self._schema(place.at(more), below, there)

    def _members(self, place: Place, old: Json, new: Json) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed, needs = set(old.get("required", ())), set(new.get("required", ()))
        for name, schema in before.items():
            deeper = place.at(f".{name}")
            if name not in after:
                yield f"{deeper.words} is gone"
                continue
            if place.sent and name in needs - needed:
                yield f"{deeper.words} is now required"
            if not place.sent and name in needed - needs:
                yield f"{deeper.words} may now be absent"
            yield from self._schema(deeper, schema, after[name])
        if place.sent:
            for name in sorted(needs - before.keys()):
                yield f"{place.words}.{name} is new and required"


def _version(schema: Json) -> int:
    """The number before the first dot."""
    return int(str(schema.get("info", {}).get("version", "0")).partition(".")[0])


def _operations(schema: Json) -> Iterator[tuple[str, tuple[Json, Json]]]:
    for path, item in schema.get("paths", {}).items():
        for method in _METHODS:
            if method in item:
                yield f"{method.upper()} {path}", (item, item[method])


def _parameters(schema: Json, found: tuple[Json, Json]) -> dict[tuple[str, str], Json]:
    """By place and name; what the operation says wins over its path."""
    rows = [_resolved(schema, row) for part in found for row in part.get("parameters", ())]
    return {(row["in"], row["name"]): row for row in rows}


def _name(schema: Json) -> str:
    """The component that a schema is, possibly with something said beside it; empty where it has none."""
    alone = schema.get("allOf", ())
    return str(alone[0].get("$ref", "")) if len(alone) == 1 else str(schema.get("$ref", ""))


def _resolved(schema: Json, value: Json) -> Json:
    while "$ref" in value:
        found: Json = schema
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    return value


def _flat(schema: Json, value: Json) -> Json:
    """A value's schema without references, `allOf`, or alternatives that only say null or list values."""
    value = dict(_resolved(schema, value))
    for part in value.pop("allOf", ()):
        value = _joined(_flat(schema, part), value)
    alternatives = [_flat(schema, part) for part in value.pop("oneOf", value.pop("anyOf", ()))]
    if alternatives:
        value = _joined(_either(alternatives), value)
    types = _type_set(value)
    return value | {"types": types}


def _joined(first: Json, second: Json) -> Json:
    """Both at once."""
    both = first | second
    for key in ("properties",):
        if key in first and key in second:
            both[key] = first[key] | second[key]
    if "required" in first and "required" in second:
        both["required"] = [*first["required"], *second["required"]]
    if "types" in first and "type" not in second:
        both["type"] = sorted(first["types"])
    return both


def _either(alternatives: list[Json]) -> Json:
    """One or the other: what all of them have, with the types and values of any."""
    either: Json = {"type": sorted(set().union(*(one["types"] for one in alternatives)))}
    if all("enum" in one for one in alternatives):
        either["enum"] = [value for one in alternatives for value in one["enum"]]
    objects = [one for one in alternatives if "properties" in one]
    if objects:
        shared = set.intersection(*(set(one["properties"]) for one in objects))
        either["properties"] = {name: objects[0]["properties"][name] for name in sorted(shared)}
        either["required"] = [
            name
            for name in sorted(shared)
            if all(name in one.get("required", ()) for one in objects)
        ]
    return either


def _type_set(value: Json) -> frozenset[str]:
    """The JSON types it may have; empty: any."""
    said = value.get("type", ())
    types = {said} if isinstance(said, str) else set(said)
    if not types and "properties" in value:
        types = {"object"}
    if types and value.get("nullable"):
        types.add("null")
    if "number" in types:
        types.add("integer")
    return frozenset(types)


def _types(place: Place, old: Json, new: Json) -> Iterator[str]:
    """Whom it surprises: who sends, by a type no longer taken; who reads, by one that never came or that comes no more."""
    before, after = old["types"], new["types"]
    if place.sent:
        broken = not _within(before, after)
    else:
        gone = before - after - {"null"} if after else frozenset()
        broken = bool(gone) or not _within(after, before)
    if broken:
        yield f"{place.words} was {_shown(before)} and is {_shown(after)}"
    elif old.get("format") != new.get("format") and ("format" in old or place.sent):
        yield f"{place.words} had the format {old.get('format')} and has {new.get('format')}"


def _within(types: frozenset[str], others: frozenset[str]) -> bool:
    """Whether whoever takes the others takes these; no types are all."""
    return not others or (bool(types) and types <= others)


def _shown(types: frozenset[str]) -> str:
    whole = types - {"integer"} if "number" in types else types
    return " or ".join(sorted(whole)) or "anything"


def _values(place: Place, old: Json, new: Json) -> Iterator[str]:
    """Values that are gone; a new list of values where any was taken."""
    if "enum" not in new:
        return
    if "enum" not in old:
        if place.sent:
            yield f"{place.words} now takes listed values only"
        return
    for value in old["enum"]:
        if value not in new["enum"]:
            yield f'{place.words} lost the value "{value}"'


def _bounds(place: Place, old: Json, new: Json) -> Iterator[str]:
    """Bounds that became tighter."""
    for key in (*_UPPER, *_LOWER):
        before, after = old.get(key), new.get(key)
        if after is None:
            continue
        if before is None or (after < before if key in _UPPER else after > before):
            if before is None and key in _LOWER and after == 0:
                continue
            yield f"{place.words} had {key} {'none' if before is None else before} and has {after}"
    if new.get("pattern") not in (None, old.get("pattern")):
        yield f"{place.words} has the new pattern {new['pattern']}"


def intended(text: str) -> list[str]:
    """The lines of the file that are no comment."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def judged(old: Json, new: Json, meant: list[str]) -> list[str]:
    """What fails the check: breaks that nobody meant, and lines that mean a break that is none."""
    found = Comparison(old, new).breaks()
    return [line for line in found if line not in meant] + [
        f'docs/openapi.intended.txt has a line that is no break: "{line}"; take it out'
        for line in meant
        if line not in found
    ]


def _read(path: Path) -> Json:
    found: Json = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
    return found


def check(current: Path = CURRENT) -> list[str]:
    """Compare the committed files."""
    return judged(_read(RELEASED), _read(current), intended(INTENDED.read_text("utf-8")))


def main(arguments: list[str]) -> int:
    """Print what breaks; with --release make the schema of now the promise."""
    if arguments == ["--release"]:
        shutil.copyfile(CURRENT, RELEASED)
        kept = [
            line
            for line in INTENDED.read_text("utf-8").splitlines(keepends=True)
            if line.startswith("#")
        ]
        INTENDED.write_text("".join(kept), "utf-8")
        return 0
    found = check()
    sys.stdout.write("".join(f"{line}\n" for line in found) + (HELP if found else ""))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
