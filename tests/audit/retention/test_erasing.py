"""What is erased stays erased; what is held is not; every step is an entry, and no proof breaks (invariant 9)."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from audit.retention import read
from audit.retention.commands import (
    NewErasure,
    NewHold,
    Outcome,
    ask_erasure,
    confirm_erasure,
    erase_month,
    lift_hold,
    retire_tenant_key,
    set_hold,
)
from audit.retention.models import Erasure, Hold, own_key
from audit.retention.repeating import repeat, repeat_if_behind
from audit.vault.keys import CallKeys, Erased, commit_user, subject_of_user
from audit.vault.read import open_content
from audit.vault.store import KeyStore, fingerprint
from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest, NotFound
from controlplane.kernel.principal import ORGANISATION, Principal
from tests.audit.conftest import IDS, LogDatabase
from tests.audit.retention.conftest import Service, refused
from tests.refusing import refuses_first


def member(name: str, *roles: str, tenant: str = ORGANISATION) -> Principal:
    return Principal("member", f"{name.lower()}@acme.example", name, {tenant: frozenset(roles)})


ADA, CLEO = member("Ada", "admin"), member("Cleo", "approver", "auditor")
TARIQ, MALLORY = member("Tariq", "developer"), member("Mallory", "admin", tenant="retail")


class Place:
    """The tenant of the test at hand: the log is one for all of them."""

    tenant = ""


BASIS = "GDPR article 17, request 2026-114"


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    Place.tenant = f"insurance-{IDS.new().hex[-8:]}"
    return KeyStore(tmp_path / "store")


def sealed(log: LogDatabase, store: KeyStore, user: str, text: bytes) -> tuple[UUID, str]:
    """A call's prompt in the vault; its id, and the name of the user's key."""
    call, key = IDS.new(), subject_of_user(Place.tenant, commit_user(store, Place.tenant, user))
    part = CallKeys.derive(store, Place.tenant, "2026-11", key, call).seal("request", text)
    with log.app() as db:
        db.execute("SELECT vault_put(%s, %s, %s::smallint, %s, %s, %s, %s)", part)
    return call, key


def opened(log: LogDatabase, store: KeyStore, call: UUID) -> bytes | None:
    with log.app() as db, db.cursor() as cursor:
        return open_content(store, cursor, call, "request")


def entries(
    log: LogDatabase, *kinds: str, tenant: str | None = None
) -> list[tuple[str, str, dict[str, object]]]:
    with log.app() as db:
        rows = db.execute(
            "SELECT kind, body FROM audit_entry WHERE kind = ANY(%s) AND tenant = %s ORDER BY id",
            [list(kinds), Place.tenant if tenant is None else tenant],
        ).fetchall()
    found = [(kind, json.loads(bytes(body))) for kind, body in rows]
    return [(kind, said["actor"], said["data"]) for kind, said in found]


def wanted(key: str) -> NewErasure:
    return NewErasure(kind="user", tenant=Place.tenant, key=key, basis=BASIS)


def erase(store: KeyStore, key: str) -> Erasure:
    asked = ask_erasure(ADA, wanted(key), store)
    return confirm_erasure(CLEO, asked.id, store, single_operator=False)


def test_two_people_erase_one_user_and_nobody_else(
    shared_log: LogDatabase, store: KeyStore
) -> None:
    mine, key = sealed(shared_log, store, "customer-17", b"what is owed")
    other, _ = sealed(shared_log, store, "customer-18", b"what is paid")
    stood = fingerprint(store.get_or_create(key))
    asked = ask_erasure(ADA, wanted(key), store)
    assert opened(shared_log, store, mine) == b"what is owed"
    with pytest.raises(Conflict, match="you asked for this erasure"):
        confirm_erasure(ADA, asked.id, store, single_operator=False)
    assert opened(shared_log, store, mine) == b"what is owed"
    done = confirm_erasure(CLEO, asked.id, store, single_operator=False)
    with pytest.raises(Erased):
        opened(shared_log, store, mine)
    assert opened(shared_log, store, other) == b"what is paid"
    scope = {"kind": "user", "key": key}
    assert entries(shared_log, "erasure.asked", "content.erased") == [
        ("erasure.asked", ADA.actor, {"scope": scope, "basis": BASIS}),
        (
            "content.erased",
            CLEO.actor,
            {
                "scope": scope,
                "basis": BASIS,
                "fingerprint": stood,
                "askedBy": ADA.actor,
                "flagged": False,
            },
        ),
    ]
    assert read.erased_on([key]) == done.erased_at
    with pytest.raises(Conflict, match="this was erased on"):
        confirm_erasure(CLEO, asked.id, store, single_operator=False)
    shared_log.sequence()
    assert shared_log.verify().findings == ()


def test_alone_in_single_operator_mode_is_flagged(shared_log: LogDatabase, store: KeyStore) -> None:
    _, key = sealed(shared_log, store, "customer-17", b"x")
    asked = ask_erasure(ADA, wanted(key), store)
    confirm_erasure(ADA, asked.id, store, single_operator=True)
    assert entries(shared_log, "content.erased")[0][2]["flagged"] is True


def test_what_is_not_there_and_what_waits_is_refused(
    shared_log: LogDatabase, store: KeyStore
) -> None:
    _, key = sealed(shared_log, store, "customer-17", b"x")
    with pytest.raises(NotFound, match="nothing is stored under it"):
        ask_erasure(ADA, wanted("subject/nobody/user/00"), store)
    with pytest.raises(InvalidRequest, match="on what legal basis"):
        ask_erasure(ADA, NewErasure(kind="user", tenant=Place.tenant, key=key, basis=" "), store)
    ask_erasure(ADA, wanted(key), store)
    with pytest.raises(Conflict, match="was asked for already"):
        ask_erasure(ADA, wanted(key), store)
    assert Erasure.objects.filter(tenant=Place.tenant).count() == 1


@pytest.mark.parametrize("who", [TARIQ, MALLORY, CLEO], ids=lambda who: who.name)
def test_only_an_admin_there_asks(shared_log: LogDatabase, store: KeyStore, who: Principal) -> None:
    _, key = sealed(shared_log, store, "customer-17", b"x")
    with pytest.raises(Forbidden):
        ask_erasure(who, wanted(key), store)
    with pytest.raises(Forbidden):
        set_hold(who, NewHold(kind="tenant", tenant=Place.tenant, reason="x"), exists=True)
    assert (
        Erasure.objects.filter(tenant=Place.tenant).count(),
        Hold.objects.filter(tenant=Place.tenant).count(),
        entries(shared_log, "hold.set"),
    ) == (
        0,
        0,
        [],
    )


def test_another_tenants_admin_sees_and_confirms_nothing(
    shared_log: LogDatabase, store: KeyStore
) -> None:
    call, key = sealed(shared_log, store, "customer-17", b"x")
    asked = ask_erasure(ADA, wanted(key), store)
    hold = set_hold(ADA, NewHold(kind="tenant", tenant="retail", reason="x"), exists=True)
    with pytest.raises(NotFound):
        confirm_erasure(MALLORY, asked.id, store, single_operator=True)
    assert list(read.visible_erasures(MALLORY)) == []
    seen = read.visible_holds(MALLORY)
    assert hold.id in {row.id for row in seen}
    assert {row.tenant for row in seen} <= {"retail", ""}
    with pytest.raises(Forbidden):
        read.visible_holds(TARIQ)
    assert opened(shared_log, store, call) == b"x"


@pytest.mark.parametrize("kind", ["organisation", "tenant", "use-case", "subject", "call"])
@refuses_first(
    "retention.set_hold",
    "retention.lift_hold",
    "retention.ask_erasure",
    "retention.confirm_erasure",
)
def test_a_hold_stops_an_erasure_that_was_asked_for_before(
    shared_log: LogDatabase, store: KeyStore, kind: str
) -> None:
    call, key = sealed(shared_log, store, "customer-17", b"what is owed")
    asked = ask_erasure(ADA, wanted(key), store)
    hold = NewHold(
        kind=kind,
        tenant="" if kind == "organisation" else Place.tenant,
        name={"use-case": "claims-triage", "subject": key}.get(kind, ""),
        call=call if kind == "call" else None,
        reason="inquiry 12",
    )
    row = set_hold(ADA, hold, exists=True)
    told = refused(lambda: confirm_erasure(CLEO, asked.id, store, single_operator=False))
    assert told.startswith("a legal hold stands since ")
    assert told.endswith("inquiry 12; nothing of it is erased")
    assert erase_month(Place.tenant, "2026-11", store, 30) is False
    assert opened(shared_log, store, call) == b"what is owed"
    assert entries(shared_log, "content.erased") == []
    assert lift_hold(ADA, row.id, single_operator=False) is Outcome.ASKED
    with pytest.raises(Conflict, match="you asked for this lifting"):
        lift_hold(ADA, row.id, single_operator=False)
    with pytest.raises(Conflict, match="a legal hold stands"):
        confirm_erasure(CLEO, asked.id, store, single_operator=False)
    assert lift_hold(CLEO, row.id, single_operator=False) is Outcome.DONE
    confirm_erasure(CLEO, asked.id, store, single_operator=False)
    with pytest.raises(Erased):
        opened(shared_log, store, call)
    steps = ("hold.set", "hold.lift-asked", "hold.lifted")
    kinds = [entry[:2] for entry in entries(shared_log, *steps, tenant=hold.tenant)]
    assert kinds == [
        ("hold.set", ADA.actor),
        ("hold.lift-asked", ADA.actor),
        ("hold.lifted", CLEO.actor),
    ]


def test_a_hold_on_others_stops_nothing(shared_log: LogDatabase, store: KeyStore) -> None:
    call, key = sealed(shared_log, store, "customer-17", b"x")
    other, theirs = sealed(shared_log, store, "customer-18", b"y")
    for hold in (
        NewHold(kind="tenant", tenant="retail", reason="x"),
        NewHold(kind="subject", tenant=Place.tenant, name=theirs, reason="x"),
        NewHold(kind="call", tenant=Place.tenant, call=other, reason="x"),
    ):
        set_hold(ADA, hold, exists=True)
    erase(store, key)
    with pytest.raises(Erased):
        opened(shared_log, store, call)
    assert opened(shared_log, store, other) == b"y"
    assert erase_month(Place.tenant, "2026-11", store, 30) is False  # both lie in it


@pytest.mark.usefixtures("store")
def test_a_hold_must_name_what_it_holds(shared_log: LogDatabase) -> None:
    for hold in (
        NewHold(kind="planet", tenant=Place.tenant, reason="x"),
        NewHold(kind="tenant", reason="x"),
        NewHold(kind="organisation", tenant=Place.tenant, reason="x"),
        NewHold(kind="call", tenant=Place.tenant, reason="x"),
        NewHold(kind="subject", tenant=Place.tenant, reason="x"),
        NewHold(kind="tenant", tenant=Place.tenant, reason=" "),
    ):
        with pytest.raises(InvalidRequest):
            set_hold(ADA, hold, exists=True)
    with pytest.raises(NotFound, match='there is no tenant "insurence" to hold'):
        set_hold(ADA, NewHold(kind="tenant", tenant="insurence", reason="x"), exists=False)
    assert (Hold.objects.filter(tenant=Place.tenant).count(), entries(shared_log, "hold.set")) == (
        0,
        [],
    )


@refuses_first("retention.erase_month")
def test_a_month_is_erased_by_retention_for_its_tenant(
    shared_log: LogDatabase, store: KeyStore
) -> None:
    call, _ = sealed(shared_log, store, "customer-17", b"x")
    assert erase_month("retail", "2026-11", store, 30) is False
    assert erase_month(Place.tenant, "2026-11", store, 30) is True
    with pytest.raises(Erased):
        opened(shared_log, store, call)
    said = entries(shared_log, "content.erased")
    assert [(actor, data["basis"]) for _, actor, data in said] == [
        ("job:retention", "retention: content is kept 30 days")
    ]
    assert erase_month(Place.tenant, "2026-11", store, 30) is False


@pytest.fixture
def sold() -> NewErasure:
    """An archived tenant's own key."""
    tenant = f"sold-{IDS.new().hex[-8:]}"
    return NewErasure(
        kind="tenant-key", tenant=tenant, key=own_key(tenant), basis="sold", archived=True
    )


