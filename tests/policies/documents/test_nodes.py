"""Scalars by YAML 1.2's core schema, the places of a condition's characters, and what names mean across documents."""

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from policies.documents.nodes import Position, Text, is_plain_text, plain_value
from policies.documents.parse import parse_text
from policies.documents.problems import did_you_mean
from policies.documents.spans import position_in, spans_of
from policies.documents.whole import check_whole, not_yet_executed, resolve

# ruff: noqa: E501  # one case a line reads better than a short one


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None), ("nULL", "nULL"), ("None", "None"),
        ("true", True), ("True", True), ("TRUE", True), ("tRUE", "tRUE"), ("false", False), ("FALSE", False),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("Off", "Off"), ("y", "y"),
        ("0", 0), ("-7", -7), ("+7", 7), ("007", 7), ("0o17", 15), ("0x1F", 31), ("0o18", "0o18"), ("0b1", "0b1"), ("1_000", "1_000"), ("-0x1", "-0x1"),
        ("1.", 1.0), (".5", 0.5), ("-1.5e3", -1500.0), ("1e3", 1000.0), ("1E-2", 0.01), (".", "."), ("e3", "e3"), ("1e", "1e"),
        (".inf", ".inf"), (".nan", ".nan"), ("2026-11-01", "2026-11-01"), ("12:30:45", "12:30:45"), ("٣", "٣"), ("9" * 400, "9" * 400),
    ],
)  # fmt: skip
def test_what_a_plain_scalar_means(word: str, value: Any) -> None:
    got = plain_value(word)
    assert (type(got), got) == (type(value), value)


@given(st.text(st.sampled_from("0123456789+-.eExXoOabfnultrsyNUL~_ "), max_size=8))
def test_what_is_written_plain_is_read_as_the_same_text(word: str) -> None:
    if is_plain_text(word):
        assert plain_value(word) == word
    else:
        got = plain_value(word)
        assert not isinstance(got, str) or word.lstrip("+-").lower() in (".inf", ".nan")
        assert not isinstance(got, float) or not math.isnan(got)


def placed(yaml_text: str) -> list[tuple[str, Position]]:
    """Each character of the value of `a`, with the place that is claimed for it."""
    text = Text("a.yaml", yaml_text)
    (document,) = yaml.compose_all(yaml_text, Loader=yaml.CSafeLoader)
    ((_, node),) = document.value
    spans = spans_of(text, node)
    return [(c, position_in(spans, i)) for i, c in enumerate(node.value)]


@pytest.mark.parametrize(
    "text",
    [
        "a: run.calls > 1 || stream\n",
        "a:   'it''s ''so'' here'\n",
        'a: "tab\\tquote\\" back\\\\ \\u00e9 \\x41 \\U0001F98A end"\n',
        'a: "one\n   two\n\n   three"\n',
        "a: 'one\n   two'\n",
        "a: one\n   two\n   three\n",
        "a: |\n  one && two\n    || three\n\n  four\n",
        "a: >-\n  one\n  two\n\n  three\n",
        "a: |2\n   indented\n  less\n",
        "# a comment\n\na: |+\n  kept\n\n",
    ],
    ids=["plain", "single", "escapes", "double-folded", "single-folded", "plain-folded", "literal", "folded", "indented", "kept"],
)  # fmt: skip
def test_every_visible_character_of_a_scalar_stands_where_it_was_written(text: str) -> None:
    lines = text.splitlines()
    escaped = {"\t": "\\", "é": "\\", "A": "\\", "🦊": "\\"}
    for character, (line, column) in placed(text):
        if character.isspace() and character != "\t":
            continue
        found = lines[line - 1][column - 1]
        assert (
            found == character
            or found == escaped.get(character)
            or (found == "\\" and character in '"\\')
        ), (character, line, column)


@given(
    st.text(
        st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="'"),
        min_size=1,
        max_size=20,
    )
)
def test_a_quoted_text_stands_character_by_character(word: str) -> None:
    assert placed(f"a: '{word}'\n") == [(c, Position(1, 5 + i)) for i, c in enumerate(word)]


