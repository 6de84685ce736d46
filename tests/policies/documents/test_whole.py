"""What must hold between documents: references, one Organisation, nothing that is not executed."""

# ruff: noqa: E501  # one case a line reads better than a short one

from policies.documents.parse import parse_text
from policies.documents.whole import check_whole, not_yet_executed

BASE = """\
apiVersion: mandate/v1
kind: Organisation
metadata: {name: acme}
spec: {currency: EUR}
---
apiVersion: mandate/v1
kind: Tenant
metadata: {name: insurance}
spec: {teams: [claims]}
---
apiVersion: mandate/v1
kind: Tenant
metadata: {name: retail}
spec: {teams: [support]}
---
apiVersion: mandate/v1
kind: Provider
metadata: {name: llama}
spec: {type: sandbox}
"""


def document(kind: str, name: str, spec: str, tenant: str = "") -> str:
    whose = f", tenant: {tenant}" if tenant else ""
    return f"---\napiVersion: mandate/v1\nkind: {kind}\nmetadata: {{name: {name}{whose}}}\nspec: {spec}\n"


def model(name: str, tenant: str = "", more: str = "", provider: str = "llama") -> str:
    spec = f"{{provider: {provider}, contextWindow: 8, maxOutputTokens: 8{more}}}"
    return document("Model", name, spec, tenant)


def told(extra: str) -> list[str]:
    return [
        f"{p.line}:{p.column} {p.path}: {p.message}" for p in check_whole(parse_text(BASE + extra))
    ]


def test_a_reference_resolves_in_its_own_tenant_first_and_then_in_the_organisation() -> None:
    assert (
        told(
            model("small")
            + document("Budget", "b", '{scope: {model: small}, period: day, limit: "1"}', "retail")
        )
        == []
    )
    assert (
        told(
            model("own", "retail")
            + document("Budget", "b", '{scope: {model: own}, period: day, limit: "1"}', "retail")
        )
        == []
    )


def test_another_tenants_document_is_as_if_it_did_not_exist() -> None:
    extra = model("own", "retail") + document(
        "Budget", "b", '{scope: {model: own}, period: day, limit: "1"}', "insurance"
    )
    assert told(extra) == ['29:23 spec.scope.model: there is no Model "own"']
    organisation = model("own", "retail") + document(
        "Budget", "b", '{scope: {model: own}, period: day, limit: "1"}'
    )
    assert told(organisation) == ['29:23 spec.scope.model: there is no Model "own"']


def test_a_dangling_reference_names_the_nearest() -> None:
    assert told(model("small", provider="lama")) == [
        '24:18 spec.provider: there is no Provider "lama"; did you mean "llama"?'
    ]


def test_a_document_of_a_tenant_that_does_not_exist() -> None:
    assert told(model("small", "retial")) == [
        '23:25 metadata.tenant: there is no Tenant "retial"; did you mean "retail"?'
    ]


def test_a_team_belongs_to_the_tenant_that_is_named() -> None:
    budget = '{scope: {tenant: %s, team: claims}, period: day, limit: "1"}'
    assert told(document("Budget", "b", budget % "insurance")) == []
    assert told(document("Budget", "b", budget % "retail")) == [
        '24:38 spec.scope.team: there is no team "claims"'
    ]


def test_exactly_one_organisation() -> None:
    second = document("Organisation", "other", "{currency: EUR}")
    assert told(second) == [
        '23:12 metadata.name: a second Organisation; the first is "acme" at <text>:1'
    ]
    alone = check_whole(parse_text(document("Tenant", "t", "{}")))
    assert [p.message for p in alone] == ["there is no Organisation; a bundle has exactly one"]


def test_a_data_class_must_be_one_of_the_organisation() -> None:
    assert told(model("small", more=", clearance: [personel]")) == [
        '24:75 spec.clearance[0]: "personel" is not a data class of the organisation; did you mean "personal"?'
    ]


def test_what_has_no_executor_is_named() -> None:
    texts = (
        document("Provider", "p", "{type: gemini}")
        + document("Permission", "r", "{effect: permit, on: data}")
        + document("Permission", "o", "{effect: permit, on: call, obligations: {redact: [card], stripTools: [], hold: ''}}")
        + document("Route", "c", "{useCase: u, strategy: {type: human, queue: q}, validators: [v]}")
    )  # fmt: skip
    assert [(p.line, p.message) for p in not_yet_executed(parse_text(BASE + texts))] == [
        (24, 'not yet executed: the provider type "gemini"'),
        (29, 'not yet executed: a permission on "data"'),
        (39, 'not yet executed: the strategy "human"'),
    ]


def test_what_is_executed_is_not_named() -> None:
    assert not_yet_executed(parse_text(BASE + model("small", more=", prices: [{from: 2026-01-01, currency: EUR, inputPerMillion: '1', outputPerMillion: '1', tiers: []}]"))) == []  # fmt: skip
