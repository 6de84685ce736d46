"""YAML to documents: what is refused, and where."""

# ruff: noqa: E501  # one case a line reads better than a short one

from pathlib import Path

import pytest

from policies.documents.parse import document_from_body, parse_folder, parse_text
from policies.documents.problems import InvalidDocuments

GRANT = """\
apiVersion: mandate/v1
kind: RoleGrant
metadata: {name: cleo}
spec: {member: cleo@acme.example, roles: [author]}
"""


def told(text: str) -> list[str]:
    with pytest.raises(InvalidDocuments) as caught:
        parse_text(text, "a.yaml")
    return [str(p) for p in caught.value.problems]


def spec(kind: str, body: str) -> str:
    return f"apiVersion: mandate/v1\nkind: {kind}\nmetadata: {{name: x}}\nspec:\n{body}"


def test_a_document_is_its_identity_and_its_canonical_body() -> None:
    (document,) = parse_text(GRANT)
    assert document.identity == ("RoleGrant", "", "cleo")
    assert document.body == {
        "apiVersion": "mandate/v1",
        "kind": "RoleGrant",
        "metadata": {"name": "cleo"},
        "spec": {"member": "cleo@acme.example", "roles": ["author"]},
    }


def test_several_documents_in_one_text_know_where_they_stand() -> None:
    text = "# people\n" + GRANT + "---\n# the second\n" + GRANT.replace("cleo}", "ada}") + "---\n"
    first, second = parse_text(text, "people.yaml")
    assert (first.first_line, second.first_line) == (2, 8)
    assert second.name == "ada"
    assert second.source == GRANT.replace("cleo}", "ada}")
    assert second.position("spec.roles[0]") == (11, 43)
    # a part that was not written stands where the nearest part above it does
    assert second.position("spec.member.domain") == (11, 8)


def test_a_text_that_stands_further_down_in_its_file() -> None:
    (document,) = parse_text(GRANT, "people.yaml", first_line=41)
    assert document.position("spec.member").line == 44


def test_core_schema_words_stay_text() -> None:
    text = spec(
        "Tenant",
        "  displayName: no\n  region: on\n  costCentre: 2026-01-01\n  teams: [yes, off, y]\n",
    )
    (document,) = parse_text(text)
    assert document.spec == {
        "displayName": "no",
        "region": "on",
        "costCentre": "2026-01-01",
        "teams": ["yes", "off", "y"],
    }


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("kind: RoleGrant\n", 'a.yaml:1:1 apiVersion: apiVersion must be "mandate/v1"'),
        (GRANT.replace("RoleGrant", "RoleGrand"), 'a.yaml:2:7 kind: kind "RoleGrand" is not known; did you mean "RoleGrant"?'),
        (GRANT.replace("member", "meber"), 'a.yaml:4:8 spec.meber: unknown field "meber"; did you mean "member"?'),
        (GRANT.replace("{name: cleo}", "{name: cleo, name: ada}"), 'a.yaml:3:24 metadata.name: "name" is written twice, first in line 3'),
        (GRANT.replace("[author]", "[autor]"), 'did you mean "author"?'),
        (GRANT.replace("[author]", "[author, author]"), 'a.yaml:4:51 spec.roles[1]: "author" is in the list twice'),
        (GRANT.replace("[author]", "[]"), "a.yaml:4:42 spec.roles: needs at least 1"),
        (GRANT.replace("[author]", "author"), "a.yaml:4:42 spec.roles: must be a list, not text ('author')"),
        (GRANT.replace("name: cleo", "name: &n cleo"), "a.yaml:3:18 anchors are not allowed: &n"),
        (GRANT.replace("name: cleo", "name: !!str cleo"), 'a.yaml:3:18 tags are not allowed: "tag:yaml.org,2002:str"'),
        (GRANT.replace("name: cleo", "name: 42"), "must be a name of letters, digits, '.', '_' and '-', at most 63, not a whole number ('42'); write \"42\" in quotes"),
        (GRANT.replace("spec:", "specs:"), 'a.yaml:1:1 spec: "spec" is required: a mapping'),
        (GRANT + "---\n" + GRANT, 'a.yaml:8:12 metadata.name: RoleGrant "cleo" is written twice, first at a.yaml:1'),
        ("- a\n", "a.yaml:1:1 a document is a mapping with apiVersion, kind, metadata and spec"),
        ("a: [1\n", "a.yaml:2:1 not YAML: did not find expected ',' or ']'"),
        (GRANT.replace("{name: cleo}", "{name: cleo, 1: 2}"), "a.yaml:3:24 metadata: a key must be text; put it in quotes"),
    ],
)  # fmt: skip
def test_refused_with_its_place(text: str, wanted: str) -> None:
    assert any(wanted in line for line in told(text)), told(text)


