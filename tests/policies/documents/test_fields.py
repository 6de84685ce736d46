"""Every field of every kind takes effect, is read by somebody who is named, or is refused as not yet executed."""

# ruff: noqa: E501  # tables

import copy
import dataclasses
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import pytest

from controlplane import env
from policies.documents.fields import Field
from policies.documents.groups import Group, ListOf, MapOf, OneOf
from policies.documents.kinds import KINDS
from policies.documents.parse import parse_text
from policies.documents.whole import check_whole, not_yet_executed
from policies.engine.bundle import Bundle
from policies.engine.check import check
from policies.engine.compile import compile_bundle
from policies.engine.rules import Expression
from tests.policies.engine.small import PARTS, VALID, budget, document, model, permission, route

TABLE = env.ROOT / "tests" / "policies" / "documents" / "fields.txt"
NOBODY = ("tests", "migrations")


class Row(NamedTuple):
    """One field: its kind, its path, what it does, and what shows it."""

    kind: str
    path: str
    what: str
    shows: str


def rows() -> list[Row]:
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    found = []
    for line in lines:
        name, what, shows = (part.strip() for part in line.split("|"))
        kind, path = name.split()
        found.append(Row(kind, path, what, shows))
    return found


def leaves(field: Field, path: str, depth: int = 0) -> Iterator[str]:
    """The paths of single values; a union within a union is one."""
    if isinstance(field, Group):
        for name, part in field.fields.items():
            yield from leaves(part, f"{path}.{name}", depth)
    elif isinstance(field, OneOf) and depth == 0:
        for word, fields in field.groups.items():
            for name, part in fields.items():
                yield from leaves(part, f"{path}.{word}.{name}", depth + 1)
        yield f"{path}.{field.tag}"
    elif isinstance(field, ListOf):
        yield from leaves(field.item, f"{path}[]", depth)
    elif isinstance(field, MapOf):
        yield from leaves(field.item, f"{path}{{}}", depth)
    else:
        yield path


def test_the_table_has_every_field_once_and_no_empty_cell() -> None:
    there = [
        f"{kind} {leaf}"
        for kind, of in KINDS.items()
        for name, field in of.fields.items()
        for leaf in leaves(field, name)
    ]
    assert [f"{row.kind} {row.path}" for row in rows()] == there
    assert {row.what for row in rows()} == {"engine", "refused", "either", "read", "register"}
    assert all(row.shows for row in rows())