@pytest.fixture
def service() -> Service:
    return Service("2026-12-06")


@pytest.fixture
def serviced(service: Service, tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "store", service)


def test_a_tenants_own_key_is_given_up_by_two(
    shared_log: LogDatabase, sold: NewErasure, service: Service, serviced: KeyStore
) -> None:
    for who in (CLEO, MALLORY, member("Otto", "admin", tenant=sold.tenant)):
        with pytest.raises(Forbidden):
            ask_erasure(who, sold, serviced)
    row = ask_erasure(ADA, sold, serviced)
    assert refused(lambda: ask_erasure(ADA, sold, serviced)).startswith("this erasure was asked")

    def confirm(who: Principal, *, archived: bool = True) -> Erasure:
        return confirm_erasure(who, row.id, serviced, single_operator=False, archived=archived)

    with pytest.raises(Forbidden):
        confirm(member("Otto", "admin", "approver", tenant=sold.tenant))
    assert refused(lambda: confirm(ADA)).startswith("you asked for this erasure")
    in_use = f'tenant "{sold.tenant}" is in use: archive it first'
    assert refused(lambda: confirm(CLEO, archived=False)) == in_use
    call = NewHold(kind="call", tenant=sold.tenant, call=IDS.new(), reason="inquiry 12")
    hold = set_hold(ADA, call, exists=True)
    assert "inquiry 12; nothing of it is erased" in refused(lambda: confirm(CLEO))
    lift_hold(ADA, hold.id, single_operator=True)
    assert (service.retired, Erasure.objects.get(pk=row.id).erased_at) == ([], None)
    done = confirm(CLEO)
    assert (service.retired, done.erased_by) == ([sold.tenant], CLEO.actor)
    assert refused(lambda: confirm(CLEO)).startswith("this was erased on")
    scope = {"tenant": sold.tenant, "erasure": row.id.hex}
    said = {"scope": scope, "basis": "sold", "askedBy": ADA.actor, "flagged": False}
    assert entries(shared_log, "tenant.key-retired", tenant=sold.tenant) == [
        ("tenant.key-retired", CLEO.actor, said)
    ]
    assert repeat(serviced, "job:retention") == 0


