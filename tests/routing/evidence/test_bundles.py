"""Who gets which evidence: nothing of another tenant (invariant 7), nothing in the clear (9), and only while one may."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import LazySettings
from django.db import connection, transaction

from audit.evidence import Settled
from audit.log.models import Entry
from audit.vault.keys import Erased
from controlplane.kernel.clock import from_text
from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest, NotFound
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.bundles.models import Bundle
from policies.order.lock import control, mandate_now
from routing.calls import commands as calls
from routing.calls.pool import open_pool
from routing.evidence import access, commands, making
from routing.evidence.asks import Ask
from routing.evidence.beside import Facts
from routing.evidence.orders import order
from routing.files import commands as files
from routing.files import making as jobs
from routing.files import read
from routing.files.kinds import EVIDENCE
from routing.files.models import EXPIRED, FAILED, READY, File, FilePart
from routing.reports.content import store
from tests.policies.texts import ensure_organisation, fresh, permission, put, tenant
from tests.refusing import refuses_first
from tests.routing.world import World, make_world

CLEO = Principal("member", "cleo@acme.example", "Cleo", {ORGANISATION: frozenset({"auditor"})})
CANARY = b"entries of calls and who asked for what" * 40_000


def reader(place: str, role: str = "auditor", name: str = "rui") -> Principal:
    return Principal("member", f"{name}@acme.example", name.title(), {place: frozenset({role})})


@pytest.fixture
def keys(transactional_db: None, settings: LazySettings, tmp_path: Path) -> Iterator[None]:
    """A key store that goes with the test; nothing of other tests waits to be made."""
    settings.MANDATE_KEYS_DIR = tmp_path / "keys"
    store.cache_clear()
    File.objects.filter(state__in=("waiting", "running")).update(state=FAILED)
    yield
    store.cache_clear()


@pytest.fixture
def place(keys: None) -> str:
    """A tenant that is published, with a permission of its own."""
    ensure_organisation()
    name = fresh("t")
    put(tenant(name, "claims"), permission("may-call", name))
    return name


def in_world(app_dsn: str, work: Callable[[World], Awaitable[UUID]]) -> UUID:
    async def run() -> UUID:
        pool = await open_pool(app_dsn, 2)
        try:
            world = await make_world(pool)
            await world.control()
            return await work(world)
        finally:
            await pool.close()

    return asyncio.run(run())


def test_what_an_ask_must_say() -> None:
    for wrong in (
        {"scope": "planet"},
        {"scope": "tenant"},
        {"scope": "call", "tenant": "t"},
        {"scope": "log", "tenant": "t"},
        {"scope": "use-case", "name": "x"},
        {"scope": "policy", "document": "Poem", "name": "x"},
        {"since": mandate_like(2), "until": mandate_like(1)},
        {"kept_size": -1},
    ):
        with pytest.raises(InvalidRequest):
            Ask(**wrong)
    ask = Ask(scope="policy", tenant="t", document="Permission", name="p", since=mandate_like(1))
    assert Ask.of(json.loads(json.dumps(ask.stored()))) == ask
    assert str(ask) == "policy Permission t/p"
    assert str(Ask()) == "log"


def mandate_like(day: int) -> Any:
    return from_text(f"2026-11-0{day}T00:00:00.000Z")


def test_whose_entries_one_may_have_put_into_a_bundle(place: str) -> None:
    mine = Ask(scope="tenant", tenant=place)
    assert access.require(CLEO, Ask()) is None
    assert access.require(CLEO, mine) == place
    assert access.require(reader(place), mine) == place
    with pytest.raises(NotFound, match="there is no tenant"):
        access.require(reader("elsewhere"), mine)
    with pytest.raises(Forbidden):
        access.require(reader(place), Ask())
    with pytest.raises(Forbidden):
        access.require(reader(place, "developer"), mine)
    with pytest.raises(Forbidden):
        access.require(reader(place), Ask(scope="policy", document="Permission", name="p"))


def test_a_call_of_another_tenant_is_no_call(keys: None, app_dsn: str) -> None:
    places: list[str] = []

    async def admitted(world: World) -> UUID:
        places.append(world.tenant)
        admission = world.admission()
        await calls.admit(world.db, admission)
        return admission.asked.call

    call = in_world(app_dsn, admitted)
    ask = Ask(scope="call", call=call)
    assert access.require(reader(places[0]), ask) == places[0]
    with pytest.raises(NotFound, match="there is no call"):
        access.require(reader("elsewhere"), ask)
    found = order(CLEO, ask)
    assert (found.selection.tenant, found.selection.calls) == (places[0], (call,))
    assert found.scope == {"kind": "call", "call": call.hex}


def test_a_tenants_bundle_shows_its_own_documents_and_the_organisations(place: str) -> None:
    other = fresh("t")
    put(tenant(other, "claims"), permission("secret-rule", other))
    revision = control().revision
    shown = json.loads(Facts(place).policy(revision))
    named = {(one["kind"], one["metadata"].get("tenant", "")) for one in shown["documents"]}
    assert ("Permission", place) in named
    assert ("Organisation", "") in named
    assert other not in json.dumps(shown)
    whole = Facts(None).policy(revision)
    digest = bytes(Bundle.objects.get(revision=revision).digest)
    assert hashlib.sha256(whole).digest() == digest
    assert other.encode() in whole


@pytest.mark.usefixtures("keys")
def test_the_ledger_says_nothing_of_what_it_does_not_know() -> None:
    assert list(Facts(None).postings([Settled(UUID(int=7), 1)])) == []


def test_what_a_document_was_and_when(place: str) -> None:
    ask = Ask(scope="policy", tenant=place, document="Permission", name="may-call")
    assert order(CLEO, ask).selection.tenant == place
    acts = order(CLEO, Ask(scope="policy", document="Organisation", name="acme")).selection
    assert acts.tenant is None
    kinds = set(Entry.objects.filter(pk__in=acts.entries).values_list("kind", flat=True))
    assert "bundle.activated" in kinds
    with pytest.raises(NotFound, match="there never was a document"):
        order(CLEO, Ask(scope="policy", tenant=place, document="Permission", name="none"))
    with pytest.raises(NotFound, match="no call was decided"):
        order(CLEO, Ask(scope="use-case", tenant=place, name="none"))


def begun(by: Principal, place: str) -> File:
    return commands.begin(by, Ask(scope="tenant", tenant=place))


@refuses_first("evidence.begin", "evidence.told")
def test_asking_is_an_entry_and_has_an_end(place: str) -> None:
    row = begun(CLEO, place)
    entry = Entry.objects.filter(kind="export.created", tenant=place).get()
    said = json.loads(bytes(entry.body))
    assert said["actor"] == "member:cleo@acme.example"
    assert said["data"] == {
        "evidence": row.id.hex,
        "opens": "",
        "scope": {"kind": "tenant", "tenant": place},
        "what": "evidence",
    }
    for _ in range(4):
        begun(CLEO, place)
    with pytest.raises(Conflict, match="5 of your evidence bundles"):
        begun(CLEO, place)
    with pytest.raises(NotFound):
        begun(reader("elsewhere"), place)
    assert Entry.objects.filter(kind="export.created", tenant=place).count() == 5
    # what is written at once is an entry, too, for whoever may
    mine = Ask(scope="tenant", tenant=place)
    with pytest.raises(NotFound):
        commands.told(reader("elsewhere"), mine, mandate_now(), 7)
    with transaction.atomic():
        commands.told(CLEO, mine, mandate_now(), 7)
    said = json.loads(bytes(Entry.objects.filter(tenant=place).latest("id").body))
    assert (said["data"]["entries"], said["data"]["scope"]["tenant"]) == (7, place)


def test_a_bundle_is_its_askers_and_only_while_they_may(place: str) -> None:
    row = begun(reader(place), place)
    assert access.one(reader(place), row.id).id == row.id
    for other in (CLEO, reader(place, name="mallory")):
        with pytest.raises(NotFound):
            access.one(other, row.id)
    with pytest.raises(Forbidden):
        access.one(reader(place, "developer"), row.id)
    with pytest.raises(NotFound):
        access.one(reader("elsewhere"), row.id)


def test_its_bytes_lie_sealed_and_are_gone_with_their_key(place: str) -> None:
    begun(reader(place), place)
    claimed = files.claim(EVIDENCE)
    assert claimed is not None
    row, principal = claimed
    assert principal == reader(place)
    assert files.claim(EVIDENCE) is None
    pieces = list(jobs.pieces([CANARY[:900_000], CANARY[900_000:]]))
    assert [len(piece) for piece in pieces] == [1_048_576, len(CANARY) - 1_048_576]
    assert all(files.keep(row, piece) for piece in pieces)
    assert files.finish(row, hashlib.sha256(CANARY).hexdigest())
    row.refresh_from_db()
    assert (row.state, row.size_bytes, row.parts) == (READY, len(CANARY), 2)
    for part in FilePart.objects.filter(file=row.id):
        # INVARIANT: no byte of it is in PostgreSQL in the clear
        assert b"who asked for what" not in bytes(part.data)
    assert b"".join(read.pieces_of(row)) == CANARY
    assert files.expire(EVIDENCE) == 0
    File.objects.filter(pk=row.pk).update(expires_at=mandate_now() - timedelta(seconds=1))
    assert files.expire(EVIDENCE) == 1
    row.refresh_from_db()
    assert row.state == EXPIRED
    assert not FilePart.objects.filter(file=row.id).exists()
    assert store().get(EVIDENCE.key_of(row.id)) is None
    with pytest.raises(Erased):
        list(read.pieces_of(row))


def test_a_worker_that_lost_it_writes_no_more(place: str) -> None:
    begun(CLEO, place)
    first, _ = files.claim(EVIDENCE) or pytest.fail("nothing to claim")
    assert files.keep(first, b"one")
    File.objects.filter(pk=first.pk).update(beat_at=mandate_now() - timedelta(minutes=2))
    second, _ = files.claim(EVIDENCE) or pytest.fail("nothing to claim")
    assert (second.id, second.tries) == (first.id, 2)
    assert not FilePart.objects.filter(file=first.id).exists()
    assert not files.keep(first, b"two")
    assert not files.finish(first, "")
    files.broke(second, "the log is away")
    second.refresh_from_db()
    assert (second.state, second.told) == (FAILED, "the log is away")


def test_what_cannot_be_made_says_why(place: str) -> None:
    row = begun(CLEO, place)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_checkpoint")
        signed = cursor.fetchone()[0]
    assert making.make_next() == row.id
    row.refresh_from_db()
    assert row.state == FAILED
    nothing = "there is no entry" if signed else "nothing is signed yet"
    assert row.told.startswith(nothing)
    assert making.make_next() is None
