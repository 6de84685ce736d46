"""Which differences of the API's schema break a caller: a table of small pairs, and the committed files themselves."""

# ruff: noqa: E501 - a table is read along its rows

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane import env
from deploy import schema_changes
from deploy.schema_changes import Comparison, intended, judged

Json = dict[str, Any]

SMALL = """
info: {version: "1"}
paths:
  /keys/:
    get:
      parameters:
        - {in: query, name: state, schema: {type: string, enum: [active, ended]}}
        - {in: query, name: team, schema: {type: string}}
      responses:
        "200": {content: {application/json: {schema: {$ref: "#/components/schemas/KeyList"}}}}
        "400": {content: {application/problem+json: {schema: {type: object}}}}
    post:
      requestBody:
        content: {application/json: {schema: {$ref: "#/components/schemas/Wanted"}}}
      responses:
        "201": {content: {application/json: {schema: {$ref: "#/components/schemas/Key"}}}}
components:
  schemas:
    State: {type: string, enum: [active, ended]}
    KeyList:
      type: object
      properties: {items: {type: array, items: {$ref: "#/components/schemas/Key"}}, next: {type: string, nullable: true}}
      required: [items, next]
    Key:
      type: object
      properties:
        id: {type: string}
        state: {$ref: "#/components/schemas/State"}
        ends: {type: string, format: date-time, nullable: true}
        cost: {type: number}
        count: {type: integer}
        anything: {}
        replaces: {$ref: "#/components/schemas/Key"}
      required: [id, state]
    Wanted:
      type: object
      properties:
        name: {type: string, maxLength: 60}
        days: {type: integer, minimum: 1}
        kind: {type: string, enum: [plain, strong]}
        labels: {type: object, additionalProperties: {type: string}}
        anything: {}
      required: [name]
"""

GET = "GET /keys/"
KEY = "GET /keys/: the answer 200.items[]"
MADE = "POST /keys/: the answer 201"
SENT = "POST /keys/: the request"


def path(schema: Json, method: str = "get") -> Json:
    return schema["paths"]["/keys/"][method]  # type: ignore[no-any-return]


def part(schema: Json, name: str) -> Json:
    return schema["components"]["schemas"][name]  # type: ignore[no-any-return]


def of(schema: Json, name: str, member: str) -> Json:
    return part(schema, name)["properties"][member]  # type: ignore[no-any-return]


def put(name: str, member: str, **said: object) -> Callable[[Json], object]:
    return lambda new: part(new, name)["properties"].update({member: said})


BREAKS: list[tuple[str, Callable[[Json], object], list[str]]] = [
    ("operation gone", lambda new: new["paths"]["/keys/"].pop("post"), ["POST /keys/: the operation is gone"]),
    ("path gone", lambda new: new["paths"].clear(), ["GET /keys/: the operation is gone", "POST /keys/: the operation is gone"]),
    ("parameter gone", lambda new: path(new)["parameters"].pop(), [f"{GET}: the parameter team (query) is gone"]),
    ("parameter required", lambda new: path(new)["parameters"][1].update(required=True), [f"{GET}: the parameter team (query) is now required"]),
    ("new required parameter", lambda new: path(new)["parameters"].append({"in": "header", "name": "X", "required": True, "schema": {}}), [f"{GET}: the parameter X (header) is new and required"]),
    ("value of a parameter gone", lambda new: path(new)["parameters"][0]["schema"]["enum"].pop(), [f'{GET}: the parameter state (query) lost the value "ended"']),
    ("parameter of listed values", lambda new: path(new)["parameters"][1]["schema"].update(enum=["a"]), [f"{GET}: the parameter team (query) now takes listed values only"]),
    ("answer gone", lambda new: path(new, "post")["responses"].pop("201"), ["POST /keys/: no longer answers 201"]),
    ("media type gone", lambda new: path(new)["responses"]["200"].update(content={"text/csv": {}}), [f"{GET}: the answer 200 is no longer application/json"]),
    ("property of an answer gone", lambda new: part(new, "Key")["properties"].pop("count"), [f"{KEY}.count is gone", f"{MADE}.count is gone"]),
    ("property of an answer absent", lambda new: part(new, "Key")["required"].remove("id"), [f"{KEY}.id may now be absent", f"{MADE}.id may now be absent"]),
    ("null in an answer", lambda new: of(new, "Key", "count").update(nullable=True), [f"{KEY}.count was integer and is integer or null", f"{MADE}.count was integer and is integer or null"]),
    ("type of an answer", put("Key", "count", type="string"), [f"{KEY}.count was integer and is string", f"{MADE}.count was integer and is string"]),
    ("narrowed type of an answer", put("Key", "cost", type="integer"), [f"{KEY}.cost was number and is integer", f"{MADE}.cost was number and is integer"]),
    ("anything in an answer", put("Key", "count"), [f"{KEY}.count was integer and is anything", f"{MADE}.count was integer and is anything"]),
    ("format of an answer", put("Key", "ends", type="string", format="date", nullable=True), [f"{KEY}.ends had the format date-time and has date", f"{MADE}.ends had the format date-time and has date"]),
    ("value of an answer gone", lambda new: part(new, "State")["enum"].remove("ended"), [f'{KEY}.state lost the value "ended"', f'{MADE}.state lost the value "ended"']),
    ("body required", lambda new: path(new, "post")["requestBody"].update(required=True), [f"{SENT} now needs a body"]),
    ("property required", lambda new: part(new, "Wanted")["required"].append("days"), [f"{SENT}.days is now required"]),
    ("new required property", lambda new: (part(new, "Wanted")["required"].append("why"), put("Wanted", "why", type="string")(new)), [f"{SENT}.why is new and required"]),
    ("property of a request gone", lambda new: part(new, "Wanted")["properties"].pop("days"), [f"{SENT}.days is gone"]),
    ("value of a request gone", lambda new: of(new, "Wanted", "kind")["enum"].pop(), [f'{SENT}.kind lost the value "strong"']),
    ("listed values", lambda new: of(new, "Wanted", "name").update(enum=["a"]), [f"{SENT}.name now takes listed values only"]),
    ("type of a request", put("Wanted", "anything", type="string"), [f"{SENT}.anything was anything and is string"]),
    ("shorter", lambda new: of(new, "Wanted", "name").update(maxLength=40), [f"{SENT}.name had maxLength 60 and has 40"]),
    ("longer", lambda new: of(new, "Wanted", "name").update(minLength=1), [f"{SENT}.name had minLength none and has 1"]),
    ("higher", lambda new: of(new, "Wanted", "days").update(minimum=2), [f"{SENT}.days had minimum 1 and has 2"]),
    ("pattern", lambda new: of(new, "Wanted", "name").update(pattern="a+"), [f"{SENT}.name has the new pattern a+"]),
    ("values of a mapping", put("Wanted", "labels", type="object", additionalProperties={"type": "integer"}), [f"{SENT}.labels.* was string and is integer"]),
]  # fmt: skip

