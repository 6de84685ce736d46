"""Both answers out of the vault, one word into a row of its own, once, with its entry; what cannot be read counts as nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import LazySettings
from django.db import connection

from routing.beside.commands import record
from routing.beside.models import Beside, BesideVerdict
from routing.beside.read import Run, beside, of_callers, runs_among
from routing.calls.models import Call
from routing.comparing.job import compare_ended
from routing.reports import content as opened
from routing.reviews import commands
from tests.policies.people import member
from tests.refusing import refuses_first
from tests.routing.reviews.held import Desk, own_keys

DOCUMENT = """\
apiVersion: mandate/v1
kind: {kind}
metadata: {{name: {name}, tenant: {tenant}}}
spec: {spec}
"""


@pytest.fixture
def desk(
    transactional_db: None, app_dsn: str, settings: LazySettings, tmp_path: Path
) -> Iterator[Desk]:
    with own_keys(settings, tmp_path / "keys") as keys:
        made = Desk(app_dsn, keys)
        made.publish()
        yield made


def delivered(desk: Desk, answer: str, **how: object) -> UUID:
    case = desk.hold(answer, **how)
    rui = member("rui", "reviewer", tenant=desk.name)
    commands.claim(rui, case.id)
    assert commands.approve(rui, case.id, 0).closed is True
    return case.call


def linked(desk: Desk, of: UUID, call: UUID) -> Beside:
    return Beside.objects.create(
        call=call, of=of, asked_at=Call.objects.get(pk=call).admitted_at, tenant=desk.name,
        team="claims", route="claims-triage", model="small",
    )  # fmt: skip


def words(of: UUID) -> list[str]:
    return [run.verdict for run in beside(of)]


def told(call: UUID) -> list[dict[str, object]]:
    with connection.cursor() as cursor:
        query = "SELECT body FROM audit_entry WHERE call = %s AND kind = 'beside.compared'"
        cursor.execute(query, [call])
        return [json.loads(bytes(body)) for (body,) in cursor.fetchall()]


def test_each_that_has_ended_gets_one_word_once(desk: Desk) -> None:
    of = delivered(desk, '{"label": "motor"}')
    same = delivered(desk, '{ "label":"motor" }', stream=True)
    other = delivered(desk, "liability", dialect="anthropic.messages")
    waiting = desk.hold("held").call
    for number, call in enumerate((same, other, waiting)):
        Beside.objects.create(
            call=call, of=of, asked_at=Call.objects.get(pk=call).admitted_at, tenant=desk.name,
            team="claims", route="claims-triage", model=f"small-{number}",
        )  # fmt: skip
    compare_ended()
    assert words(of) == ["agreed", "differed", ""]
    (entry,) = told(same)
    assert entry["data"] == {"of": of.hex, "model": "small-0", "verdict": "agreed"}
    assert "motor" not in json.dumps(entry)
    compare_ended()
    assert BesideVerdict.objects.filter(call__in=[same, other, waiting]).count() == 2
    assert len(told(same)) == len(told(other)) == 1
    assert beside(same) == [Run(same, of, "small-0", "agreed", "completed", 0)]
    assert runs_among([of, same, waiting]) == {same: of, waiting: of}
    ours = Call.objects.filter(tenant=desk.name)
    assert list(of_callers(ours).values_list("pk", flat=True)) == [of]


@refuses_first("beside.record")
def test_without_its_entry_there_is_no_word(desk: Desk) -> None:
    of, call = delivered(desk, "motor"), delivered(desk, "motor")
    run = linked(desk, of, call)
    assert record(run, "agreed") is True
    assert record(run, "differed") is False
    assert words(of) == ["agreed"]


def test_its_answer_is_given_to_no_key(desk: Desk) -> None:
    of, call = delivered(desk, "motor"), delivered(desk, "motor")
    linked(desk, of, call)
    first, second = Call.objects.get(pk=of), Call.objects.get(pk=call)
    assert "motor" in json.dumps(opened.own_answer(first))
    assert opened.own_answer(second) is None


def test_what_was_erased_counts_as_nothing(desk: Desk) -> None:
    of, call = delivered(desk, "motor"), delivered(desk, "motor")
    run = linked(desk, of, call)
    with connection.cursor() as cursor:
        query = "SELECT subject_key FROM vault_content WHERE call = %s AND field = 'answer'"
        cursor.execute(query, [run.call])
        (name,) = cursor.fetchone() or ("",)
    opened.store().destroy(name)
    compare_ended()
    assert words(of) == ["incomparable"]


def test_a_call_that_failed_by_its_model_failed_and_one_that_was_cut_did_not(desk: Desk) -> None:
    of = delivered(desk, "motor")
    for number, code in enumerate(("timeout", "stopped")):
        run = linked_to_failed(desk, of, f"small-{number}", code)
        assert Call.objects.get(pk=run.call).state == "failed"
    compare_ended()
    assert words(of) == ["failed", "incomparable"]


def linked_to_failed(desk: Desk, of: UUID, model: str, code: str) -> Beside:
    call = delivered(desk, "motor")
    Call.objects.filter(pk=call).update(state="failed", code=code)
    return Beside.objects.create(
        call=call, of=of, asked_at=Call.objects.get(pk=call).admitted_at, tenant=desk.name,
        team="claims", route="claims-triage", model=model,
    )  # fmt: skip


def test_the_validators_of_the_route_are_asked_too(desk: Desk) -> None:
    spec = "{type: single, model: m}"
    parts = {
        ("Provider", "sky"): "{type: sandbox}",
        (
            "Model",
            "m",
        ): "{provider: sky, contextWindow: 9000, maxOutputTokens: 900, clearance: [public]}",
        ("UseCase", "u"): "{owner: cleo@acme.example, purpose: x, riskClass: minimal}",
        ("Validator", "short"): "{type: cel, when: 'size(output.text) < 6'}",
        ("Route", "claims-triage"): f"{{useCase: u, strategy: {spec}, validators: [short]}}",
    }
    documents = (
        DOCUMENT.format(kind=kind, name=of, tenant=desk.name, spec=spec)
        for (kind, of), spec in parts.items()
    )
    desk.publish("{reviewers: ['role:reviewer']}", *documents)
    of, long = delivered(desk, "a long answer"), delivered(desk, "A long answer.")
    linked(desk, of, long)
    other, short = delivered(desk, "motor"), delivered(desk, "motor")
    linked(desk, other, short)
    compare_ended()
    assert (words(of), words(other)) == (["failed"], ["agreed"])
