"""Conditions are type-checked when written, and every error stands at its line and column in the YAML."""

# ruff: noqa: E501  # one case a line reads better than a short one

import pytest

from policies.documents.parse import parse_text
from policies.documents.problems import InvalidDocuments
from policies.engine.check import check, declared
from policies.engine.schema import PLACES, reference


def permission(when: str, on: str = "call", more: str = "") -> str:
    return (
        "apiVersion: mandate/v1\nkind: Permission\nmetadata: {name: x}\nspec:\n"
        f"  effect: forbid\n  on: {on}\n  when: {when}\n{more}"
    )


def told(text: str) -> list[str]:
    with pytest.raises(InvalidDocuments) as caught:
        check(parse_text(text, "a.yaml"))
    return [str(p) for p in caught.value.problems]


@pytest.mark.parametrize(
    ("when", "place"),
    [
        ('tenant.region == "eu" && tenant.regon == "x"', "7:40"),
        ("'tenant.region == \"it''s\" && tenant.regon == \"x\"'", "7:44"),
        ('"tenant.region == \\"\\u00e4\\" && tenant.regon == \'x\'"', "7:47"),
        ('|\n    tenant.region == "eu"\n      && tenant.regon == "x"', "9:16"),
        ('>-\n    tenant.region == "🦊"\n    && tenant.regon == "x"', "9:14"),
        ('tenant.region == "eu"\n    && tenant.regon == "x"', "8:14"),
    ],
    ids=["plain", "single", "double", "literal", "folded", "plain-lines"],
)
def test_an_error_stands_at_its_character_in_every_style(when: str, place: str) -> None:
    assert told(permission(when)) == [
        f'a.yaml:{place} spec.when: there is no variable "tenant.regon"; did you mean "tenant.region"?'
    ]


@pytest.mark.parametrize(
    ("when", "wanted"),
    [
        ("model.name == 'x'", 'a.yaml:7:15 spec.when: "model.name" cannot be read here (on "call"); it exists at: model'),
        ("tenant == 'x'", 'a.yaml:7:10 spec.when: there is no variable "tenant"; it has tenant.name, tenant.region, tenant.labels'),
        ("run.cost > 1", "int and double do not mix: write 1.0 instead of 1"),
        ("run.calls", "a.yaml:7:9 spec.when: must be a bool, not int"),
        ("run.calls >", "mismatched input '<EOF>'"),
        ("request.tools.exists(t, request.tools.exists(u, request.tools.exists(v, v == t && u == v)))", "nests comprehensions deeper than 2"),
        ("request.tools.exists(t, request.tools.exists(u, t + u == u + t))", "may cost 344,706 units, at most 200,000"),
        ("team.name.matches(tenant.name)", "a.yaml:7:33 spec.when: a regular expression must be written as a literal"),
        ("team.name.matches('(a+)+')", "no groups, no alternatives"),
        (" || ".join(["run.calls > 1"] * 101), "has 403 parts, at most 400"),
    ],
)  # fmt: skip
def test_what_is_refused(when: str, wanted: str) -> None:
    (line,) = told(permission(when if "'" not in when else f'"{when}"'))
    assert wanted in line


def test_several_errors_of_one_condition_are_all_told() -> None:
    found = told(
        permission("|\n    tenant.a == 'x' &&\n    tenant.b == 'y'", more='  message: "1"\n')
    )
    assert [line.split(" ")[0] for line in found] == ["a.yaml:8:11", "a.yaml:9:11", "a.yaml:10:13"]
    assert found[2].endswith("spec.message: must be a string, not int")


def test_a_condition_that_is_too_long() -> None:
    assert told(permission('"' + "true && " * 600 + 'true"'))[0].endswith(
        "is longer than 4000 characters"
    )


def test_the_form_keeps_where_each_line_of_the_text_stands() -> None:
    forms = check(parse_text(permission("|\n    run.calls > 1\n    || run.calls > 2"), "a.yaml"))
    form = forms.forms["Permission//x/spec.when"]
    assert (form.file, form.line) == ("a.yaml", 7)
    assert (form.line_at(0), form.line_at(14), form.line_at(30)) == (8, 9, 9)
    assert forms.places == {"Permission//x/": ("a.yaml", 7)}


def test_every_variable_of_every_place_is_declared_and_documented() -> None:
    for place, variables in PLACES.items():
        for variable in variables:
            text = f"type({variable.name}) == type({variable.name})"
            where = f"{{effect: forbid, on: {place}, when: {text}}}"
            if place in ("call", "model", "tool", "data"):
                check(
                    parse_text(
                        f"apiVersion: mandate/v1\nkind: Permission\nmetadata: {{name: x}}\nspec: {where}\n"
                    )
                )
            assert f"| `{variable.name}` |" in reference()
    assert ("model.regions", "list(string)") in declared("model")