SCOPE = {
    "tenant": "a",
    "team": "t",
    "key": "k",
    "user": "x",
    "route": "r",
    "useCase": "u",
    "labels": {"l": "x"},
}
MODEL: dict[str, Any] = {
    "capabilities": ["chat"], "regions": ["eu"], "upstreamName": "x", "lifecycle": {"replacement": "m3"},
    "prices": [{"from": "2026-01-01", "currency": "EUR", "inputPerMillion": "1", "outputPerMillion": "2", "tiers": []}],
}  # fmt: skip
STRATEGIES: dict[str, dict[str, Any]] = {
    "single": {"type": "single", "model": "m"},
    "fallback": {"type": "fallback", "models": ["m"]},
    "weighted": {"type": "weighted", "models": [{"model": "m", "weight": 1}]},
    "consensus": {"type": "consensus", "models": ["m"], "agree": 1},
    "human": {"type": "human", "queue": "desk"},
    "cascade": {"type": "cascade", "tiers": [{"models": ["m"], "accept": "attempts == 1"}, {"models": ["m3"]}], "otherwise": {"escalate": "desk"}},
}  # fmt: skip
ROUTE: dict[str, Any] = {
    "useCase": "u", "strategy": STRATEGIES["fallback"], "confidence": {"method": "agreement", "samples": 3}, "validators": ["v"],
    "canary": {"model": "m", "percent": "1"}, "shadow": {"models": ["m"], "percent": "1"},
}  # fmt: skip
RULES = {"extract": [{"name": "x", "after": "y", "pattern": "^a"}], "lookups": {"t": {"k": "v"}}, "rows": [{"when": "input.text == 'a'", "answer": "'a'"}]}  # fmt: skip
LABELS = [{"name": "l", "values": ["a", "x"], "default": "x"}]
BASE: dict[str, Any] = {
    "Organisation": {
        "currency": "EUR", "exchangeRates": [{"from": "2026-01-01", "USD": "0.9"}], "requiredLabels": LABELS,
    },
    "Provider": {"type": "sandbox"},
    "Tenant": {"teams": ["t", "t2"], "requiredLabels": LABELS},
    "UseCase": {"owner": "cleo@acme.example", "purpose": "x", "riskClass": "minimal", "requiredLabels": LABELS},
    "Permission": {"effect": "forbid", "on": "call", "when": "run.calls > 1", "message": "'x'"},
    "Budget": {"scope": SCOPE, "each": ["user"], "period": "day", "limit": "1", "onExhausted": "escalate", "escalateTo": "desk"},
    "RateLimit": {"scope": SCOPE, "requestsPerMinute": 1, "tokensPerMinute": 1, "concurrent": 1},
    "EscalationRule": {"stage": "request", "when": "run.calls > 1", "queue": "desk"},
    "Validator": {"type": "cel", "when": "output.text == 'x'", "schema": {"type": "object"}, "queue": "desk", "message": "x"},
    "Exception": {"permission": "soft", "scope": SCOPE, "reason": "x", "expiresOn": "2026-12-31"},
}  # fmt: skip
AROUND = [
    *(text for name, text in PARTS.items() if name not in ("organisation", "a", "p")),
    document("Provider", "q", {"type": "sandbox"}),
    document("Provider", "table", {"type": "rules"}),
    document("UseCase", "u2", {"owner": "cleo@acme.example", "purpose": "x", "riskClass": "minimal", "validation": VALID}),
    model("m2"), model("m3"), route("r2", "m3"), budget("b1"), budget("b2"),
    permission("soft", effect="forbid", level="soft"), permission("p2", effect="forbid", level="soft"),
    document("Validator", "w", {"type": "cel", "when": "true"}),
    *(document("ReviewQueue", name, {"reviewers": ["role:reviewer"]}) for name in ("desk", "other")),
    document("Tool", "t", {"type": "http", "risk": "read"}),
    document("DataSource", "s", {"type": "http", "dataClass": "public"}),
]  # fmt: skip
NAMES = {
    "Organisation": "acme",
    "Tenant": "a",
    "Provider": "p",
    "Model": "m",
    "Route": "r",
    "Validator": "v",
}


def sample(row: Row) -> dict[str, Any]:
    """The spec in which the row's field is changed."""
    if row.kind == "Model":
        return _model(row)
    if row.kind == "Route":
        named = row.path.split(".")[1] if row.path.startswith("strategy.") else ""
        spec = ROUTE | {"strategy": STRATEGIES.get(named, STRATEGIES["fallback"])}
        # what is refused for itself stands in the sample only where it is the field in question
        return {
            k: v for k, v in spec.items() if k not in ("canary", "shadow") or row.path.startswith(k)
        }
    spec = dict(BASE[row.kind])
    if row.path.startswith("obligations"):
        return {"effect": "permit", "on": "call"}
    if row.kind == "Exception" and row.path in ("budget", "raiseBy"):
        return {"budget": "b1", "raiseBy": "1", "reason": "x", "expiresOn": "2026-12-31"}
    return spec | ({"type": "json_schema"} if row.path == "schema" else {})


def _model(row: Row) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(model("m"))["spec"] | MODEL
    if row.path.startswith("rules"):
        spec = {"provider": "table", "contextWindow": 10, "maxOutputTokens": 10, "rules": RULES}
    if row.path.startswith("capacity"):
        spec = spec | {"capacity": {"perHour": "1", "currency": "EUR", "from": "2026-01-01"}}
    if ".tiers[]" in row.path:
        tier = {"aboveInputTokens": 1, "inputPerMillion": "1", "outputPerMillion": "1"}
        spec = spec | {"prices": [MODEL["prices"][0] | {"tiers": [tier]}]}
    return spec


