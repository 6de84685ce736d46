"""Labels that documents require: given where a key or a default has them, else the call is denied; silent where none is."""

from typing import Any

import msgspec
import pytest

from policies.documents.parse import parse_text
from policies.documents.problems import InvalidDocuments
from policies.engine.bundle import Bundle
from policies.engine.decide import decide
from policies.engine.facts import Facts, KeyFacts, decode, encode
from policies.engine.reads import project
from policies.engine.required import as_sent, completed
from tests.policies.engine.small import (
    EVERYONE,
    VALID,
    budget,
    bundle,
    call,
    document,
    model,
    models,
    names,
    organisation,
    permission,
    refused,
    route,
    steps,
    tenant,
)  # fmt: skip

CASE = {"name": "case"}
KIND = {"name": "kind", "values": ["motor", "home"]}
MISSING = (
    'required-label: the label "case" is required: send it as metadata.case or in x-mandate-labels'
)


def requiring(*labels: dict[str, Any], ours: list[dict[str, Any]] | None = None) -> Bundle:
    """What the tenant requires, and what the organisation does."""
    parts = {"a": tenant("a", requiredLabels=list(labels))}
    if ours is not None:
        parts["organisation"] = organisation(requiredLabels=ours)
    return bundle(EVERYONE, model("m1"), route("r", "m1"), **parts)


def sent(key: dict[str, str] | None = None, **labels: str) -> Facts:
    return call({"labels": labels}, key=KeyFacts(id="k1", labels=key or {}))


def facts_under(of: Bundle, facts: Facts) -> Facts:
    """As admission records them."""
    scope = of.scope(facts.tenant)
    asked = completed(facts.request, facts.key, of.required_of(facts.tenant, facts.route))
    asked = project(asked, scope.reads, lambda _, value: value.hex())
    return msgspec.structs.replace(facts, request=asked)


def problems_of(text: str) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDocuments) as told:
        parse_text(text, "x.yaml")
    return [(one.path, one.message) for one in told.value.problems]


def test_a_call_without_it_is_denied_with_how_to_send_it() -> None:
    of = requiring(CASE, KIND)
    both = f'{MISSING}; the label "kind" is required: send it as metadata.kind or in x-mandate-labels; allowed: motor, home'
    assert refused(of, sent()) == both
    assert refused(of, sent(kind="motor")) == MISSING
    assert refused(of, sent(kind="motor", case="")) == MISSING
    assert models(of, sent(kind="motor", case="4711")) == ["m1"]
    denied = decide(of, sent())
    assert names(denied.determining) == ["required-label"]
    assert denied.denial is not None
    assert (denied.denial.rules, denied.denial.owner) == (("required-label",), "cleo@acme.example")


@pytest.mark.parametrize("value", ["Motor", "motor ", "boat", "x" * 81])
def test_another_value_than_those_allowed_is_denied(value: str) -> None:
    shown = value if len(value) <= 80 else "x" * 80 + "…"
    words = f'required-label: the label "kind" is "{shown}"; allowed: motor, home'
    assert refused(requiring(KIND), sent(kind=value)) == words
    # a default is for who sends none: it does not hide what was sent
    assert refused(requiring(KIND | {"default": "home"}), sent(kind=value)) == words


def test_many_values_are_not_all_listed() -> None:
    kinds = [f"k{number}" for number in range(1, 10)]
    words = refused(requiring({"name": "kind", "values": kinds}), sent(kind="x"))
    assert words.endswith("allowed: k1, k2, k3, k4, k5, k6, k7, k8, …")


def test_it_binds_the_tenant_that_requires_it_alone_and_the_organisations_binds_all() -> None:
    there = call(tenant="b")
    assert models(requiring(CASE), there) == ["m1"]
    assert refused(requiring(ours=[CASE]), there) == MISSING
    # what the organisation allows, no tenant widens
    narrow = requiring(KIND, ours=[{"name": "kind", "values": ["home"]}])
    words = 'required-label: the label "kind" is "motor"; allowed: home'
    assert refused(narrow, sent(kind="motor")) == words
    assert models(narrow, sent(kind="home")) == ["m1"]


@pytest.mark.parametrize(
    ("key", "labels", "expected"),
    [
        ({}, {"case": "1"}, "1"),
        ({"case": "2"}, {"case": "1"}, "1"),
        ({"case": "2"}, {}, "2"),
        ({"case": ""}, {}, "3"),
        ({}, {}, "3"),
    ],
)
def test_sent_then_the_keys_then_the_tenants_default_then_the_organisations(
    key: dict[str, str], labels: dict[str, str], expected: str
) -> None:
    of = requiring(CASE | {"default": "3"}, ours=[CASE | {"default": "4"}])
    found = facts_under(of, sent(key, **labels)).request
    assert found.labels == {"case": expected}
    assert found.labels_given == (msgspec.UNSET if labels else ("case",))
    whole = requiring(ours=[CASE | {"default": "4"}])
    given = facts_under(whole, sent(key)).request.labels
    assert given == {"case": key.get("case") or "4"}


def test_what_is_given_is_seen_by_rules_and_budgets_and_stands_in_the_facts() -> None:
    when = 'has(request.labels.case) && request.labels.case == "none"'
    of = bundle(
        EVERYONE, model("m1"), route("r", "m1"),
        permission("no", effect="forbid", when=when), budget("b1", scope={"labels": {"case": "some"}}),
        a=tenant("a", requiredLabels=[CASE | {"default": "none"}]),
        b=tenant("b", requiredLabels=[CASE | {"default": "some"}]),
    )  # fmt: skip
    assert refused(of, sent()) == 'forbidden: the rule "no" forbids it'
    (step,) = steps(decide(of, call(tenant="b")))
    assert [claim.budget for claim in step.budgets] == ["b1"]
    recorded = encode(facts_under(of, sent()))
    assert b'"labels":{"case":"none"},"labelsCommitted":"","labelsGiven":["case"]' in recorded
    assert decide(of, decode(recorded)) == decide(of, sent())


