"""A dossier from real rows: cases, changes with author and approver, stops, figures; put on record once it is made."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings

from audit.log import read as log_read
from controlplane.kernel.errors import Forbidden, InvalidRequest, NotFound
from controlplane.kernel.principal import Principal
from policies.bundles.published import published
from policies.identity.models import ApiKey
from policies.order.lock import mandate_now
from policies.stops.commands import NewStop, set_stop
from routing.reports.dossier import asking, recorded, values
from routing.reports.dossier import gather as gathering
from routing.reports.dossier.gather import gather
from routing.reports.dossier.values import Dossier, plain
from routing.reviews import commands
from tests.policies.people import entries, member
from tests.routing.reviews.held import Desk, own_keys

ADA = member("ada", "admin")
CLEO = member("cleo", "auditor", "approver", "author")
DOCUMENTS = """\
apiVersion: mandate/v1
kind: Provider
metadata: {{name: sky, tenant: {tenant}}}
spec: {{type: openai-compatible, baseUrl: "https://nobody.invalid/v1"}}
---
apiVersion: mandate/v1
kind: Model
metadata: {{name: gpt-mini, tenant: {tenant}}}
spec:
  provider: sky
  upstreamName: small
  tier: small
  capabilities: [chat]
  contextWindow: 4000
  maxOutputTokens: 1000
  regions: [eu]
  clearance: [public, internal]
  prices: [{{from: 2026-01-01, currency: EUR, inputPerMillion: "1", outputPerMillion: "10"}}]
---
apiVersion: mandate/v1
kind: UseCase
metadata: {{name: triage, tenant: {tenant}}}
spec:
  owner: cleo@acme.example
  purpose: "Sort claims"
  riskClass: high
  dataClasses: [internal]
  validation: {{by: rui@acme.example, on: 2026-01-01, evidence: "tried", validUntil: 2090-10-01}}
