"""The API reference as plain values, read out of the schema itself, for a page without any script of others."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator

_TONES = {"GET": ("info", "eye"), "POST": ("ok", "arrow-right")}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    id: str
    method: str
    path: str
    tone: str
    symbol: str
    description: str
    parameters: tuple[str, ...]
    answers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """The operations under one noun."""

    name: str
    operations: tuple[Operation, ...]


@cache
def reference() -> tuple[Group, ...]:
    """Every operation, by noun. The addresses of a process never change, so it is made once."""
    schema: Mapping[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call] # drf-spectacular is half typed
    groups: dict[str, list[Operation]] = {}
    for path, methods in schema["paths"].items():
        noun = path.removeprefix("/api/v1/").split("/")[0]
        groups.setdefault(noun, []).extend(_operations(path, methods))
    return tuple(Group(name, tuple(found)) for name, found in sorted(groups.items()))


def _operations(path: str, methods: Mapping[str, Any]) -> Iterator[Operation]:
    for method, said in methods.items():
        tone, symbol = _TONES.get(method.upper(), ("", "info"))
        yield Operation(
            id=said["operationId"],
            method=method.upper(),
            path=path,
            tone=tone,
            symbol=symbol,
            description=said.get("description", ""),
            parameters=tuple(_parameters(said)),
            answers=tuple((status, _shape(answer)) for status, answer in said["responses"].items()),
        )


def _parameters(said: Mapping[str, Any]) -> Iterator[str]:
    for parameter in said.get("parameters", ()):
        yield parameter["name"]
    for content in said.get("requestBody", {}).get("content", {}).values():
        yield f"body: {_name(content['schema'])}"


def _shape(answer: Mapping[str, Any]) -> str:
    for kind, content in answer.get("content", {}).items():
        return _name(content["schema"]) if kind == "application/json" else kind
    return ""


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", schema.get("type", ""))).rpartition("/")[2]
