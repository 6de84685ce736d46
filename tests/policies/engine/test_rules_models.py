"""Models that are rules: checked like every condition, free at any time, and only where their provider says so."""

from typing import Any

import pytest

from policies.documents.parse import parse_text
from policies.documents.problems import InvalidDocuments
from policies.documents.whole import check_whole, not_yet_executed
from policies.engine.bundle import RulesView
from policies.engine.check import check
from policies.engine.decide import decide
from tests.policies.engine.small import EVERYONE, PARTS, bundle, call, document, route, steps

LOGIC = document("Provider", "logic", {"type": "rules"})


def table(name: str, rows: list[dict[str, Any]], **rules: Any) -> str:
    spec = {
        "provider": "logic", "contextWindow": 10_000, "maxOutputTokens": 1000, "clearance": ["public"],
        "rules": {"rows": rows, **rules},
    }  # fmt: skip
    return document("Model", name, spec)


def view(rows: list[dict[str, Any]], **rules: Any) -> RulesView:
    found = bundle(LOGIC, table("t", rows, **rules)).models["", "t"].rules
    assert found is not None
    return found


def problems(*documents: str) -> list[str]:
    found = parse_text("\n---\n".join([*PARTS.values(), *documents]) + "\n", "small.yaml")
    told = [f"{p.path}: {p.message}" for p in [*check_whole(found), *not_yet_executed(found)]]
    try:
        check(found)
    except InvalidDocuments as error:
        told += [f"{p.path}: {p.message}" for p in error.problems]
    return told


def test_its_price_is_known_and_zero() -> None:
    of = bundle(EVERYONE, LOGIC, table("t", [{"answer": '"x"'}]), route("r", "t"))
    (step,) = steps(decide(of, call()))
    assert (step.provider_type, step.output_nano_per_million, step.price.input) == (
        "rules",
        "0",
        "0",
    )
    # two units more than nothing: each of a bill's lines is rounded up
    assert step.amount_nano == 2


def test_rows_keep_their_order_and_their_lines() -> None:
    rows = [{"when": 'input.text == "a"', "answer": '"A"'}, {"answer": '{"found": found.x}'}]
    found = view(rows, extract=[{"name": "x", "pattern": "^[0-9]+"}], lookups={"l": {"a": "b"}})
    assert [when is None for when, _ in found.rows] == [False, True]
    assert found.extracts[0].pattern.pattern == "^[0-9]+"
    assert found.lookups == {"l": {"a": "b"}}


@pytest.mark.parametrize(
    ("documents", "wanted"),
    [
        ((LOGIC, document("Model", "m", {"provider": "logic", "contextWindow": 1, "maxOutputTokens": 1})),
         'spec: a model at "logic" needs rules: that is all it has'),
        ((document("Model", "m", {"provider": "p", "contextWindow": 1, "maxOutputTokens": 1,
                                  "rules": {"rows": [{"answer": "1"}]}}),),
         'spec.rules: "p" is no provider of type rules'),
        ((LOGIC, table("m", [{"answer": '"x"'}], extract=[{"name": "x", "pattern": "^(a|b)+"}])),
         'spec.rules.extract[0].pattern: the regular expression may not have "(" here: no groups'),
        ((LOGIC, table("m", [{"when": "1", "answer": '"x"'}])), "spec.rules.rows[0].when: must be a bool, not int"),
        ((LOGIC, table("m", [{"answer": "team.name"}])),
         'spec.rules.rows[0].answer: "team.name" cannot be read here'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_place(documents: tuple[str, ...], wanted: str) -> None:
    assert any(wanted in one for one in problems(*documents)), problems(*documents)


def test_extracts_have_names_of_their_own() -> None:
    twice = [{"name": "x", "pattern": "a"}, {"name": "x", "pattern": "b"}]
    with pytest.raises(InvalidDocuments, match="each name stands once in the list"):
        problems(LOGIC, table("m", [{"answer": "1"}], extract=twice))
