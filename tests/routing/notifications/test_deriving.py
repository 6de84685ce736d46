"""From the log to deliveries: none lost, none twice, and no tenant's to another."""

import secrets
import threading

import pytest
from django.db import connection, transaction

from audit.log.models import Entry
from policies.identity import commands
from policies.management.cli import operator
from policies.order.entries import append_entry
from policies.order.lock import mandate_now
from policies.stops.commands import NewStop, lift_stop, set_stop
from routing.notifications.deriving import derive
from routing.notifications.models import Delivery, Notified
from tests.policies.people import ADA
from tests.routing.notifications.conftest import deliveries, read_on, tell


def revoke(place: str) -> str:
    """Make and revoke a key; its id."""
    made = commands.create_key(operator(), commands.NewKey(tenant=place, team="claims"))
    commands.revoke_key(operator(), made.id, "SECRET WORDS of a person")
    return made.id


def test_a_revoked_key_is_told_once_in_ids_and_links(place: str) -> None:
    tell(place, "key.revoked")
    key = revoke(place)
    read_on()
    read_on()
    (row,) = deliveries(place)
    entry = Entry.objects.get(tenant=place, kind="key.revoked")
    assert (row.event, row.document, row.way, row.target) == (
        "key.revoked",
        "mail",
        "email",
        "finn@acme.example",
    )
    assert (row.state, row.tries, row.occurrence) == ("waiting", 0, entry.id.hex)
    assert row.told["type"] == "key.revoked"
    assert row.told["data"] == {
        "title": f"The API key {key} of the team claims was revoked",
        "tenant": place,
        "notification": f"{place} / mail",
        "url": "https://mandate.acme.example/keys/",
        "entry": entry.id.hex,
        "key": key,
        "team": "claims",
    }


def test_an_entry_without_what_its_kind_has_keeps_nobody_from_later_ones(
    place: str, caplog: pytest.LogCaptureFixture
) -> None:
    tell(place, "stop.set, key.revoked")
    with transaction.atomic():
        append_entry(
            "stop.set", at=mandate_now(), actor="cli:test", tenant=place, data={"epoch": 1}
        )
    key = revoke(place)
    read_on()
    assert [(row.event, row.told["data"]["key"]) for row in deliveries(place)] == [
        ("key.revoked", key)
    ]
    bad = Entry.objects.get(tenant=place, kind="stop.set")
    assert (
        f"entry {bad.id.hex} (stop.set) lacks what its kind has: KeyError('scope')" in caplog.text
    )


def test_only_what_is_asked_for_is_told(place: str) -> None:
    tell(place, "stop.set, stop.lifted")
    revoke(place)
    stop = set_stop(ADA, NewStop(kind="tenant", name=place, tenant="", reason="SECRET WORDS"), exists=True)  # fmt: skip
    lift_stop(ADA, stop.id, single_operator=True)
    route = NewStop(kind="route", name="ask", tenant=place, reason="SECRET WORDS")
    lift_stop(ADA, set_stop(ADA, route, exists=True).id, single_operator=True)
    read_on()
    found = [(row.event, row.told["data"]["scope"]) for row in deliveries(place)]
    assert found[-2:] == [("stop.set", "route ask"), ("stop.lifted", "route ask")]
    assert not [row for row in found if row[0] == "key.revoked"]
    assert "SECRET WORDS" not in repr([row.told for row in deliveries(place)])


def test_a_tenants_notification_tells_of_its_own_tenant_alone(place: str) -> None:
    other = f"t-{secrets.token_hex(4)}"
    tell(place, "key.revoked")
    tell(other, "key.revoked")
    read_on()
    tell("", "key.revoked", name=f"all-{other}")
    key = revoke(place)
    with transaction.atomic():
        append_entry("key.revoked", actor="cli:test", at=mandate_now(), subject="key:org", data={"team": "x"})  # fmt: skip
    read_on()
    assert [row.told["data"]["key"] for row in deliveries(place)] == [key]
    assert deliveries(other) == []
    ours = Delivery.objects.filter(tenant="", document=f"all-{other}")
    assert {row.told["data"]["key"] for row in ours} == {key, "org"}


def test_an_entry_that_commits_late_is_not_passed_by(place: str) -> None:
    """It has its id and transaction id first, another commits and is read, then it commits."""
    tell(place, "key.revoked")
    appended, go = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            append_entry(
                "key.revoked",
                actor="cli:test",
                at=mandate_now(),
                tenant=place,
                subject="key:late",
                data={"team": "claims"},
            )
            appended.set()
            go.wait(30)
        connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert appended.wait(30)
    key = revoke(place)
    derive()
    held_back = [row.told["data"]["key"] for row in deliveries(place)]
    go.set()
    thread.join()
    read_on()
    assert held_back == []
    assert [row.told["data"]["key"] for row in deliveries(place)] == ["late", key]


def test_nobody_is_told_of_what_was_before_the_document(place: str) -> None:
    revoke(place)
    read_on()
    tell(place, "key.revoked")
    read_on()
    assert deliveries(place) == []


def test_a_job_that_dies_has_moved_nothing(place: str) -> None:
    tell(place, "key.revoked")
    read_on()
    revoke(place)
    before = Notified.objects.get(pk=1)
    with transaction.atomic():
        derive()
        transaction.set_rollback(True)
    after = Notified.objects.get(pk=1)
    assert (after.xid, after.entry) == (before.xid, before.entry)
    assert deliveries(place) == []
    read_on()
    assert len(deliveries(place)) == 1
