"""`$(name)`: only in scalar values, with their types, and every error at its line in the file as it lies there."""

import pytest

from policies.documents.parse import parse_text
from policies.documents.problems import InvalidDocuments, Problem
from policies.folders.values import Values, escaped, fill, read_values

VALUES = """\
limit: "25000.00"     # in euro
hard: true
share: 0.85
count: 600
host: models.eu.example
quote: it's "so"
"""


def values() -> Values:
    return read_values(VALUES, "prod.yaml")


def wrong(content: str, found: Values | None) -> list[tuple[int, int, str, str]]:
    with pytest.raises(InvalidDocuments) as raised:
        fill(content, "a.yaml", found)
    return [(p.line, p.column, p.path, p.message) for p in raised.value.problems]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a: $(limit)", "a: '25000.00'"),
        ("a: $(hard)", "a: true"),
        ("a: {b: $(count), c: [$(share)]}", "a: {b: 600, c: [0.85]}"),
        ("a: https://$(host)/v1", "a: 'https://models.eu.example/v1'"),
        ("a: '$(quote)'", "a: 'it''s \"so\"'"),
        ('a: "$(quote)"', 'a: "it\'s \\"so\\""'),
        ("a: |\n  on $(host)\n", "a: |\n  on models.eu.example\n"),
        ("a: $(count)0", "a: '6000'"),
        ("a: '$(count)'", "a: '600'"),
        ("a: cost $$(limit)", "a: cost $(limit)"),
        ("a: ^x$(y|z)", "a: ^x$(y|z)"),
        ("a: 1   # not $(here)", "a: 1   # not $(here)"),
    ],
)
def test_a_value_stands_where_it_is_named(written: str, meant: str) -> None:
    assert fill(written, "a.yaml", values()).content == meant


def test_a_text_is_never_read_as_another_type() -> None:
    found = read_values("x: 'on'\ny: '12'\nz: 'a: b'\n", "v.yaml")
    filled = fill("a: $(x)\nb: $(y)\nc: $(z)\n", "a.yaml", found)
    assert filled.content == "a: 'on'\nb: '12'\nc: 'a: b'\n"
    assert found.unused() == []


def test_what_a_document_is_does_not_depend_on_values() -> None:
    text = (
        "apiVersion: mandate/v1\nkind: $(host)\nmetadata: {name: $(host), tenant: x-$(host)}\n"
        "spec: {$(host): 1}\n"
    )
    assert wrong(text, values()) == [
        (2, 7, "kind", "a placeholder may not stand in kind"),
        (3, 18, "metadata.name", "a placeholder may not stand in metadata.name"),
        (3, 35, "metadata.tenant", "a placeholder may not stand in metadata.tenant"),
        (4, 8, "spec.$(host)", "a placeholder may not stand in a key"),
    ]


def test_an_unknown_name_an_unused_value_and_no_values_are_errors() -> None:
    assert wrong("a: 1\nb: $(limits)\n", values()) == [
        (2, 4, "b", 'there is no value "limits"; did you mean "limit"?')
    ]
    assert wrong("a: $(limit)\n", None) == [
        (1, 4, "a", '"$(limit)" needs a value: say --values FILE, or write $$( for a literal $(')
    ]
    found = values()
    fill("a: $(limit) $(hard)$(share)$(host)", "a.yaml", found)
    assert found.unused() == [
        Problem("prod.yaml", 4, 1, "count", 'no document has "$(count)"'),
        Problem("prod.yaml", 6, 1, "quote", 'no document has "$(quote)"'),
    ]
    assert wrong("a: some $(limit)\n  more\n", values()) == [
        (1, 4, "a", "put this text in quotes: a placeholder may stand in it then")
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("- a\n", (1, 1, "", "must be one mapping of names to values")),
        ("a: 1\na: 2\n", (2, 1, "a", '"a" is written twice, first in line 1')),
        ("a: [1]\n", (1, 1, "a", "must be text, a number or a boolean")),
        ("a:\n", (1, 1, "a", "must be text, a number or a boolean")),
        ('a: "x\\ny"\n', (1, 1, "a", "must be one line of printable text")),
        ("1a: x\n", (1, 1, "1a", "must be a name of letters, digits, '_' and '-', at most 63")),
    ],
)
def test_a_file_of_values_is_flat(content: str, problem: tuple[int, int, str, str]) -> None:
    with pytest.raises(InvalidDocuments) as raised:
        read_values(content, "v.yaml")
    assert [tuple(p)[1:] for p in raised.value.problems] == [problem]


def test_a_problem_behind_a_value_is_told_where_the_file_has_it() -> None:
    content = "a: {b: '$(host)', c: $(limit), d: 1}\n"
    filled = fill(content, "a.yaml", values())
    for word in ("b:", "c:", "d:"):
        there = Problem("a.yaml", 1, filled.content.index(word) + 1, "", "x")
        assert filled.back(there).column == content.index(word) + 1, word
    inside = Problem("a.yaml", 1, filled.content.index("eu.example") + 1, "", "x")
    assert filled.back(inside).column == content.index("'$(host)'") + 1
    assert filled.back(inside._replace(line=2)).column == inside.column


@pytest.mark.parametrize("text", ["$(x)", "$$(x)", "a $(x) $$(y) $( $z", "$$$(x)", "none"])
def test_what_is_exported_means_itself(text: str) -> None:
    content = f"a: |\n  {text}\n"
    assert fill(escaped(content), "a.yaml", None).content == content


def test_a_filled_document_has_its_types() -> None:
    text = (
        "apiVersion: mandate/v1\nkind: Budget\nmetadata: {name: b}\n"
        "spec:\n  scope: {tenant: t}\n  owner: finn@acme.example\n  period: month\n"
        "  limit: $(limit)\n  hard: $(hard)\n"
    )
    (document,) = parse_text(fill(text, "b.yaml", values()).content, "b.yaml")
    assert (document.spec["limit"], document.spec["hard"]) == ("25000.00", True)