@refuses_first("retention.retire_tenant_key")
def test_breaking_the_glass_needs_nobody_else_and_says_so(
    shared_log: LogDatabase, sold: NewErasure, service: Service, serviced: KeyStore
) -> None:
    def retire(who: Principal = ADA, *, archived: bool = True) -> str:
        return retire_tenant_key(who, replace(sold, archived=archived), serviced)

    with pytest.raises(Forbidden):
        retire(CLEO)
    in_use = f'tenant "{sold.tenant}" is in use: archive it first'
    assert refused(lambda: retire(archived=False)) == in_use
    held = NewHold(kind="tenant", tenant=sold.tenant, reason="inquiry 12")
    hold = set_hold(ADA, held, exists=True)
    assert "inquiry 12; nothing of it is erased" in refused(retire)
    lift_hold(ADA, hold.id, single_operator=True)
    service.day = ""
    assert refused(retire).startswith("tenants share one key in the key service")
    asked = entries(shared_log, "tenant.key-retired", tenant=sold.tenant)
    assert (service.retired, asked) == ([], [])
    service.day = "2026-12-06"
    assert retire() == "2026-12-06"
    assert service.retired == [sold.tenant]
    row = Erasure.objects.get(key=sold.key)
    assert (row.asked_by, row.erased_by) == (ADA.actor, ADA.actor)
    scope = {"tenant": sold.tenant, "erasure": row.id.hex}
    said = {"scope": scope, "basis": "sold", "askedBy": ADA.actor, "flagged": True}
    assert entries(shared_log, "tenant.key-retired", tenant=sold.tenant) == [
        ("tenant.key-retired", ADA.actor, {**said, "breakGlass": True, "reason": "sold"})
    ]