def test_an_alias_is_refused() -> None:
    text = GRANT.replace("[author]", "&a [author]") + "---\n" + GRANT.replace("[author]", "*a")
    assert told(text) == [
        "a.yaml:4:42 anchors are not allowed: &a",
        "a.yaml:9:42 aliases are not allowed: *a; write the value again",
    ]


def test_every_error_is_reported_at_once() -> None:
    text = spec("Budget", "  scope: {tenent: a}\n  period: weekly\n  limit: 25000.00\n")
    assert told(text) == [
        'a.yaml:5:11 spec.scope.tenent: unknown field "tenent"; did you mean "tenant"?',
        'a.yaml:6:11 spec.period: must be one of day, week, month, quarter, fiscal-year, once, not "weekly"; did you mean "week"?',
        'a.yaml:7:10 spec.limit: must be an amount in quotes like "25000.00", not a number (\'25000.00\'); write "25000.00" in quotes',
    ]  # fmt: skip


def test_a_literal_secret_is_refused_and_never_shown() -> None:
    (line,) = told(spec("Provider", "  type: openai\n  credential: sk-live-1234567890\n"))
    assert line == (
        "a.yaml:6:15 spec.credential: must be the name of a secret like secret:openai; a secret itself never stands in a document"
    )


def test_a_number_is_kept_as_text_and_money_is_never_a_float() -> None:
    text = spec(
        "Provider", "  type: sandbox\n  timeouts: {connectSeconds: 2.50, totalSeconds: 60}\n"
    )
    (document,) = parse_text(text)
    assert document.spec["timeouts"] == {"connectSeconds": "2.5", "totalSeconds": "60"}


def test_a_folder_is_read_in_order_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(GRANT.replace("cleo}", "b}"))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.yml").write_text(GRANT.replace("cleo}", "a}"))
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.yaml").write_text("nonsense: [")
    (tmp_path / "readme.md").write_text("nonsense")
    assert [d.name for d in parse_folder(tmp_path)] == ["b", "a"]
    (tmp_path / "c.yaml").write_text(GRANT.replace("cleo}", "a}"))
    with pytest.raises(InvalidDocuments, match="written twice, first at"):
        parse_folder(tmp_path)


def test_a_folder_that_is_none_and_a_file_that_is_not_text(tmp_path: Path) -> None:
    with pytest.raises(InvalidDocuments, match="is not a folder"):
        parse_folder(tmp_path / "none")
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidDocuments, match="cannot be read as UTF-8"):
        parse_folder(tmp_path)


def test_a_body_from_a_form_is_the_same_document() -> None:
    (document,) = parse_text(GRANT)
    assert document_from_body(document.body) == document
    with pytest.raises(InvalidDocuments, match='unknown field "rols"'):
        document_from_body({**document.body, "spec": {"member": "a@b.example", "rols": []}})
    with pytest.raises(InvalidDocuments, match="must be a document with kind"):
        document_from_body({"kind": "Nothing"})
    with pytest.raises(InvalidDocuments, match='apiVersion: must be "mandate/v1"'):
        document_from_body({**document.body, "apiVersion": "mandate/v2"})


def test_deep_and_strange_texts_are_errors_not_crashes() -> None:
    assert "more than 32 levels deep" in told("a: " + "[" * 60 + "]" * 60)[0]
    assert told("a: \x00")[0].startswith("a.yaml:1:")
    assert parse_text("# nothing\n---\n---\n") == []
