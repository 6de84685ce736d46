"""No text is too large to be refused quickly, at its place."""

import json
from pathlib import Path

import pytest

from policies.documents import limits
from policies.documents.limits import DOCUMENT_BYTES, ITEMS, NODES, PROBLEMS, WORDS, Limit
from policies.documents.parse import parse_folder, parse_text
from policies.documents.problems import InvalidDocuments, did_you_mean
from policies.documents.whole import check_whole

HEAD = "apiVersion: mandate/v1\nkind: {}\nmetadata: {{name: x}}\nspec:\n"
TENANT = HEAD.format("Tenant")


def told(text: str) -> list[str]:
    with pytest.raises(InvalidDocuments) as caught:
        parse_text(text, "a.yaml")
    return [str(p) for p in caught.value.problems]


def test_lists_and_mappings_have_an_end() -> None:
    teams = json.dumps([f"t{n}" for n in range(ITEMS.most + 1)])
    assert told(f"{TENANT}  teams: {teams}\n") == [
        "a.yaml:5:10 spec.teams: has 2,001 items, at most 2,000"
    ]
    labels = json.dumps({f"l{n}": "x" for n in range(ITEMS.most + 1)})
    assert told(f"{TENANT}  {{}}\n".replace("{name: x}", f"{{name: x, labels: {labels}}}"))[0] == (
        "a.yaml:3:29 metadata.labels: has 2,001 items, at most 2,000"
    )
    (most,) = parse_text(f"{TENANT}  teams: {json.dumps([f't{n}' for n in range(ITEMS.most)])}\n")
    assert len(most.spec["teams"]) == 2_000


def test_what_conditions_read_is_short() -> None:
    regions = json.dumps([f"r{n}" for n in range(WORDS.most + 1)])
    spec = f"  provider: p\n  contextWindow: 1\n  maxOutputTokens: 1\n  regions: {regions}\n"
    assert told(HEAD.format("Model") + spec) == [
        "a.yaml:8:12 spec.regions: has 129 items, at most 128"
    ]


def test_a_document_has_a_size() -> None:
    long = f"{TENANT}  displayName: x\n# {'é' * (DOCUMENT_BYTES.most // 2)}\n  region: eu\n"
    assert told(long)[0].startswith("a.yaml:1:1 a document of 262,")
    assert told(long)[0].endswith("bytes; at most 262,144")


def test_a_text_has_so_many_values_and_levels_and_nothing_is_built_before() -> None:
    assert told("[" + "a," * (NODES.most + 1) + "]") == [
        "a.yaml:1:400000 more than 200,000 values in one text"
    ]
    assert told("[" * 100_000) == ["a.yaml:1:33 more than 32 levels deep"]


def test_only_so_many_problems_are_told() -> None:
    wrong = "\n---\n".join([f"{TENANT}  reggion: eu\n"] * (PROBLEMS.most + 5))
    lines = told(wrong)
    assert len(lines) == PROBLEMS.most + 1
    assert "more than 200 problems; mend these first" in lines[-1]


def test_a_number_of_many_digits_is_text() -> None:
    validator = HEAD.format("Validator") + "  type: x\n  config: {a: " + "9" * 5_000 + "}\n"
    (document,) = parse_text(validator)
    assert document.spec["config"]["a"] == "9" * 5_000


def test_a_folder_has_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").write_text(f"{TENANT}  region: eu\n")
    (tmp_path / "b.yaml").write_text(f"{TENANT}  region: eu\n".replace("name: x", "name: y"))
    assert len(parse_folder(tmp_path)) == 2
    monkeypatch.setattr("policies.documents.parse.FOLDER_BYTES", Limit("", 100, ""))
    with pytest.raises(InvalidDocuments, match="is larger than 100 bytes"):
        parse_folder(tmp_path)
    monkeypatch.setattr("policies.documents.parse.FILE_BYTES", Limit("", 10, ""))
    with pytest.raises(InvalidDocuments, match=r"a.yaml:1:1 is larger than 10 bytes"):
        parse_folder(tmp_path)


def test_a_bundle_has_so_many_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = parse_text(f"{TENANT}  region: eu\n")
    monkeypatch.setattr("policies.documents.whole.DOCUMENTS", Limit("", 0, ""))
    assert [p.message for p in check_whole(documents)] == ["has 1 documents, at most 0"]


def test_a_near_word_is_looked_for_among_words_of_a_usual_length() -> None:
    assert did_you_mean("regin", ["region"]) == '; did you mean "region"?'
    assert did_you_mean("r" * 101, ["r" * 101]) == ""


def test_every_limit_is_in_the_table() -> None:
    table = limits.reference()
    named = {name for name, value in vars(limits).items() if isinstance(value, Limit)}
    assert len(named) == len(limits.ALL) == table.count("\n") - 2
    assert "| cost of one condition | 200,000 |" in table