def test_a_restored_key_store_is_erased_again(
    shared_log: LogDatabase, store: KeyStore, tmp_path: Path
) -> None:
    mine, key = sealed(shared_log, store, "customer-17", b"what is owed")
    other, _ = sealed(shared_log, store, "customer-18", b"what is paid")
    shutil.copytree(store.folder, tmp_path / "yesterday")
    erase(store, key)
    assert repeat_if_behind(store, "job:retention") == 0
    shutil.rmtree(store.folder)
    shutil.copytree(tmp_path / "yesterday", store.folder)
    restored = KeyStore(store.folder)
    assert opened(shared_log, restored, mine) == b"what is owed"  # this is what a restore does
    assert repeat_if_behind(restored, "job:retention") == 1
    with pytest.raises(Erased):
        opened(shared_log, restored, mine)
    assert opened(shared_log, restored, other) == b"what is paid"
    assert repeat_if_behind(restored, "job:retention") == 0
    assert entries(shared_log, "erasure.repeated", tenant="") == [
        ("erasure.repeated", "job:retention", {"keys": 1})
    ]


def test_a_newer_key_of_the_same_name_is_left_alone(
    shared_log: LogDatabase, store: KeyStore
) -> None:
    before, key = sealed(shared_log, store, "customer-17", b"old")
    erase(store, key)
    after, again = sealed(shared_log, store, "customer-17", b"new")
    assert (again, repeat(store, "job:retention")) == (key, 0)
    assert opened(shared_log, store, after) == b"new"
    with pytest.raises(Erased):
        opened(shared_log, store, before)
    erase(store, key)
    assert repeat(store, "job:retention") == 0
    with pytest.raises(Erased):
        opened(shared_log, store, after)


def test_a_store_that_never_had_the_key_still_says_erased(
    shared_log: LogDatabase, store: KeyStore, tmp_path: Path
) -> None:
    commit_user(store, Place.tenant, "somebody")
    shutil.copytree(store.folder, tmp_path / "older")
    call, key = sealed(shared_log, store, "customer-17", b"old")
    erase(store, key)
    restored = KeyStore(tmp_path / "older")
    assert repeat_if_behind(restored, "job:retention") == 0
    sealed(shared_log, restored, "customer-17", b"new")
    with pytest.raises(Erased):
        opened(shared_log, restored, call)
