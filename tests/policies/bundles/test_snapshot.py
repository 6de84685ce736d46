"""What is in force, for the hot path: read as one, compiled once, and refused when it is not what publish wrote."""

import asyncio
import json
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections, transaction
from psycopg_pool import AsyncConnectionPool

from audit.merkle import canonical
from controlplane.kernel.clock import system_clock
from controlplane.kernel.errors import Unavailable
from policies.bundles import snapshot as room
from policies.bundles.published import at_revision
from policies.bundles.read import stoppable
from policies.bundles.snapshot import BundleRefused, Snapshots, bundle_at, compiled, published
from policies.engine.bundle import Bundle as Compiled
from policies.engine.facts import StopFact
from policies.order.entries import append_entry
from policies.stops.commands import NewStop, lift_stop, set_stop
from tests.policies.people import ADA
from tests.policies.texts import ensure_organisation, fresh, permission, put, tenant

pytestmark = pytest.mark.usefixtures("application_role")


@pytest.fixture(autouse=True)
def _organisation(transactional_db: None) -> None:
    ensure_organisation()


@pytest.fixture
async def pool(app_dsn: str) -> AsyncIterator[AsyncConnectionPool]:
    async with AsyncConnectionPool(
        app_dsn, min_size=1, max_size=4, open=False, kwargs={"autocommit": True}
    ) as found:
        yield found
    await sync_to_async(connections.close_all)()


async def test_a_snapshot_is_kept_until_it_is_asked_for_anew(pool: AsyncConnectionPool) -> None:
    snapshots = Snapshots(pool)
    first = await snapshots.current()
    outcome = await sync_to_async(put)(tenant(fresh("t"), "x"))
    assert await snapshots.current() is first
    second = await snapshots.reload()
    assert second.revision == outcome.revision == second.bundle.revision
    assert bytes.fromhex(second.bundle.digest) == outcome.digest
    assert await snapshots.current() is second


async def test_stops_come_with_their_epoch(pool: AsyncConnectionPool) -> None:
    name = fresh("m")
    snapshots = Snapshots(pool)
    before = await snapshots.current()
    wanted = NewStop(kind="model", name=name, reason="odd")
    stop = await sync_to_async(set_stop)(ADA, wanted, exists=True)
    found = await snapshots.reload()
    assert found.epoch == before.epoch + 1 == stop.set_epoch
    assert StopFact(kind="model", name=name, id=str(stop.id)) in found.stops
    assert found.bundle is before.bundle
    await sync_to_async(lift_stop)(ADA, stop.id, single_operator=True)
    found = await snapshots.reload()
    assert found.epoch == before.epoch + 2
    assert name not in {s.name for s in found.stops}