def put(spec: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The spec with another value at a path; `[]` is the first item, `{}` the first entry."""
    changed = copy.deepcopy(spec)
    steps: list[Any] = []
    for part in re.sub(
        r"^strategy\.(single|fallback|weighted|consensus|human|cascade)\.", "strategy.", path
    ).split("."):
        name, marks = re.fullmatch(r"(\w+)((?:\[\]|\{\})*)", part).groups()  # type: ignore[union-attr]  # all of them match
        steps += [name, *(0 if mark == "[]" else None for mark in re.findall(r"\[\]|\{\}", marks))]
    at: Any = changed
    for step, then in itertools.pairwise(steps):
        key = next(iter(at)) if step is None else step
        if isinstance(at, dict) and key not in at:
            at[key] = [] if then == 0 else {}
        at = at[key]
    if isinstance(at, list):
        at[:1] = [value]
    else:
        at[next(iter(at)) if steps[-1] is None else steps[-1]] = value
    return changed


def texts(row: Row, spec: Mapping[str, Any]) -> str:
    """Everything that is around, and the document in question."""
    others = {
        "Organisation": document("Organisation", "acme", BASE["Organisation"]), "Tenant": document("Tenant", "a", BASE["Tenant"]),
        "Provider": document("Provider", "p", BASE["Provider"]), "Model": model("m"), "Route": route("r", "m"),
        "Validator": document("Validator", "v", {"type": "cel", "when": "true"}),
    } | ({"Budget": budget("x", "a", period="fiscal-year")} if row.kind in ("Organisation", "Tenant") else {})  # fmt: skip
    if row.kind == "Organisation":
        others["Budget"] = budget("x", period="fiscal-year")
    if row == Row("Tenant", "timeZone", row.what, row.shows):
        others["Budget"] = budget("x", "a")
    mine = document(row.kind, NAMES.get(row.kind, "x"), dict(spec))
    return (
        "\n---\n".join([*AROUND, *(t for kind, t in others.items() if kind != row.kind), mine])
        + "\n"
    )


def compiled(row: Row, spec: Mapping[str, Any]) -> Bundle:
    found = parse_text(texts(row, spec), "a.yaml")
    assert check_whole(found) + not_yet_executed(found) == []
    return compile_bundle(1, found, check(found))


LEFT_OUT = ("documents", "text", "digest", "organisation", "refs", "line")


def shown(value: Any) -> Any:
    """What a bundle decides by, without its documents, texts and programs."""
    if isinstance(value, Expression):
        return value.form.text
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value) if f.name[0] != "_"]
        return {name: shown(getattr(value, name)) for name in names if name not in LEFT_OUT}
    if isinstance(value, Mapping):
        return {str(k): shown(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [shown(v) for v in value]
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    return msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else str(value)


@pytest.mark.parametrize(
    "row", [r for r in rows() if r.what == "engine"], ids=lambda r: f"{r.kind}-{r.path}"
)
def test_a_field_of_the_engine_changes_what_is_compiled(row: Row) -> None:
    before = sample(row)
    after = put(before, row.path, json.loads(row.shows))
    if (row.kind, row.path) == ("Route", "strategy.type"):
        after = before | {"strategy": STRATEGIES["weighted"]}
    assert before != after
    assert shown(compiled(row, before)) != shown(compiled(row, after))


@pytest.mark.parametrize(
    "row", [r for r in rows() if r.what == "refused"], ids=lambda r: f"{r.kind}-{r.path}"
)
def test_a_field_that_nobody_executes_is_refused_by_its_name(row: Row) -> None:
    spec = put(sample(row), row.path, json.loads(row.shows))
    if ".tiers[].strategy" in row.path:
        del spec["strategy"]["tiers"][0]["models"]
    told = [(p.path, p.message) for p in not_yet_executed(parse_text(texts(row, spec), "a.yaml"))]
    assert len(told) == 1
    assert told[0][1].startswith("not yet executed: ")


@pytest.mark.parametrize(
    "row", [r for r in rows() if r.what == "read"], ids=lambda r: f"{r.kind}-{r.path}"
)
def test_who_is_named_reads_the_field(row: Row) -> None:
    name = re.sub(r"\[\]|\{\}", "", row.path).rpartition(".")[2]
    for reader in row.shows.split():
        assert not reader.startswith(NOBODY)
        assert re.search(rf"[\"']{name}[\"']", (env.ROOT / reader).read_text(encoding="utf-8")), (
            reader
        )


@pytest.mark.parametrize(
    "row", [r for r in rows() if r.what == "either"], ids=lambda r: f"{r.kind}-{r.path}"
)
def test_an_obligation_is_refused_or_stands_in_what_is_compiled(row: Row) -> None:
    before = sample(row)
    after = put(before, row.path, json.loads(row.shows))
    refused = [p.path for p in not_yet_executed(parse_text(texts(row, after), "a.yaml"))]
    assert refused == ["spec." + row.path.removesuffix("[]")] or (
        shown(compiled(row, before)) != shown(compiled(row, after))
    )