def test_facts_of_one_bundle_are_decided_under_another_by_what_the_caller_sent() -> None:
    one, other = requiring(CASE | {"default": "1"}), requiring(CASE | {"default": "2"})
    recorded = facts_under(one, sent())
    assert decide(requiring(CASE), recorded).effect == "deny"
    assert completed(recorded.request, recorded.key, other.scope("a").required).labels == {
        "case": "2"
    }
    assert as_sent(recorded.request) == sent().request
    assert completed(recorded.request, recorded.key, one.scope("a").required) == recorded.request
    rule = permission("no", effect="forbid", when='"case" in request.labels')
    assert models(bundle(EVERYONE, model("m1"), route("r", "m1"), rule), recorded) == ["m1"]


def test_where_nothing_is_required_facts_and_scope_are_as_before() -> None:
    of = requiring()
    assert of.scope("a").required == ()
    assert of.required == {}
    facts = sent(case="x")
    assert completed(facts.request, facts.key, ()) is facts.request
    assert b"labelsGiven" not in encode(facts_under(of, facts))


def test_required_labels_are_recorded_in_the_clear_for_whom_they_bind() -> None:
    of = requiring(CASE, ours=[KIND])
    assert of.scope("a").reads.labels == {"case", "kind"}
    assert of.scope("b").reads.labels == {"kind"}


@pytest.mark.parametrize(
    ("kind", "name", "spec"),
    [("Tenant", "a", {}), ("Organisation", "acme", {"currency": "EUR"})],
)
def test_what_is_wrong_in_a_document_is_told_where(
    kind: str, name: str, spec: dict[str, Any]
) -> None:
    labels = [KIND | {"default": "boat"}, KIND, {"name": "user_id"}, {"values": []}]
    wrong = document(kind, name, spec | {"requiredLabels": labels})
    required = "\"name\" is required: a name of letters, digits, '.', '_' and '-', at most 63"
    assert problems_of(wrong) == [("spec.requiredLabels[3].name", required)]
    wrong = document(kind, name, spec | {"requiredLabels": labels[:3]})
    assert problems_of(wrong) == [
        ("spec.requiredLabels[0].default", '"boat" is none of its values'),
        ("spec.requiredLabels[1].name", 'the label "kind" is written twice'),
        ("spec.requiredLabels[2].name", '"user_id" names the end user, it is no label'),
    ]


def of_use_case(*labels: dict[str, Any], ours: dict[str, Any] | None = None) -> Bundle:
    """What the use case `u` of the route `r` requires; the route `other` belongs to a use case without any."""
    about = {
        "owner": "cleo@acme.example",
        "purpose": "x",
        "riskClass": "minimal",
        "validation": VALID,
    }
    return bundle(
        EVERYONE, model("m1"), route("r", "m1"), route("other", "m1", useCase="plain"), document("UseCase", "plain", about),
        u=document("UseCase", "u", {**about, "requiredLabels": list(labels)}),
        a=tenant("a", requiredLabels=[ours] if ours else []),
    )  # fmt: skip


def test_what_a_use_case_requires_binds_the_calls_of_its_routes_alone() -> None:
    of = of_use_case(CASE)
    assert refused(of, sent()) == MISSING
    assert models(of, sent(case="1")) == ["m1"]
    assert models(of, msgspec.structs.replace(sent(), route="other")) == ["m1"]
    assert names(decide(of, sent()).determining) == ["required-label"]
    assert refused(of, call(tenant="b")) == MISSING


def test_it_adds_to_what_the_tenant_requires_and_lifts_nothing_of_it() -> None:
    of = of_use_case(CASE | {"default": "9"}, ours=KIND)
    words = 'required-label: the label "kind" is required: send it as metadata.kind or in x-mandate-labels; allowed: motor, home'
    assert refused(of, sent()) == words
    assert models(of, sent(kind="home")) == ["m1"]
    wider = of_use_case({"name": "kind", "values": ["motor", "boat"]}, ours=KIND)
    assert (
        refused(wider, sent(kind="boat"))
        == 'required-label: the label "kind" is "boat"; allowed: motor, home'
    )
    assert models(wider, sent(kind="motor")) == ["m1"]


def test_its_default_counts_before_the_tenants_and_stands_in_the_clear_in_the_facts() -> None:
    of = of_use_case(CASE | {"default": "narrow"}, ours=CASE | {"default": "wide"})
    facts = facts_under(of, sent())
    assert (facts.request.labels, facts.request.labels_given) == ({"case": "narrow"}, ("case",))
    elsewhere = facts_under(of, msgspec.structs.replace(sent(), route="other"))
    assert elsewhere.request.labels == {"case": "wide"}
    assert decide(of, decode(encode(facts))) == decide(of, sent())


def test_each_stands_once_in_a_use_case() -> None:
    text = document(
        "UseCase",
        "u",
        {"owner": "a", "purpose": "x", "riskClass": "minimal", "requiredLabels": [CASE, CASE]},
    )
    assert problems_of(text) == [
        ("spec.requiredLabels[1].name", 'the label "case" is written twice')
    ]