@pytest.mark.parametrize(
    ("word", "known", "hint"),
    [
        ("regon", ["region", "name"], '; did you mean "region"?'),
        ("xyz", ["region", "name"], ""),
        ("nane", ["name", "game"], '; did you mean "name"?'),
        ("x", [], ""),
    ],
)
def test_the_nearest_known_word(word: str, known: list[str], hint: str) -> None:
    assert did_you_mean(word, known) == hint


def test_a_name_means_the_own_tenants_document_then_the_organisations_and_no_others() -> None:
    index = {
        ("Model", "", "m"): 1,
        ("Model", "a", "m"): 2,
        ("Model", "b", "n"): 3,
        ("Route", "", "n"): 4,
    }
    assert resolve(index, "Model", "a", "m") == ("Model", "a", "m")
    assert resolve(index, "Model", "b", "m") == ("Model", "", "m")
    assert resolve(index, "Model", "", "m") == ("Model", "", "m")
    assert resolve(index, "Model", "a", "n") is None
    assert resolve(index, "Model", "", "n") is None


BASE = """\
apiVersion: mandate/v1
kind: Organisation
metadata: {name: acme}
spec: {currency: EUR}
---
apiVersion: mandate/v1
kind: Tenant
metadata: {name: a}
spec: {teams: [claims]}
---
apiVersion: mandate/v1
kind: %s
metadata: {name: x}
spec: %s
"""


def marked(kind: str, spec: str) -> tuple[str, Position]:
    """The text without its mark `^`, and where the mark stood."""
    text = BASE % (kind, spec)
    before = text[: text.index("^")]
    line = before.count("\n") + 1
    return text.replace("^", "", 1), Position(line, len(before) - before.rfind("\n"))


# `^` stands before what is named
DANGLING = [
    ("Model", "{provider: ^none, contextWindow: 8, maxOutputTokens: 8}", "Provider", "spec.provider"),
    ("Model", "{contextWindow: 8, maxOutputTokens: 8, lifecycle: {replacement: ^none}, provider: none}", "Model", "spec.lifecycle.replacement"),
    ("Permission", "{effect: permit, on: call, obligations: {hold: ^none}}", "ReviewQueue", "spec.obligations.hold"),
    ("Route", "{useCase: ^none, strategy: {type: human, queue: none}}", "UseCase", "spec.useCase"),
    ("Route", "{useCase: none, strategy: {type: single, model: ^none}}", "Model", "spec.strategy.model"),
    ("Route", "{useCase: none, strategy: {type: fallback, models: [^none]}}", "Model", "spec.strategy.models[0]"),
    ("Route", "{useCase: none, strategy: {type: weighted, models: [{model: ^none, weight: 1}]}}", "Model", "spec.strategy.models[0].model"),
    ("Route", "{useCase: none, strategy: {type: single, model: none}, validators: [^none]}", "Validator", "spec.validators[0]"),
    ("Route", "{useCase: none, strategy: {type: single, model: none}, canary: {model: ^none, percent: 1}}", "Model", "spec.canary.model"),
    ("Route", "{useCase: none, strategy: {type: single, model: none}, shadow: {models: [^none], percent: 1}}", "Model", "spec.shadow.models[0]"),
    ("Route", "{useCase: none, strategy: {type: cascade, tiers: [{models: [none]}], otherwise: {escalate: ^none}}}", "ReviewQueue", "spec.strategy.otherwise.escalate"),
    ("Budget", "{period: day, limit: '1', scope: {tenant: ^none}}", "Tenant", "spec.scope.tenant"),
    ("Budget", "{period: day, limit: '1', scope: {team: ^none}}", "team", "spec.scope.team"),
    ("Budget", "{period: day, limit: '1', scope: {useCase: ^none}}", "UseCase", "spec.scope.useCase"),
    ("Exception", "{permission: ^none, reason: x, expiresOn: 2026-12-31}", "Permission", "spec.permission"),
    ("EscalationRule", "{stage: request, when: 'true', queue: ^none}", "ReviewQueue", "spec.queue"),
    ("ReviewQueue", "{reviewers: ['role:reviewer'], onOverdue: escalate, escalateTo: ^none}", "ReviewQueue", "spec.escalateTo"),
    ("PolicyTest", "{given: {tenant: ^none, route: r}, expect: {}}", "Tenant", "spec.given.tenant"),
    ("PolicyTest", "{given: {tenant: a, team: ^none, route: r}, expect: {}}", "team", "spec.given.team"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "spec", "to", "path"), DANGLING, ids=lambda v: str(v)[:30])