KEPT: list[tuple[str, Callable[[Json], object]]] = [
    ("nothing", lambda new: new.copy()),
    ("new operation", lambda new: new["paths"].update({"/teams/": {"get": {"responses": {}}}})),
    ("new parameter", lambda new: path(new)["parameters"].append({"in": "query", "name": "q", "schema": {"type": "string"}})),
    ("new answer", lambda new: path(new)["responses"].update({"202": {}})),
    ("refusal gone", lambda new: path(new)["responses"].pop("400")),
    ("new property of an answer", put("Key", "more", type="string")),
    ("property of an answer always there", lambda new: part(new, "Key")["required"].append("count")),
    ("new value of an answer", lambda new: part(new, "State")["enum"].append("frozen")),
    ("no null in an answer", put("Key", "ends", type="string", format="date-time")),
    ("anything that became a type in an answer", put("Key", "anything", type="string")),
    ("new property of a request", put("Wanted", "more", type="string")),
    ("property of a request not required", lambda new: part(new, "Wanted")["required"].clear()),
    ("null in a request", lambda new: of(new, "Wanted", "days").update(nullable=True)),
    ("wider type in a request", put("Wanted", "days", type="number", minimum=1)),
    ("wider bounds", lambda new: of(new, "Wanted", "name").update(maxLength=80, minLength=0)),
    ("any value of a request", lambda new: of(new, "Wanted", "kind").pop("enum")),
    ("another name of a component", lambda new: (part(new, "Key")["properties"].update(state={"allOf": [{"$ref": "#/components/schemas/Other"}], "description": "d"}), new["components"]["schemas"].update(Other=new["components"]["schemas"].pop("State")))),
    ("null as an alternative", put("Wanted", "days", oneOf=[{"type": "integer", "minimum": 1}, {"type": "null"}])),
    ("a raised version", lambda new: (new["info"].update(version="2"), new["paths"].clear())),
]  # fmt: skip


def pair(change: Callable[[Json], object]) -> tuple[Json, Json]:
    old = yaml.safe_load(SMALL)
    new = copy.deepcopy(old)
    change(new)
    return old, new


@pytest.mark.parametrize(("change", "lines"), [row[1:] for row in BREAKS], ids=[row[0] for row in BREAKS])  # fmt: skip
def test_a_break_is_named(change: Callable[[Json], object], lines: list[str]) -> None:
    assert Comparison(*pair(change)).breaks() == lines


@pytest.mark.parametrize("change", [row[1] for row in KEPT], ids=[row[0] for row in KEPT])
def test_what_callers_do_not_notice_is_no_break(change: Callable[[Json], object]) -> None:
    assert Comparison(*pair(change)).breaks() == []


def test_a_break_that_is_meant_passes_and_a_line_too_many_does_not() -> None:
    old, new = pair(lambda new: new["paths"]["/keys/"].pop("post"))
    line = "POST /keys/: the operation is gone"
    meant = intended(f"# nobody used it\n{line}\n\n")
    assert meant == [line]
    assert judged(old, new, []) == [line]
    assert judged(old, new, meant) == []
    assert judged(old, old, meant) == [
        f'docs/openapi.intended.txt has a line that is no break: "{line}"; take it out'
    ]


def test_the_committed_schema_keeps_what_was_released() -> None:
    assert schema_changes.check() == []


def test_the_released_schema_without_an_operation_fails_by_name(tmp_path: Path) -> None:
    less = yaml.load(schema_changes.CURRENT.read_text("utf-8"), yaml.CSafeLoader)
    del less["paths"]["/api/v1/stops/"]["post"]
    (tmp_path / "less.yaml").write_text(yaml.dump(less), "utf-8")
    assert schema_changes.check(tmp_path / "less.yaml") == [
        "POST /api/v1/stops/: the operation is gone"
    ]


def test_make_check_runs_it() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import run_check, schema_changes; print(run_check.schema_kept())"],
        cwd=env.ROOT / "deploy",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert told.stdout.split() == ["promises", "ok", *told.stdout.split()[2:4], "True"]
