"""The JSON Schema of each kind says what its reader says, so that an editor finds what publish would refuse."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # it has no types

from policies.documents.kinds import KINDS, json_schema
from policies.documents.parse import parse_text
from tests.policies.documents.test_kinds import SPECS, whole
from tests.policies.documents.test_places import wrong
from tests.policies.documents.test_round_trip import bodies

VALIDATORS = {kind: Draft7Validator(json_schema(kind)) for kind in KINDS}


def errors(body: dict[str, Any]) -> list[str]:
    return [e.json_path for e in VALIDATORS[body["kind"]].iter_errors(body)]


def example(kind: str) -> dict[str, Any]:
    (document,) = parse_text(whole(kind, SPECS[kind]))
    return json.loads(json.dumps(document.body))  # type: ignore[no-any-return]  # an object


def patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for part in schema.values():
            yield from patterns(part)
    if isinstance(schema, list):
        for part in schema:
            yield from patterns(part)


@pytest.mark.parametrize("kind", KINDS)
def test_every_schema_is_one_and_takes_the_example(kind: str) -> None:
    Draft7Validator.check_schema(json_schema(kind))
    assert errors(example(kind)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_patterns_are_anchored_as_a_whole_and_need_no_flags_of_python(kind: str) -> None:
    for pattern in patterns(json_schema(kind)):
        assert pattern.startswith("^")
        assert pattern.endswith("$")
        assert "(?s)" not in pattern
        # an alternative stands in a group, or else only its first and last part would be anchored
        assert re.fullmatch(r"\^\(\?:.*\)\$|[^|]*", pattern, re.DOTALL)


@pytest.mark.parametrize("kind", KINDS)
def test_every_wrong_type_is_an_error_of_the_schema_at_its_path(kind: str) -> None:
    for name, field in KINDS[kind].fields.items():
        body = example(kind)
        body["spec"][name] = json.loads(wrong(field))
        assert f"$.spec.{name}" in errors(body), name


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_and_missing_fields_are_errors_of_the_schema(kind: str) -> None:
    body = example(kind)
    body["spec"]["surprise"] = 1
    assert errors(body) == ["$.spec"]
    for name, field in KINDS[kind].fields.items():
        if field.required:
            body = example(kind)
            del body["spec"][name]
            assert errors(body) == ["$.spec"]
    for part in ("apiVersion", "kind", "metadata", "spec"):
        body = example(kind)
        del body[part]
        assert [e.json_path for e in VALIDATORS[kind].iter_errors(body)] == ["$"]


@pytest.mark.parametrize("day", ["04-01", "12-31", "02-28"])
def test_days_of_the_year(day: str) -> None:
    body = example("Tenant")
    body["spec"]["fiscalYearStartsOn"] = day
    assert errors(body) == []
    body["spec"]["fiscalYearStartsOn"] = f"{day} and more"
    assert errors(body) == ["$.spec.fiscalYearStartsOn"]


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(st.sampled_from(list(KINDS)).flatmap(bodies))
def test_what_the_reader_takes_the_schema_takes_too(body: dict[str, Any]) -> None:
    assert errors(body) == []