async def test_an_old_revision_stays_readable_and_is_compiled_once(
    pool: AsyncConnectionPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = fresh("t")
    old = await sync_to_async(put)(tenant(name, "x"))
    await sync_to_async(put)(tenant(name, "x", "y"))
    made: list[int] = []

    def count(revision: int, row: tuple[object, ...] | None) -> Compiled:
        made.append(revision)
        return compiled(revision, row)

    monkeypatch.setattr(room, "compiled", count)
    snapshots = Snapshots(pool)
    bundles = await asyncio.gather(*(snapshots.at(old.revision) for _ in range(5)))
    assert {id(b) for b in bundles} == {id(bundles[0])}
    assert made == [old.revision]
    assert bundles[0].tenants[name].spec["teams"] == ["x"]
    with pytest.raises(Unavailable):
        await snapshots.at(old.revision + 1000)


async def test_only_the_last_bundles_are_kept(
    pool: AsyncConnectionPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "KEPT_BUNDLES", 2)
    name = fresh("t")
    snapshots = Snapshots(pool)
    revisions = []
    for team in ("a", "b", "c"):
        outcome = await sync_to_async(put)(tenant(name, team))
        revisions.append(outcome.revision)
        await snapshots.at(outcome.revision)
    assert list(snapshots._bundles) == revisions[1:]


async def test_callers_that_wait_share_one_reading(
    pool: AsyncConnectionPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots = Snapshots(pool)
    await snapshots.current()
    reads: list[int] = []
    read = snapshots._read

    async def count() -> room.Snapshot:
        reads.append(1)
        return await read()

    monkeypatch.setattr(snapshots, "_read", count)
    found = await asyncio.gather(*(snapshots.reload() for _ in range(20)))
    assert len(reads) <= 2
    assert {s.revision for s in found} == {found[0].revision}


def test_django_code_sees_what_is_in_force() -> None:
    name = fresh("t")
    first = published()
    assert published().bundle is first.bundle
    outcome = put(tenant(name, "x"), permission("p", name))
    found = published()
    assert found.revision == outcome.revision
    assert name in found.bundle.tenants
    assert name not in bundle_at(first.revision).tenants


def stored_row(revision: int) -> list[Any]:
    """What a process reads of a revision."""
    with connection.cursor() as cursor:
        cursor.execute(room._BUNDLE, [revision])
        found = cursor.fetchone()
    assert found is not None
    return [bytes(value) if isinstance(value, memoryview) else value for value in found]


@pytest.mark.parametrize("column", [0, 1, 2, 3, 4])
def test_a_bundle_that_is_not_what_publish_wrote_is_refused(column: int) -> None:
    revision = published().revision
    values = stored_row(revision)
    assert compiled(revision, tuple(values)).revision == revision
    found = values[column]
    values[column] = found + 1 if isinstance(found, int) else bytes([found[0] ^ 1]) + found[1:]
    with pytest.raises(BundleRefused):
        compiled(revision, tuple(values))


def forged(revision: int, lifted: str) -> tuple[bytes, bytes]:
    """The digest and the text of a revision without one permission: right in itself, and never published."""
    whole = json.loads(stored_row(revision)[2])
    whole["documents"] = [d for d in whole["documents"] if d["metadata"]["name"] != lifted]
    text = canonical.dumps(whole)
    return sha256(text).digest(), text


FORGED_ROW = """
INSERT INTO policies_bundle (revision, digest, engine, text, checked, checked_sha256, actor, flagged, published_at)
SELECT revision + 1, %s, engine, %s, checked, checked_sha256, 'cli:nobody', false, published_at
  FROM policies_bundle WHERE revision = %s
"""


def test_a_row_that_somebody_forged_decides_nothing() -> None:
    of, forbid = fresh("t"), fresh("no-calls")
    revision = put(tenant(of, "x"), permission(forbid, of, effect="forbid")).revision
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(FORGED_ROW, [*forged(revision, forbid), revision])
        cursor.execute("UPDATE policies_control SET revision = %s", [revision + 1])
        unknown = f"does not know revision {revision + 1}"
        with pytest.raises(BundleRefused, match=unknown):
            published()
        with pytest.raises(BundleRefused, match=unknown):
            bundle_at(revision + 1)
        with pytest.raises(BundleRefused, match=unknown):
            at_revision(revision + 1)
        transaction.set_rollback(True)
    assert forbid in {rule.name for rule in published().bundle.rules}


def refusal(revision: int, values: list[Any]) -> str:
    """Why a process refuses these values; empty where it decides with them."""
    try:
        compiled(revision, tuple(values))
    except BundleRefused as error:
        return error.message
    return ""


def test_a_forged_row_does_not_get_by_with_the_entry_of_another_bundle() -> None:
    of, forbid = fresh("t"), fresh("no-calls")
    revision = put(tenant(of, "x"), permission(forbid, of, effect="forbid")).revision
    values = stored_row(revision)
    values[0], values[2] = forged(revision, forbid)
    assert "is not the bundle that was published" in refusal(revision, values)
    # forms of its own, with the same text: a condition that was never checked so
    values = stored_row(revision)
    values[3] = values[3] + b"\x00"
    values[4] = sha256(values[3]).digest()
    assert "is not the bundle that was published" in refusal(revision, values)


def test_an_entry_that_somebody_appended_later_changes_nothing() -> None:
    of, forbid = fresh("t"), fresh("no-calls")
    revision = put(tenant(of, "x"), permission(forbid, of, effect="forbid")).revision
    said = stored_row(revision)[5]
    with transaction.atomic():
        digest, _ = forged(revision, forbid)
        data = {"revision": revision, "digest": digest.hex(), "checked": "00"}
        append_entry("bundle.activated", actor="cli:nobody", at=system_clock(), data=data)
        assert stored_row(revision)[5] == said
        transaction.set_rollback(True)


def test_what_can_be_stopped() -> None:
    name = fresh("t")
    put(tenant(name, "x"))
    bundle = published().bundle
    assert stoppable(bundle, "everything", "", "")
    assert stoppable(bundle, "tenant", "", name)
    assert not stoppable(bundle, "tenant", "", fresh("t"))
    assert not stoppable(bundle, "model", name, "nothing")
    assert not stoppable(bundle, "key", name, "00000000")
