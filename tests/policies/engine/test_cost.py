"""What a condition costs is known before it runs, and a bundle whose calls could cost too much is refused at its line."""

# one condition a line

import json

import pytest

from policies.documents.limits import CONDITION_COST, DECISION_COST, TABLE_COST
from policies.documents.parse import parse_text
from policies.documents.problems import InvalidDocuments
from policies.engine.check import check, check_text
from policies.engine.cost import cost_of
from policies.engine.forms import Form
from policies.engine.wire import read
from tests.policies.engine.small import PARTS, document, model, permission, route


def cost(condition: str, place: str = "call", result: str = "bool") -> int:
    found = check_text(place, result, condition)
    assert isinstance(found, Form), found
    return cost_of(read(found.checked))


@pytest.mark.parametrize(
    ("condition", "units"),
    [
        ("true", 0),
        ("request.stream", 1),
        # read it, compare one character at most
        ("tenant.region == 'e'", 1 + 1 + 1),
        ("tenant.region == team.name", 1 + 1 + 1 + (1 + 512 // 64)),
        ("run.calls + 1 > 3", 1 + (1 + 1 + 1) + (1 + 1)),
        # two of 3, the operator, and both again to find the line
        ("tenant.region == 'e' && team.name == 'f'", 3 + 3 + 1 + 3 + 3),
        # the list is read, and of each of its 128 words: go on, read it, compare, keep the answer so far
        ("request.tools.exists(t, t == 'a')", 1 + 1 + 128 * (1 + (1 + 1 + 1) + 1 + 1)),
        ("'a' in request.tools", 1 + 1 + 128 * (1 + 1)),
        ("team.name.matches('^a')", 1 + 1 + 512 // 8),
        ("request.labels['a'] == 'b'", 1 + 1 + 1 + 1),
    ],
)
def test_a_condition_costs(condition: str, units: int) -> None:
    assert cost(condition) == units


def test_an_answer_counts_as_large_as_it_may_be_and_its_inner_lists_once() -> None:
    one = cost("output.json.items.exists(i, i.a > 1)", "response")
    inner = cost("output.json.items.exists(i, i.tags.exists(t, t > 1))", "response")
    assert one == 57_347
    # all inner lists together have no more values than the answer
    assert inner < 2 * one


@pytest.mark.parametrize(
    "condition",
    [
        "output.json.all(i, output.json.all(j, i != j))",
        # the part that an inner comprehension goes through may be nearly all of the answer, and so may be compared with itself
        "output.json.all(i, i.all(j, i == i))",
        "output.json.map(i, i)[0].all(j, output.json.a == output.json.b)",
        "output.json.map(i, output.json.size()).all(j, output.json.a == output.json.b)",
    ],
)
def test_what_is_quadratic_in_an_answer_is_refused(condition: str) -> None:
    found = check_text("response", "bool", condition)
    assert not isinstance(found, Form)
    assert f"units, at most {CONDITION_COST.most:,}" in found[0].message


def too_much(*documents: str) -> list[str]:
    text = "\n---\n".join([*PARTS.values(), *documents]) + "\n"
    with pytest.raises(InvalidDocuments) as caught:
        check(parse_text(text, "a.yaml"))
    return [str(p) for p in caught.value.problems]


DEAR = "request.tools.exists(t, request.dataClasses.exists(c, c + 'x' == t))"


def rules(count: int, on: str, tenant: str = "") -> list[str]:
    return [
        permission(f"r{n}", tenant=tenant, effect="forbid", on=on, when=DEAR) for n in range(count)
    ]


def test_rules_of_a_bundle_that_cost_too_much_together_are_refused_at_the_dearest() -> None:
    one = cost(DEAR)
    assert one == 197_250
    (line,) = too_much(*rules(6, "call"))
    assert line == (
        "a.yaml:11:123 spec.when: the conditions that a call may need may cost "
        f"{6 * one:,} units in all, at most {DECISION_COST.most:,}; this one adds most"
    )
    assert check(parse_text("\n---\n".join([*PARTS.values(), *rules(5, "call")]), "a.yaml"))


def test_a_rule_on_models_counts_for_each_model_of_the_longest_route() -> None:
    three = [model("m1"), model("m2"), model("m3"), route("r", "m1", "m2", "m3")]
    (line,) = too_much(*three, *rules(2, "model"))
    assert f"may cost {6 * cost(DEAR, 'model'):,} units in all" in line
    assert check(parse_text("\n---\n".join([*PARTS.values(), *three, *rules(1, "model")])))


def test_each_tenant_counts_for_itself() -> None:
    mine, yours = rules(5, "call", "a"), rules(5, "call", "b")
    assert check(parse_text("\n---\n".join([*PARTS.values(), *mine, *yours])))
    (line,) = too_much(*rules(6, "call", "a"), *yours)
    assert 'a call of tenant "a" may need' in line


def test_a_table_of_rules_has_a_bound_of_its_own() -> None:
    row = {"when": "input.text.contains('a') && input.text.contains('b')", "answer": "'x'"}
    one = cost(row["when"], "rules")
    provider = document("Provider", "table", {"type": "rules"})

    def table(count: int) -> str:
        spec = {"provider": "table", "contextWindow": 10, "maxOutputTokens": 10}
        return document("Model", "t", spec | {"rules": {"rows": [row] * count}})

    most = TABLE_COST.most // one
    (line,) = too_much(provider, table(most + 1))
    assert f'the rules of "t" may cost {(most + 1) * one:,} units in all' in line
    assert check(parse_text("\n---\n".join([*PARTS.values(), provider, table(most)])))


def test_a_list_written_in_a_condition_has_an_end() -> None:
    written = json.dumps([str(n) for n in range(257)])
    (problem, *_) = check_text("call", "bool", f"team.name == 'a' ||\n  team.name in {written}")  # type: ignore[misc]  # problems
    assert (problem.line, problem.message) == (2, "writes a list of 257 items, at most 256")
