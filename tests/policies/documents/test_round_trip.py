"""Whatever a kind can hold survives: JSON to YAML and back, alone and in a file, and the digest stays."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import rfc8785
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from policies.documents.document import bundle_yaml, to_yaml
from policies.documents.fields import (
    NAME,
    Choice,
    Day,
    Field,
    Flag,
    Free,
    Money,
    Number,
    Ref,
    Secret,
    Whole,
    Words,
)
from policies.documents.groups import Either, Group, ListOf, MapOf, OneOf
from policies.documents.identity import Rates, Zone
from policies.documents.kind import metadata
from policies.documents.kinds import KINDS
from policies.documents.parse import document_from_body, parse_text
from policies.documents.problems import InvalidDocuments

NAMES = st.from_regex(NAME, fullmatch=True)
DAYS = st.dates().map(lambda d: d.isoformat())
AMOUNTS = st.from_regex(r"[0-9]{1,9}(\.[0-9]{1,9})?", fullmatch=True)
WORDS = st.sampled_from(
    ["no", "on", "~", "null", "0x1f", "1e3", "1.0", ".inf", "2026-01-01", "- a", "a: b", "# a", "'", '"',
     "<<", "=", "!x", "&a", "*a", "%", "@", "`", " a ", "é\u2028", "\ta", "a\n\nb\n", "😀", "|", "---", "..."]
)  # fmt: skip
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-1e15, 1e15, allow_nan=False).filter(lambda f: f != 0)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
    | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | NAMES, inner, max_size=3),
    max_leaves=8,
)


def words(field: Words) -> st.SearchStrategy[Any]:
    plain = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | WORDS
    if field.pattern is None:
        return plain.filter(field.accepts)
    return (st.from_regex(field.pattern, fullmatch=True) | plain).filter(field.accepts)


def number(field: Number) -> st.SearchStrategy[Any]:
    made = st.decimals(field.low, field.high, places=3)
    return made.map(lambda d: format(abs(d).normalize(), "f"))


def whole(field: Whole) -> st.SearchStrategy[Any]:
    return st.integers(field.low, field.high)


def items(field: ListOf) -> st.SearchStrategy[Any]:
    unique = {"unique_by": json.dumps} if field.unique else {}
    return st.lists(values(field.item), min_size=field.least, max_size=3, **unique)  # type: ignore[arg-type]  # by name


def group(fields: Mapping[str, Field]) -> st.SearchStrategy[Any]:
    needed = {k: values(f) for k, f in fields.items() if f.required}
    other = {k: values(f) for k, f in fields.items() if not f.required}
    return st.fixed_dictionaries(needed, optional=other)


def one_of(field: OneOf) -> st.SearchStrategy[Any]:
    chosen = [
        group(fields).map(lambda body, word=word: {field.tag: word, **body})  # type: ignore[misc]  # bound in the loop
        for word, fields in field.groups.items()
    ]
    return st.one_of(chosen)


MAKERS: list[tuple[type[Field], Any]] = [
    (Choice, lambda f: st.sampled_from(f.choices)),
    (Day, lambda _: DAYS),
    (Zone, lambda _: st.sampled_from(["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])),
    (Money, lambda _: AMOUNTS),
    (Secret, lambda _: NAMES.map("secret:{}".format)),
    (Ref, lambda _: NAMES),
    (Words, words),
    (Flag, lambda _: st.booleans()),
    (Whole, whole),
    (Number, number),
    (Free, lambda f: st.dictionaries(WORDS | NAMES, JSON, max_size=3) if f.kind is dict else JSON),
    (ListOf, items),
    (MapOf, lambda f: st.dictionaries(NAMES, values(f.item), max_size=2)),
    (Group, lambda f: group(f.fields)),
    (OneOf, one_of),
    (Either, lambda f: st.one_of(values(f.first), values(f.second))),
    (Rates, lambda _: st.fixed_dictionaries({"from": DAYS}, optional={"USD": AMOUNTS, "GBP": AMOUNTS})),
]  # fmt: skip


def values(field: Field) -> st.SearchStrategy[Any]:
    """Values a field takes, made without asking its reader."""
    return next(maker(field) for kind, maker in MAKERS if isinstance(field, kind))


def bodies(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    written = KINDS[kind]
    return st.builds(
        lambda about, spec: {
            "apiVersion": "mandate/v1",
            "kind": kind,
            "metadata": about,
            "spec": spec,
        },
        group(metadata(tenanted=written.tenanted).fields),
        group(written.fields),
    )


@pytest.mark.parametrize("kind", KINDS)
@settings(
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(st.data())
def test_every_document_survives_yaml(kind: str, data: st.DataObject) -> None:
    body = data.draw(bodies(kind))
    told = set(KINDS[kind].check(body["spec"]))
    text = to_yaml(body)
    if told:
        # what is right field by field is refused for what must hold between fields, and for nothing else
        with pytest.raises(InvalidDocuments) as refused:
            parse_text(text)
        assert {(p.path.removeprefix("spec."), p.message) for p in refused.value.problems} == told
        return
    (document,) = parse_text(text)
    assert document.body == body
    assert rfc8785.dumps(document.body) == rfc8785.dumps(body)
    assert to_yaml(document.body) == text
    assert document_from_body(body).body == body
    assert document.filled() == document_from_body(document.body).filled()


@settings(
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(
    st.lists(
        st.one_of(*(bodies(k) for k in ("Tenant", "RoleGrant", "DataSource", "Tool"))).filter(
            lambda body: not list(KINDS[body["kind"]].check(body["spec"]))
        ),
        min_size=1,
        max_size=5,
    )
)
def test_a_file_of_documents_keeps_each_with_its_own_text_and_place(
    made: list[dict[str, Any]],
) -> None:
    identities = {(b["kind"], b["metadata"].get("tenant", ""), b["metadata"]["name"]) for b in made}
    assume(len(identities) == len(made))
    found = [document_from_body(b) for b in made]
    text = bundle_yaml(found)
    again = parse_text(text, "all.yaml")
    assert [d.body for d in again] == made
    lines = text.splitlines()
    for document in again:
        assert lines[document.first_line - 1] == "apiVersion: mandate/v1"
        (alone,) = parse_text(document.source)
        assert alone.body == document.body


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("-0.000", "0"),
        ("007", "7"),
        ("2.50", "2.5"),
        ("'2.50'", "2.5"),
        ("60.000", "60"),
        ("10", "10"),
        ("0.000000000001", "0.000000000001"),
    ],
)
def test_a_number_has_one_form_however_it_is_written(written: str, kept: str) -> None:
    (document,) = parse_text(
        "apiVersion: mandate/v1\nkind: Route\nmetadata: {name: x}\nspec:\n  useCase: u\n"
        f"  strategy: {{type: single, model: m}}\n  retry: {{backoffSeconds: {written}}}\n"
    )
    assert document.spec["retry"] == {"backoffSeconds": kept}


@pytest.mark.parametrize(
    "written", ["-1", "+1", "1.", ".5", "1e1", "60.001", "0x1", "1_0", "٣", ".inf"]
)
def test_what_is_no_number(written: str) -> None:
    with pytest.raises(InvalidDocuments, match=r"must be a number from 0 to 60"):
        parse_text(
            "apiVersion: mandate/v1\nkind: Route\nmetadata: {name: x}\nspec:\n  useCase: u\n"
            f"  strategy: {{type: single, model: m}}\n  retry: {{backoffSeconds: {written}}}\n"
        )
