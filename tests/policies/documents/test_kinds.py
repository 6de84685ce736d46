"""Each kind: what must hold between its fields, its defaults, its schema, and that it exports as it was written."""

# ruff: noqa: E501  # one case a line reads better than a short one

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.documents.document import bundle_yaml, to_yaml
from policies.documents.kinds import KINDS, json_schema
from policies.documents.parse import document_from_body, parse_text
from policies.documents.problems import InvalidDocuments
from tests.policies.engine.world import documents

ALL_KINDS = """\
Organisation: {currency: EUR, exchangeRates: [{from: 2026-11-01, USD: "0.92"}], approvals: {default: {count: 1, roles: [approver]}, Tenant: {count: 0}}}
RoleGrant: {member: cleo@acme.example, roles: [author]}
Provider: {type: openai, credential: secret:openai, terms: {retention: none, training: no, region: us, contractEndsOn: 2027-12-31}}
Model: {provider: p, contextWindow: 8, maxOutputTokens: 8, prices: [{from: 2026-01-01, currency: USD, inputPerMillion: "0.25", outputPerMillion: "2.00"}]}
Tenant: {teams: [a], fiscalYearStartsOn: 04-01}
UseCase: {owner: o, purpose: p, riskClass: high, validation: {by: a@b.example, on: 2026-01-01, validUntil: 2026-01-01}}
Permission: {effect: permit, on: call, when: "request.labels['a'] == 'b'", obligations: {maxOutputTokens: 4}}
Route: {useCase: u, strategy: {type: cascade, tiers: [{models: [a], accept: confidence.score >= 0.85}, {strategy: {type: consensus, models: [a, b], agree: 2}}], otherwise: {escalate: q}}, confidence: {method: agreement}, retry: {attempts: 2, backoffSeconds: 0.5}, canary: {model: m, percent: 2.5}}
Budget: {scope: {labels: {a: b}}, each: [user], period: month, limit: "25000.00", alerts: [50]}
RateLimit: {scope: {team: a}, requestsPerMinute: 600}
EscalationRule: {stage: response, when: output.json.payout > 10000.0, queue: q}
ReviewQueue: {reviewers: ["role:reviewer", rui@acme.example], onOverdue: escalate, escalateTo: q, sample: {percent: 2}}
Validator: {type: json_schema, schema: {type: object, minimum: 0.5, required: [label]}, onFailure: repair}
Tool: {type: http, risk: read, parameters: {type: object}, credential: secret:policies}
DataSource: {type: http, dataClass: personal, region: eu, maxItems: 20}
Exception: {permission: r, scope: {team: claims}, reason: pilot, expiresOn: 2026-12-31}
PolicyTest: {given: {tenant: t, team: c, route: r, request: {dataClasses: [personal]}}, expect: {effect: permit, modelsNever: [m]}}
Notification: {on: [budget.alert, anomaly], to: {email: finn@acme.example}}
"""
SPECS = dict(line.split(": ", 1) for line in ALL_KINDS.splitlines())


def whole(kind: str, spec: str) -> str:
    return f"apiVersion: mandate/v1\nkind: {kind}\nmetadata: {{name: x}}\nspec: {spec}\n"


def wrong(kind: str, spec: str) -> str:
    with pytest.raises(InvalidDocuments) as caught:
        parse_text(whole(kind, spec), "a.yaml")
    (problem,) = caught.value.problems
    return f"{problem.path}: {problem.message}"


