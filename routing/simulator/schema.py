"""A value that fits a JSON schema, chosen by the text it is about. Pure and deterministic.

Covers what structured output allows: types, enum, const, properties, items, bounds, formats, anyOf,
oneOf, allOf and local references. A pattern is met where one of a few usual spellings fits it.
"""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any] | bool
"""A JSON schema; true and false are schemas too."""
DEEPEST = 24
OPTIONAL_UNTIL = 6
_FORMATS = {
    "date": "2026-11-24",
    "time": "09:30:00Z",
    "date-time": "2026-11-24T09:30:00Z",
    "duration": "P1D",
    "email": "person@acme.example",
    "hostname": "acme.example",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "0192f0c1-6d3c-7a11-8f2b-3f6f8a5b9c01",
    "uri": "https://acme.example/",
}
_SPELLINGS = (
    "", "a", "A", "1", "abc", "ABC", "ABC-123", "AB12", "A1", "123", "1234", "12345", "123456",
    "2026-11-24", "2026", "12.50", "EUR", "en", "DE", "de-DE", "+4930123456", "person@acme.example",
    "https://acme.example/",
)  # fmt: skip


class Draws:
    """Small numbers that follow from a text and nothing else, the same on every machine."""

    def __init__(self, seed: str) -> None:
        self._seed = hashlib.blake2b(seed.encode(errors="surrogatepass"), digest_size=16).digest()
        self._no = 0

    def below(self, bound: int) -> int:
        """The next whole number from 0 to `bound` - 1."""
        self._no += 1
        mixed = hashlib.blake2b(self._no.to_bytes(8), key=self._seed, digest_size=8).digest()
        return int.from_bytes(mixed) % bound


def instance(schema: Schema, text: str, draws: Draws) -> Any:  # noqa: ANN401  # JSON
    """A JSON value that fits `schema`; enum values that stand in `text` are preferred."""
    root = schema if isinstance(schema, Mapping) else {}
    return _Builder(root, text, draws).value(root, 0)


class _Builder:
    def __init__(self, root: Mapping[str, Any], text: str, draws: Draws) -> None:
        self._root = root
        self._text = text
        self._lower = text.lower()
        self._draws = draws

    def value(self, given: Schema, depth: int) -> Any:  # noqa: ANN401  # JSON
        schema = self._resolved(given, depth)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._preferred(schema["enum"])
        kind = self._kind(schema, depth)
        if kind == "object":
            return self._object(schema, depth)
        return self._array(schema, depth) if kind == "array" else self._scalar(kind, schema)

    def _scalar(self, kind: str, schema: Mapping[str, Any]) -> str | float | bool | None:
        match kind:
            case "string":
                return self._string(schema)
            case "integer" | "number":
                return self._number(schema, whole=kind == "integer")
            case "boolean":
                return bool(self._draws.below(2))
        return None

    def _resolved(self, schema: Schema, depth: int) -> Mapping[str, Any]:
        """References followed, one branch of anyOf and oneOf taken, allOf merged."""
        if not isinstance(schema, Mapping):
            return {}
        found: dict[str, Any] = dict(schema)
        for _ in range(DEEPEST):
            if "$ref" in found:
                found = {**self._referred(str(found.pop("$ref"))), **found}
            elif branches := found.pop("anyOf", None) or found.pop("oneOf", None):
                found = _merged(found, self._branch(branches, depth))
            elif parts := found.pop("allOf", None):
                for part in parts:
                    found = _merged(found, self._resolved(part, depth + 1))
            else:
                break
        return found

    def _branch(self, branches: Sequence[Any], depth: int) -> Mapping[str, Any]:
        usable = [branch for branch in branches if isinstance(branch, Mapping)]
        plain = [branch for branch in usable if "$ref" not in branch]
        if depth > OPTIONAL_UNTIL and plain:
            # an optional part ends the recursion of a schema that refers to itself
            usable = sorted(plain, key=lambda branch: branch.get("type") in {"object", "array"})
            return usable[0]
        return usable[0] if usable else {}

    def _referred(self, reference: str) -> Mapping[str, Any]:
        found: Any = self._root
        for part in reference.removeprefix("#").strip("/").split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            if part:
                found = found.get(key, {}) if isinstance(found, Mapping) else {}
        return found if isinstance(found, Mapping) else {}

    def _kind(self, schema: Mapping[str, Any], depth: int) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            real = [item for item in kind if item != "null"] or ["null"]
            return "null" if depth > OPTIONAL_UNTIL and "null" in kind else str(real[0])
        if kind is None:
            if "items" in schema:
                return "array"
            bounds = {"minLength", "maxLength", "pattern", "format"}
            return "string" if bounds & schema.keys() else "object"
        return str(kind)

    def _preferred(self, values: Sequence[Any]) -> Any:  # noqa: ANN401  # JSON
        for value in values:
            if isinstance(value, str) and value and value.lower() in self._lower:
                return value
        return values[self._draws.below(len(values))]

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        properties: Mapping[str, Any] = schema.get("properties", {})
        shallow = depth < OPTIONAL_UNTIL
        names = [name for name in properties if shallow or name in required]
        names += [name for name in required if name not in properties]
        if depth >= DEEPEST:
            names = []
        return {name: self.value(properties.get(name, {}), depth + 1) for name in names}

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        least = int(schema.get("minItems", 0))
        most = int(schema.get("maxItems", max(least, 2)))
        wanted = max(least, min(most, 1 if depth < OPTIONAL_UNTIL else 0))
        found: list[Any] = []
        for _ in range(wanted * 4):
            item = self.value(schema.get("items", {}), depth + 1)
            if not schema.get("uniqueItems") or item not in found:
                found.append(item)
            if len(found) == wanted or depth >= DEEPEST:
                break
        return found

    def _string(self, schema: Mapping[str, Any]) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        if "pattern" in schema:
            return _matching(str(schema["pattern"]), schema)
        text = " ".join(self._text.split()[:12]) or "none"
        least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
        text = text + "." * (least - len(text))
        return text if most is None else text[: int(most)]

    def _number(self, schema: Mapping[str, Any], *, whole: bool) -> int | float:
        step = schema.get("multipleOf") or (1 if whole else 0.01)
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        high = schema.get("maximum", schema.get("exclusiveMaximum"))
        if low is None:
            low = 0 if high is None else min(0, high - 100 * step)
        if high is None:
            high = low + 100 * step
        first, last = math.ceil(low / step), math.floor(high / step)
        first += "exclusiveMinimum" in schema and first * step <= schema["exclusiveMinimum"]
        last -= "exclusiveMaximum" in schema and last * step >= schema["exclusiveMaximum"]
        picked = first + self._draws.below(max(1, min(last - first + 1, 10_000)))
        return int(picked * step) if whole else round(picked * step, 9)


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    both = {**first, **second}
    if "properties" in first and "properties" in second:
        both["properties"] = {**first["properties"], **second["properties"]}
    if "required" in first and "required" in second:
        both["required"] = [*first["required"], *second["required"]]
    return both


def _matching(pattern: str, schema: Mapping[str, Any]) -> str:
    least, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", 2**31))
    try:
        fits = re.compile(pattern, re.ASCII)
    except re.error:
        return ""
    usual = [text for text in _SPELLINGS if least <= len(text) <= most]
    grown = (letter * size for size in range(1, 65) for letter in "1aA0")
    return next((text for text in [*usual, *grown] if fits.search(text)), "")