def test_every_reference_must_lead_somewhere(kind: str, spec: str, to: str, path: str) -> None:
    text, place = marked(kind, spec)
    told = {(p.line, p.column, p.path, p.message) for p in check_whole(parse_text(text))}
    assert (*place, path, f'there is no {to} "none"') in told


NOT_YET = [

    ("Validator", "{^type: x}", 'the validator type "x"'),
    ("Validator", "{type: cel, when: 'true', ^config: {a: 1}}", '"config"'),
    ("RateLimit", "{concurrent: 1, scope: {^model: m}}", "a rate limit of a model"),
    ("RateLimit", "{concurrent: 1, scope: {^provider: p}}", "a rate limit of a provider"),
    *(("Provider", f"{{^type: {t}, baseUrl: 'https://x.example'}}", f'the provider type "{t}"') for t in ("azure-openai", "gemini")),
    ("Permission", "{effect: permit, on: tool, obligations: {hold: q, ^redact: [card]}}", 'redact on a permission on "tool"'),
    ("Permission", "{effect: permit, ^on: data}", 'a permission on "data"'),
    *(("Route", f"{{useCase: u, strategy: {s}}}", f'the strategy "{s[8:].split(",")[0]}"') for s in (
        "{^type: human, queue: q}", "{^type: consensus, models: [m], agree: 1}",
    )),
    ("Route", "{useCase: u, strategy: {type: cascade, tiers: [{^strategy: {type: single, model: m}}]}}", "a strategy within a tier"),
    ("Route", "{useCase: u, strategy: {type: cascade, tiers: [{models: [m]}], otherwise: {^strategy: {type: single, model: m}}}}", "another strategy after the last tier"),
    ("Route", "{useCase: u, strategy: {type: single, model: m}, ^tools: [t]}", '"tools"'),
    ("Route", "{useCase: u, strategy: {type: single, model: m}, ^sources: [s]}", '"sources"'),
    ("Route", "{useCase: u, strategy: {type: single, model: m}, confidence: {^method: judge}}", 'confidence by "judge"'),
    ("Route", "{useCase: u, strategy: {type: single, model: m}, ^canary: {model: m, percent: 1}}", '"canary"'),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "spec", "what"), NOT_YET, ids=lambda v: str(v)[:40])
def test_what_is_parsed_but_not_yet_executed_is_named_at_its_place(
    kind: str, spec: str, what: str
) -> None:
    # a whole kind is named at the key `kind`
    text, place = marked(kind, spec) if "^" in spec else (BASE % (kind, spec), Position(12, 1))
    (only,) = not_yet_executed(parse_text(text))
    assert ((only.line, only.column), only.message) == (place, f"not yet executed: {what}")


def test_what_another_tenant_has_is_not_even_suggested() -> None:
    text = BASE % ("Tenant", "{teams: [support]}") + (
        "---\napiVersion: mandate/v1\nkind: Provider\nmetadata: {name: nonesuch, tenant: a}\nspec: {type: sandbox}\n"
        "---\napiVersion: mandate/v1\nkind: Model\nmetadata: {name: m, tenant: x}\nspec: {provider: nonesuc, contextWindow: 8, maxOutputTokens: 8}\n"
    )
    assert [p.message for p in check_whole(parse_text(text))] == ['there is no Provider "nonesuc"']