def test_there_is_a_class_for_every_kind() -> None:
    assert set(SPECS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_exports_as_it_was_written(kind: str) -> None:
    (document,) = parse_text(whole(kind, SPECS[kind]))
    text = to_yaml(document.body)
    (again,) = parse_text(text)
    assert again.body == document.body
    assert to_yaml(again.body) == text
    assert document_from_body(json.loads(json.dumps(document.body))).body == document.body


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_closed_schema(kind: str) -> None:
    schema = json_schema(kind)
    assert schema["additionalProperties"] is False
    assert schema["properties"]["kind"] == {"const": kind}
    assert set(schema["properties"]["spec"]["properties"]) == set(KINDS[kind].fields)


def test_a_folder_of_documents_exports_as_one_file() -> None:
    before = documents()
    after = parse_text(bundle_yaml(before))
    assert [d.body for d in after] == [d.body for d in before]


@pytest.mark.parametrize(
    ("kind", "spec", "wanted"),
    [
        ("Organisation", "{currency: EUR, exchangeRates: [{from: 2026-01-01, USD: '0.00'}]}", "spec.exchangeRates[0].USD: a rate must be above zero"),
        ("Organisation", "{currency: EUR, exchangeRates: [{from: 2026-01-01}, {from: 2026-01-01}]}", 'spec.exchangeRates[1].from: rates from "2026-01-01" are written twice'),
        ("Organisation", "{currency: euro}", "spec.currency: must be a currency like EUR, not text ('euro')"),
        ("Organisation", "{currency: EUR, timeZone: Europe/Atlantis}", "spec.timeZone: must be a time zone like Europe/Berlin, not text ('Europe/Atlantis')"),
        ("Provider", "{type: openai-compatible}", 'spec.baseUrl: a provider of type "openai-compatible" needs a baseUrl'),
        ("Model", "{provider: p, contextWindow: 0, maxOutputTokens: 8}", "spec.contextWindow: must be a whole number from 1 to 100000000, not a whole number ('0')"),
        ("UseCase", "{owner: o, purpose: p, riskClass: high, validation: {by: a@b.example, on: 2026-02-01, validUntil: 2026-01-01}}", 'spec.validation.validUntil: ends before it begins on "2026-02-01"'),
        ("UseCase", "{owner: o, purpose: p, riskClass: high, reviewOn: 2026-02-30}", "spec.reviewOn: must be a day like 2026-11-01, not text ('2026-02-30')"),
        ("Permission", "{effect: forbid, on: call, obligations: {maxOutputTokens: 1}}", "spec.obligations: obligations stand on permits; a forbid has none"),
        ("Permission", "{effect: permit, on: call, level: soft}", "spec.level: only a forbid has a level"),
        ("Route", "{useCase: u, strategy: {type: weighted, models: [{model: a, weight: 0}]}}", "spec.strategy.models: at least one weight must be above zero"),
        ("Route", "{useCase: u, strategy: {type: weighted, models: [{model: a, weight: 1}, {model: a, weight: 1}]}}", "spec.strategy.models: each model stands once in the list"),
        ("Route", "{useCase: u, strategy: {type: fallbak, models: [a]}}", 'spec.strategy.type: must be one of single, fallback, weighted, consensus, human, cascade; did you mean "fallback"?'),
        ("Route", "{useCase: u, strategy: {type: single, model: a}, retry: {on: [refused_request]}}", "spec.retry.on[0]: a refused request is refused again; it cannot be retried"),
        ("Route", "{useCase: u, strategy: {type: single, model: a, models: [b]}}", 'spec.strategy.models: unknown field "models"; did you mean "model"?'),
        ("Exception", "{permission: r, budget: b, raiseBy: '1', reason: x, expiresOn: 2026-01-01}", "spec.permission: an Exception names a permission, or a budget with raiseBy"),
        ("Exception", "{budget: b, raiseBy: '1', scope: {team: t}, reason: x, expiresOn: 2026-01-01}", "spec.scope: a budget has one limit for all of its calls; leave the scope out"),
        ("Route", "{useCase: u, strategy: {type: cascade, tiers: [{models: [a], strategy: {type: single, model: a}}]}}", "spec.strategy.tiers[0]: a tier has models, or a strategy of its own"),
        ("Route", "{useCase: u, strategy: {type: cascade, tiers: [{models: [a]}, {models: [b, a]}]}}", 'spec.strategy.tiers[1].models: "a" stands in an earlier tier; each model stands in one'),
        ("Route", "{useCase: u, strategy: {type: cascade, tiers: [{models: [a], accept: confidence.score > 0.5}]}}", "spec.strategy.tiers[0].accept: reads confidence, and the route does not say how it is measured"),
        ("Validator", "{type: json_schema}", 'spec.schema: a Validator of type "json_schema" needs schema'),
        ("Validator", "{type: cel}", 'spec.when: a Validator of type "cel" needs when'),
        ("Validator", "{type: cel, when: 'true', onFailure: escalate}", "spec.queue: onFailure escalate needs a queue"),
        ("Validator", "{type: json_schema, schema: {type: odd}}", "spec.schema: is no JSON Schema: \"odd\" is not valid under any of the schemas listed in the 'anyOf' keyword"),
        ("Validator", "{type: json_schema, schema: {$ref: 'http://127.0.0.1:1/x'}}", "spec.schema: is no JSON Schema: Resource 'http://127.0.0.1:1/x' is not present in a registry and retrieving it failed: Retrieval is disabled, cannot fetch http://127.0.0.1:1/x"),
        ("Validator", "{type: json_schema, schema: {pattern: (?=x)}}", 'spec.schema: is no JSON Schema: "(?=x)" is not a "regex"'),
        ("ReviewQueue", "{reviewers: [rui@acme.example], onOverdue: escalate}", "spec.escalateTo: onOverdue escalate needs escalateTo"),
        ("Budget", "{period: day, limit: '1', onExhausted: escalate}", "spec.escalateTo: onExhausted escalate needs escalateTo"),
        ("RateLimit", "{scope: {}}", "spec.requestsPerMinute: a RateLimit names at least one of requestsPerMinute, tokensPerMinute, concurrent"),
        ("Notification", "{on: [anomaly], to: {}}", "spec.to: a Notification goes to an email or to a webhook"),
        ("Notification", "{on: [stop.set], to: {webhook: 'https://a.example/b'}}", "spec.to: a webhook is signed: name its secret as credential"),
        ("Notification", "{on: [stop.set, stop.sett], to: {email: a@b.example}}", 'spec.on[1]: must be one of review.opened, review.overdue, change.waiting, change.published, change.refused, stop.set, stop.lifted, key.expiring, key.revoked, log.failed, ledger.failed, price.missing, model.unavailable, model.sunset, budget.alert, anomaly, not "stop.sett"; did you mean "stop.set"?'),
        ("Tenant", "{fiscalYearStartsOn: 02-29}", "spec.fiscalYearStartsOn: must be a day of the year like 04-01, not text ('02-29')"),
    ],
)  # fmt: skip
def test_what_is_wrong_between_fields(kind: str, spec: str, wanted: str) -> None:
    assert wrong(kind, spec) == wanted


def test_an_organisation_and_a_tenant_have_no_tenant() -> None:
    for kind in ("Organisation", "Tenant"):
        with pytest.raises(InvalidDocuments, match='unknown field "tenant"'):
            parse_text(whole(kind, SPECS[kind]).replace("name: x", "name: x, tenant: y"))


def test_defaults_are_added_for_the_engine_and_not_to_the_body() -> None:
    (document,) = parse_text(whole("Provider", "{type: openai}"))
    assert document.spec == {"type": "openai"}
    assert document.filled()["timeouts"] == {
        "connectSeconds": "5",
        "firstTokenSeconds": "30",
        "stallSeconds": "60",
        "totalSeconds": "600",
    }
    assert document.filled()["terms"] is None


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_any_text_survives_export(text: str) -> None:
    body = {
        "apiVersion": "mandate/v1",
        "kind": "UseCase",
        "metadata": {"name": "x"},
        "spec": {"owner": "o", "purpose": text, "riskClass": "high"},
    }
    try:
        (document,) = parse_text(to_yaml(body))
    except InvalidDocuments:
        assert "\0" in text
    else:
        assert document.spec["purpose"] == text