---
apiVersion: mandate/v1
kind: Permission
metadata: {{name: claims-may-call, tenant: {tenant}}}
spec: {{effect: permit, on: call}}
---
apiVersion: mandate/v1
kind: Route
metadata: {{name: claims-triage, tenant: {tenant}}}
spec: {{useCase: triage, task: chat, strategy: {{type: single, model: gpt-mini}}}}
---
apiVersion: mandate/v1
kind: PolicyTest
metadata: {{name: claims-are-let-in, tenant: {tenant}}}
spec: {{given: {{tenant: {tenant}, team: claims, route: claims-triage}}, expect: {{effect: permit}}}}
"""


@pytest.fixture
def desk(
    transactional_db: None, app_dsn: str, settings: LazySettings, tmp_path: Path
) -> Iterator[Desk]:
    with own_keys(settings, tmp_path / "keys") as keys:
        made = Desk(app_dsn, keys)
        made.publish("{reviewers: ['role:reviewer']}", DOCUMENTS.format(tenant=made.name))
        yield made


def made(desk: Desk, principal: Principal = CLEO, days: asking.Days = asking.Days()) -> Dossier:  # noqa: B008 - a value
    found, now = published(), mandate_now()
    return gather(asking.asked(principal, (desk.name, "triage"), days, found, now))


def test_a_second_person_who_agreed_is_told_also_where_one_would_do() -> None:
    at = datetime(2026, 11, 24, 11, 2, tzinfo=UTC)
    given = values.Approved("member:cleo@acme.example", at, ("approver",), "", flagged=True)
    one = values.Changed(3, at, given.by, flagged=True, documents=(), title="Residency")
    assert gathering._alone(one).what == "published in single-operator mode, by one person alone"
    told = replace(one, author="member:ada@acme.example", approvals=(given,))
    assert (
        gathering._alone(told).what == "published in single-operator mode, a second person agreed"
    )
    assert not replace(told, author=given.by).agreed


def test_it_tells_the_use_case_with_its_policy_and_who_published_it(desk: Desk) -> None:
    told = made(desk)
    assert (told.head.name, told.head.owner, told.head.risk_class) == (
        "triage",
        "cleo@acme.example",
        "high",
    )
    assert told.head.routes == (f"{desk.name} / claims-triage",)
    own = [(one["kind"], one["name"]) for one in told.governing if one["tenant"] == desk.name]
    assert own == [
        ("UseCase", "triage"),
        ("Route", "claims-triage"),
        ("Permission", "claims-may-call"),
        ("ReviewQueue", "claims-desk"),
        ("Model", "gpt-mini"),
        ("Provider", "sky"),
        ("PolicyTest", "claims-are-let-in"),
    ]
    newest = told.changes[-1]
    assert (newest.by, newest.flagged, newest.author) == ("cli:test", True, "")
    assert f"Route {desk.name}/claims-triage" in newest.documents
    assert told.overrides[-1].what == "published in single-operator mode, by one person alone"
    assert [(one.name, one.passed) for one in told.tests.results] == [
        (f"{desk.name}/claims-are-let-in", True)
    ]


def test_cases_and_calls_are_counted_where_their_route_serves_it(desk: Desk) -> None:
    case = desk.hold("pay 14,200", due=timedelta(minutes=-5))
    desk.hold("pay 9", route="another")
    rui = member("rui", "reviewer", tenant=desk.name)
    commands.claim(rui, case.pk)
    commands.approve(rui, case.pk, 0)
    told = made(desk)
    assert [(one.outcome, one.stage, one.cases, one.late) for one in told.reviews] == [
        ("approved", "response", 1, 1)
    ]
    assert [(one.by, one.decisions) for one in told.reviewers] == [("member:rui@acme.example", 1)]
    assert told.figures.calls == 1
    assert [(one.model, one.attempts) for one in told.figures.models] == [("gpt-mini", 1)]
    assert "1 review case was not decided by the time due." in told.gaps
    assert (
        "No rule can hold a call for a person: nothing escalates, and no permission holds."
        in told.gaps
    )


def test_a_stop_of_its_route_is_an_incident_and_anothers_is_none(desk: Desk) -> None:
    wanted = NewStop(kind="route", tenant=desk.name, name="claims-triage", reason="wrong answers")
    set_stop(ADA, wanted, exists=True)
    other = NewStop(kind="route", tenant=desk.name, name="another", reason="not ours")
    set_stop(ADA, other, exists=True)
    told = [(one.scope, one.reason, one.by) for one in made(desk).stops]
    assert told == [(f"route {desk.name}/claims-triage", "wrong answers", ADA.actor)]


def test_a_stopped_key_is_named(desk: Desk) -> None:
    identity = secrets.token_hex(4)
    ApiKey(
        id=identity,
        hash=b"-",
        tenant=desk.name,
        team="claims",
        name="triage bot",
        created_by="cli:x",
    ).save(actor="cli:test")
    wanted = NewStop(kind="key", tenant=desk.name, name=identity, reason="leaked")
    set_stop(ADA, wanted, exists=True)
    told = f"key {desk.name}/triage bot ({identity})"
    assert [one.scope for one in made(desk).stops if identity in one.scope] == [told]


def test_a_period_before_everything_is_empty_and_says_so(desk: Desk) -> None:
    told = made(desk, days=asking.Days("2025-01-01", "2025-01-31"))
    assert (told.figures.calls, told.changes, told.reviews) == (0, [], [])
    assert (str(told.head.first), str(told.head.last)) == ("2025-01-01", "2025-01-31")
    assert "There were no calls in this period." in told.gaps
    assert any(gap.startswith("Logs are missing for a part of this period") for gap in told.gaps)


@pytest.mark.parametrize(
    "days", [("yesterday", ""), ("2026-02-01", "2026-01-01"), ("2020-01-01", "2026-01-01")]
)
def test_days_that_are_none_are_refused(desk: Desk, days: tuple[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        made(desk, days=asking.Days(*days))


def test_it_is_put_on_record_with_the_digest_of_what_it_says(desk: Desk) -> None:
    told = made(desk)
    entry, digest = recorded.put_on_record(CLEO, told)
    assert digest == recorded.digest_of(told)
    assert digest != recorded.digest_of(replace(told, gaps=()))
    found = log_read.entry(entry)
    assert found is not None
    said = json.loads(found.body)
    assert (said["kind"], said["actor"], said["tenant"], said["subject"]) == (
        "export.created",
        CLEO.actor,
        desk.name,
        f"use-case:{desk.name}/triage",
    )
    assert said["data"]["digest"] == digest
    assert said["data"]["filter"] == {
        "useCase": "triage",
        "tenant": desk.name,
        "from": str(told.head.first),
        "to": str(told.head.last),
    }
    json.dumps(plain(told))


def test_who_may_not_read_it_gets_nothing_and_nothing_is_written(desk: Desk) -> None:
    told = made(desk)
    for principal, error in (
        (member("finn", "finance"), Forbidden),
        (member("tariq", "developer", tenant=desk.name), Forbidden),
        (member("mallory", "auditor", tenant="elsewhere"), NotFound),
    ):
        with pytest.raises(error):
            made(desk, principal)
        with pytest.raises(error):
            recorded.put_on_record(principal, told)
    assert entries(kind="export.created", tenant=desk.name) == []
    with pytest.raises(NotFound):
        gather(
            asking.asked(CLEO, (desk.name, "nothing"), asking.Days(), published(), mandate_now())
        )


def test_who_audits_one_tenant_reads_its_register_alone(desk: Desk) -> None:
    here = member("otto", "auditor", tenant=desk.name)
    assert [one.title for one in asking.use_cases(here, published())] == [f"{desk.name} / triage"]
    assert made(desk, here).head.name == "triage"
