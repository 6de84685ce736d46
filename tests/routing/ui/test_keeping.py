"""Holds, erasures and data subjects in the console: in two steps, by two people, and nothing for whoever may not."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.retention.models import Erasure, Hold
from audit.vault.keys import subject_of_team
from audit.vault.store import KeyStore
from controlplane.kernel.ids import call_name, uuid7_time
from policies.identity.commands import archive_tenant
from routing.reports.content import store
from routing.retention import erasing
from routing.ui import keeping
from tests.audit.retention.conftest import Service
from tests.policies.changes.world import World, world
from tests.policies.people import entries
from tests.policies.texts import ensure_organisation
from tests.policies.ui.conftest import Pages, words
from tests.routing.retention.conftest import Shop

pytestmark = pytest.mark.django_db(transaction=True)
MOST_QUERIES = 15


@pytest.fixture
def made(transactional_db: None, settings: LazySettings, tmp_path: Path) -> Iterator[World]:
    settings.MANDATE_KEYS_DIR = tmp_path / "keys"
    store.cache_clear()
    ensure_organisation()
    with world() as found:
        yield found
        Hold.objects.filter(lifted_at=None, tenant__in=(found.tenant, "")).update(
            lifted_at="2026-01-01T00:00:00Z", lifted_by="cli:test"
        )
    store.cache_clear()


def of_tenant(made: World, kind: str) -> list[tuple[object, object]]:
    """Who did what, of these entries."""
    return [(e["actor"], e["data"].get("flagged")) for e in entries(kind=kind, tenant=made.tenant)]


def test_a_hold_is_set_seen_and_lifted_by_two(made: World) -> None:
    shop = Shop(made.tenant)
    call = call_name(shop.call("ann", b"one"))
    ada, cleo = Pages(made.ada), Pages(made.cleo)
    said = words(
        ada.post("/keeping/", kind="call", tenant=made.tenant, name=call, reason="inquiry 7")
    )
    assert "Held. Nothing of it is pruned or erased from now on." in said
    row = Hold.objects.get(tenant=made.tenant)
    assert (row.kind, call_name(row.call), row.reason) == ("call", call, "inquiry 7")  # type: ignore[arg-type]  # it is of a call
    page = cleo.get("/keeping/")
    assert "inquiry 7 Ada" in words(page)
    assert f"/calls/{call}/" in page.content.decode()
    lift = f"/keeping/holds/{row.id}/lift/"
    assert "Asked. Another admin or approver confirms the lifting." in words(ada.post(lift))
    assert "You asked for this lifting" in words(ada.post(lift))
    assert "Confirm lifting" not in words(ada.get("/keeping/"))
    assert "Confirm lifting" in words(cleo.get("/keeping/"))
    assert "The hold is lifted." in words(cleo.post(lift))
    assert "inquiry 7" not in words(cleo.get("/keeping/"))
    assert "Cleo" in words(cleo.get("/keeping/?show=lifted"))
    assert of_tenant(made, "hold.lifted") == [(made.cleo.actor, False)]
    assert "was lifted on" in words(cleo.post(lift))


def test_what_cannot_be_held_is_said_and_stays_in_the_form(made: World) -> None:
    ada = Pages(made.ada)
    for form, told in (
        ({"kind": "call", "name": "4711", "reason": "x"}, '"4711" is no call.'),
        (
            {"kind": "use-case", "name": "nothing", "reason": "x"},
            'There is no use-case "nothing" to hold.',
        ),
        ({"kind": "tenant", "name": "", "reason": " "}, "Say why: the reason stands in the log."),
        ({"kind": "planet", "name": "x", "reason": "x"}, '"planet" cannot be held'),
    ):
        answer = ada.post("/keeping/", tenant=made.tenant, **form)
        assert (answer.status_code, told in words(answer)) == (422, True), form
    assert 'value="nothing"' in (
        ada.post(
            "/keeping/", tenant=made.tenant, kind="use-case", name="nothing", reason="x"
        ).content.decode()
    )
    assert Pages(made.cleo).post("/keeping/", kind="tenant", tenant=made.tenant).status_code == 403
    assert not Hold.objects.filter(tenant=made.tenant).exists()
    assert entries(kind="hold.set", tenant=made.tenant) == []


def test_an_erasure_is_looked_at_asked_for_and_confirmed_by_another(made: World) -> None:
    shop = Shop(made.tenant)
    calls = [shop.call("ann", b"one"), shop.call("ann", b"two")]
    ada, cleo = Pages(made.ada), Pages(made.cleo)
    form = {"kind": "user", "tenant": made.tenant, "name": "ann"}
    looked = ada.post("/keeping/erasures/", **form)
    assert "What this would erase" in words(looked)
    assert "Calls2 Review cases0" in words(looked)
    assert call_name(calls[1]) in looked.content.decode()
    assert not Erasure.objects.filter(tenant=made.tenant).exists()
    no_basis = ada.post("/keeping/erasures/", **form, ask="1", basis=" ")
    assert no_basis.status_code == 422
    assert not Erasure.objects.filter(tenant=made.tenant).exists()
    asked = ada.post("/keeping/erasures/", **form, ask="1", basis="article 17")
    row = Erasure.objects.get(tenant=made.tenant)
    page = f"/keeping/erasures/{row.id}/"
    assert asked.redirect_chain == [(page, 302)]
    assert "You asked for it; another admin or approver confirms it." in words(asked)
    assert "You asked for this erasure" in words(ada.post(page))
    assert store().get(row.key) is not None
    assert f"{made.tenant}article 17Ada" in words(cleo.get("/keeping/erasures/"))
    assert "Destroy the key" in words(cleo.get(page))
    assert "Erased. The key is destroyed; nobody reads it again." in words(cleo.post(page))
    assert store().get(row.key) is None
    assert of_tenant(made, "content.erased") == [(made.cleo.actor, False)]
    assert "Keydestroyed" in words(cleo.get(page))
    assert "Nothing waits" in words(cleo.get("/keeping/erasures/"))
    assert Pages(made.mallory).get(page).status_code == 404


def test_the_own_key_of_an_archived_tenant_is_given_up_by_two(
    made: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    service = Service("2026-12-06")
    serviced = KeyStore(tmp_path / "service", service)
    for page in (erasing, keeping):
        monkeypatch.setattr(page, "store", lambda: serviced)
    Shop(made.tenant).call("ann", b"one")
    ada, cleo = Pages(made.ada), Pages(made.cleo)
    form = {"kind": "tenant-key", "tenant": made.tenant, "name": ""}
    asking = {**form, "ask": "1", "basis": "sold"}
    in_use = ada.post("/keeping/erasures/", **asking)
    assert "is in use: archive it first" in words(in_use)
    archive_tenant(made.ada, made.tenant, "sold")
    assert "all of an archived tenant’s, by its own key" in words(ada.get("/keeping/erasures/"))
    assert "Calls1 Review cases0" in words(ada.post("/keeping/erasures/", **form))
    asked = ada.post("/keeping/erasures/", **asking)
    row = Erasure.objects.get(tenant=made.tenant)
    place = f"/keeping/erasures/{row.id}/"
    assert asked.redirect_chain == [(place, 302)]
    assert "You asked for this erasure" in words(ada.post(place))
    assert (service.retired, of_tenant(made, "tenant.key-retired")) == ([], [])
    assert "Have the key deleted" in words(cleo.get(place))
    assert "until then it can be called off there" in words(cleo.post(place))
    assert service.retired == [made.tenant]
    assert of_tenant(made, "tenant.key-retired") == [(made.cleo.actor, False)]
    assert "Keydestroyed" in words(cleo.get(place))


def test_a_hold_shows_before_anybody_asks_and_stops_who_confirms(made: World) -> None:
    shop = Shop(made.tenant)
    shop.call("ann", b"one")
    ada, cleo = Pages(made.ada), Pages(made.cleo)
    key = subject_of_team(made.tenant, "claims")
    store().get_or_create(key)
    team = {"kind": "team", "tenant": made.tenant, "name": "claims"}
    ada.post("/keeping/erasures/", **team, ask="1", basis="the team is gone")
    ada.post("/keeping/", kind="tenant", tenant=made.tenant, name="", reason="a court asks")
    looked = words(ada.post("/keeping/erasures/", kind="user", tenant=made.tenant, name="ann"))
    assert "A legal hold stands since" in looked
    assert "Ask for the erasure" not in looked
    page = f"/keeping/erasures/{Erasure.objects.get(key=key).id}/"
    assert "A legal hold stands since" in words(cleo.get(page))
    assert "a court asks; nothing of it is erased." in words(cleo.post(page))
    assert store().get(key) is not None
    assert entries(kind="content.erased", tenant=made.tenant) == []


def test_a_month_is_looked_at_by_its_calls(made: World) -> None:
    shop = Shop(made.tenant)
    call = shop.call("ann", b"one")
    month = f"{uuid7_time(call):%Y-%m}"
    form = {"kind": "month", "tenant": made.tenant, "name": month}
    ada = Pages(made.ada)
    assert "Calls1 Review cases0" in words(ada.post("/keeping/erasures/", **form))
    for name in ("2026-13", "2026-11/../x", "1969-12"):
        answer = ada.post("/keeping/erasures/", **{**form, "name": name})
        assert (answer.status_code, f'"{name}" is no month.' in words(answer)) == (422, True)
    assert "There is no key" in words(ada.post("/keeping/erasures/", **{**form, "name": "2030-01"}))


def test_a_data_subject_is_looked_up_and_taken_along(made: World) -> None:
    shop = Shop(made.tenant)
    call = shop.call("ann@example.org", b"what is owed")
    ada, cleo = Pages(made.ada), Pages(made.cleo)
    who = {"tenant": made.tenant, "user": "ann@example.org"}
    found = cleo.post("/keeping/subjects/", **who)
    assert "Calls1 Review cases0" in words(found)
    assert "All of it as JSON lines" in words(found)
    assert "Look what an erasure would take" not in words(found)
    assert "All of it as JSON lines" not in words(ada.post("/keeping/subjects/", **who))
    unknown = cleo.post("/keeping/subjects/", **{**who, "user": "bob"})
    assert (unknown.status_code, "names this user." in words(unknown)) == (422, True)
    assert ada.post("/keeping/subjects/export/", **who, reason="request 7").status_code == 403
    assert cleo.post("/keeping/subjects/export/", **who, reason=" ").status_code == 400
    assert entries(kind="export.created", tenant=made.tenant) == []
    taken = cleo.post("/keeping/subjects/export/", **who, reason="request 7")
    lines = [json.loads(line) for line in b"".join(taken.streaming_content).splitlines()]
    assert [line.get("call") for line in lines] == [None, call_name(call)]
    assert lines[1]["content"]["prompt"] == {"text": "what is owed"}
    (entry,) = entries(kind="export.created", tenant=made.tenant)
    assert (entry["actor"], entry["data"]["reason"]) == (made.cleo.actor, "request 7")
    for who_else in (made.tariq, made.finn, made.mallory):
        assert Pages(who_else).post("/keeping/subjects/", **who).status_code == 403


def test_long_lists_are_paged_and_ask_few_questions(
    made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.ui.filters.PAGE_ROWS", 3)
    monkeypatch.setattr(keeping, "WAITING_ROWS", 2)
    ada = Pages(made.ada)
    for n in range(4):
        ada.post("/keeping/", kind="tenant", tenant=made.tenant, name="", reason=f"reason {n}")
    first = ada.get("/keeping/")
    assert [n for n in range(4) if f"reason {n}" in words(first)] == [1, 2, 3]
    older = first.context["page"].older
    assert "reason 0" in words(ada.get(older))
    for path in ("/keeping/", "/keeping/?show=lifted", "/keeping/erasures/", "/keeping/subjects/"):
        with CaptureQueriesContext(connection) as asked:
            assert ada.get(path).status_code == 200
        assert len(asked) <= MOST_QUERIES, path
