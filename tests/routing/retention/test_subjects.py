"""A data subject's calls: counted, taken along, erased; no other's, and by nobody who may not."""

import json

import pytest

from audit.log.models import Entry
from audit.retention.commands import ask_erasure, confirm_erasure
from controlplane.kernel.errors import Forbidden, InvalidRequest, NotFound
from controlplane.kernel.ids import call_name
from controlplane.kernel.principal import ORGANISATION, Principal
from routing.calls.models import Call
from routing.reports.content import opened, store
from routing.retention import subjects
from routing.retention.holding import NewTarget, held
from tests.routing.retention.conftest import IDS, Shop


def member(name: str, *roles: str, tenant: str = ORGANISATION) -> Principal:
    return Principal("member", f"{name}@acme.example", name, {tenant: frozenset(roles)})


ADA, CLEO = member("ada", "admin"), member("cleo", "auditor", "approver")
MALLORY = member("mallory", "admin", "auditor", tenant="elsewhere")


def test_a_user_is_found_by_the_id_that_callers_send(shop: Shop) -> None:
    first, last = shop.call("ann", b"one"), shop.call("ann", b"two")
    shop.call("bob", b"three")
    found = subjects.find(ADA, shop.tenant, "ann")
    assert (found.calls, found.entries, found.cases, found.stands) == (2, 0, 0, True)
    assert (found.erased_on, found.waiting) == (None, None)
    assert found.first is not None
    assert found.last is not None
    assert found.first <= found.last
    assert first < last
    assert "ann" not in found.key
    with pytest.raises(NotFound):
        subjects.find(ADA, shop.tenant, "carl")
    with pytest.raises(NotFound):
        subjects.find(ADA, "no-such-tenant", "ann")


def test_an_export_holds_the_content_and_is_an_entry(shop: Shop) -> None:
    call = shop.call("ann", b'{"messages": []}')
    lines = [json.loads(line) for line in subjects.export(CLEO, shop.tenant, "ann", "request 7")]
    assert [lines[0]["calls"], len(lines)] == [1, 2]
    assert (lines[1]["call"], lines[1]["state"], lines[1]["route"]) == (
        call_name(call),
        "completed",
        "triage",
    )
    assert json.loads(lines[1]["content"]["prompt"]["text"]) == {"messages": []}
    (entry,) = Entry.objects.filter(kind="export.created", tenant=shop.tenant)
    said = json.loads(bytes(entry.body))
    assert (said["actor"], said["subject"], said["data"]) == (
        CLEO.actor,
        lines[0]["key"],
        {"what": "subject", "calls": 1, "reason": "request 7"},
    )


@pytest.mark.parametrize("who", [ADA, MALLORY], ids=["no auditor", "of another tenant"])
def test_content_is_taken_along_by_auditors_there_alone(shop: Shop, who: Principal) -> None:
    shop.call("ann", b"one")
    with pytest.raises(Forbidden):
        subjects.export(who, shop.tenant, "ann", "request 7")
    with pytest.raises(InvalidRequest, match="say why"):
        subjects.export(CLEO, shop.tenant, "ann", " ")
    with pytest.raises(Forbidden):
        subjects.find(MALLORY, shop.tenant, "ann")
    assert not Entry.objects.filter(kind="export.created", tenant=shop.tenant).exists()


def test_an_erased_user_says_when_and_nobody_else_is_touched(shop: Shop) -> None:
    mine, other = shop.call("ann", b"one"), shop.call("bob", b"two")
    found = subjects.find(ADA, shop.tenant, "ann")
    asked = ask_erasure(ADA, subjects.wanted(found, "GDPR article 17"), store())
    assert subjects.find(ADA, shop.tenant, "ann").waiting == asked
    done = confirm_erasure(CLEO, asked.id, store(), single_operator=False)
    found = subjects.find(ADA, shop.tenant, "ann")
    assert (found.stands, found.erased_on, found.calls) == (False, done.erased_at, 1)
    assert done.erased_at is not None
    note = f"erased on {done.erased_at:%-d %B %Y}"
    assert [one.note for one in opened(Call.objects.get(pk=mine))] == [note, "none"]
    assert opened(Call.objects.get(pk=other))[0].text == "two"
    told = list(subjects.export(CLEO, shop.tenant, "ann", "request 7"))
    assert json.loads(told[1])["content"]["prompt"] == {"text": "", "note": note}


def test_a_hold_is_set_on_what_is_there(shop: Shop) -> None:
    call = shop.call("ann", b"one")
    row = held(ADA, NewTarget(kind="subject", tenant=shop.tenant, name="ann", reason="x"))
    assert row.name == subjects.find(ADA, shop.tenant, "ann").key
    named = held(ADA, NewTarget(kind="call", tenant=shop.tenant, call=call, reason="x"))
    assert (named.call, named.name) == (call, "")
    assert held(ADA, NewTarget(kind="tenant", tenant=shop.tenant, reason="x")).tenant == shop.tenant
    for target in (
        NewTarget(kind="call", tenant=shop.tenant, call=IDS.new(), reason="x"),
        NewTarget(kind="tenant", tenant="no-such", reason="x"),
        NewTarget(kind="use-case", tenant=shop.tenant, name="no-such", reason="x"),
        NewTarget(kind="subject", tenant="no-such", name="ann", reason="x"),
    ):
        with pytest.raises(NotFound):
            held(ADA, target)
    with pytest.raises(Forbidden):
        held(MALLORY, NewTarget(kind="tenant", tenant=shop.tenant, reason="x"))
