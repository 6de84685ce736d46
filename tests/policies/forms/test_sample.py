"""A condition on sample facts: its value and that of each part, by our own evaluator."""

import pytest

from policies.checking.client import check_condition
from policies.engine.forms import Form
from policies.engine.schema import PLACES
from policies.engine.values import moment
from policies.forms.sample import BUILT_IN, as_text, in_words, sampled


def checked(text: str, place: str, result: str = "bool") -> Form:
    form = check_condition(place, text, result)
    assert isinstance(form, Form), form
    return form


def run(text: str, place: str = "call", **texts: str) -> tuple[list[tuple[str, str]], str]:
    form = checked(text, place)
    found = sampled(form, place, {k.replace("_", "."): v for k, v in texts.items()})
    return [(part.text, part.value) for part in found.parts], found.value


def test_each_part_has_its_value_and_what_is_settled_is_skipped() -> None:
    assert run('tenant.region == "us" && team.name == "claims"') == (
        [('tenant.region == "us"', "false"), ('team.name == "claims"', "skipped")],
        "false",
    )
    assert run('!(tenant.region == "us" || run.calls > 3)') == (
        [('tenant.region == "us"', "false"), ("run.calls > 3", "false")],
        "true",
    )


def test_values_can_be_typed() -> None:
    assert run('tenant.region == "us"', tenant_region="us")[1] == "true"
    assert run('"eu" in model.regions', "model", model_regions="us, eu")[1] == "true"
    assert run('request.labels["a"] == "b"', request_labels="a=b, c=d")[1] == "true"
    assert run("output.json.payout > 10000.0", "response")[1] == "true"
    assert run("output.json.payout > 10000.0", "response", output_json='{"payout": 5}')[1] == (
        "false"
    )
    assert run('now < timestamp("2026-01-01T00:00:00Z")')[1] == "false"


def test_an_error_is_a_value_too() -> None:
    value = run('request.labels["a"] == "b"')[1]
    assert value.startswith("error: ")
    assert "a" in value


@pytest.mark.parametrize(
    ("text", "name", "typed", "words"),
    [
        ("run.calls > 3", "run.calls", "many", "must be a whole number"),
        ("run.cost > 3.0", "run.cost", "1e9", "must be a number like 0.85"),
        ("user.known", "user.known", "yes", "must be true or false"),
        ('request.labels["a"] == ""', "request.labels", "a", "must be pairs like region=eu, with commas between them"),
        ('now == now', "now", "noon", "must be a moment like 2026-11-20T09:14:00Z"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_type_is_told_at_its_variable(
    text: str, name: str, typed: str, words: str
) -> None:
    form = checked(text, "call")
    found = sampled(form, "call", {name: typed})
    assert [(one.name, one.text, one.error) for one in found.given] == [(name, typed, words)]
    assert (found.parts, found.value) == ((), "")


@pytest.mark.parametrize("place", PLACES)
def test_the_built_in_sample_has_every_variable_of_every_place(place: str) -> None:
    for name in (declared.name for declared in PLACES[place]):
        assert name in BUILT_IN
        form = checked(f"{name} == {name}", place)
        found = sampled(form, place, {})
        assert [one.error for one in found.given] == [""]
        assert found.value == "true"


def test_a_text_has_one_part() -> None:
    form = checked('"to " + model.name', "model", "string")
    assert sampled(form, "model", {}).value == '"to gpt-mini"'


def test_values_in_words_and_as_text() -> None:
    assert in_words(("a", 1, 2.5, True, None)) == '["a", 1, 2.5, true, null]'
    assert in_words({"a": ("b",)}) == '{"a": ["b"]}'
    assert in_words(moment("2026-01-01T00:00:00Z")) == "2026-01-01T00:00:00Z"
    assert as_text(("list", ("string",)), ("a", "b")) == "a, b"
    assert as_text(("map", ("string",), ("string",)), {"a": "b"}) == "a=b"
    assert as_text(("bool",), True) == "true"
    assert as_text(("timestamp",), moment("2026-01-01T00:00:00Z")) == "2026-01-01T00:00:00Z"
    assert as_text(("double",), 0.5) == "0.5"
