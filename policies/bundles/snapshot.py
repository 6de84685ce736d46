"""What is in force, for the hot path: revision, stop epoch, compiled bundle, active stops. Compiled bundles are kept by revision.

A process refuses a bundle whose text, digest or checked forms are not what publish wrote, one of another engine, and one
that the log does not know: the first `bundle.activated` of its revision must name the same digests. So a row that somebody
forged in the database decides nothing, unless the log is forged too, which `audit verify` names.
"""

import asyncio
import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.db import connection
from psycopg_pool import AsyncConnectionPool

from controlplane.kernel.errors import Unavailable
from policies.engine.bundle import Bundle
from policies.engine.compile import load_bundle
from policies.engine.decision import ENGINE
from policies.engine.facts import StopFact
from policies.engine.older import OLDER

KEPT_BUNDLES = 16
_IN_FORCE = """
SELECT c.revision, c.stop_epoch, coalesce((
    SELECT json_agg(json_build_object('id', s.id, 'scope', s.scope) ORDER BY s.set_epoch)
      FROM policies_stop s WHERE s.lifted_at IS NULL), '[]')
  FROM policies_control c WHERE c.id = 1
"""
_MOVED = "SELECT revision, stop_epoch FROM policies_control WHERE id = 1"
_BUNDLE = """
SELECT digest, engine, text, checked, checked_sha256, act_first('bundle.activated', 'revision', revision)
  FROM policies_bundle WHERE revision = %s
"""


class BundleRefused(Unavailable):
    """A stored bundle is not what publish wrote, or needs an engine this release does not have. Nothing is decided with it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A bundle's own bytes, which are those that the log says were put into force."""

    text: bytes
    checked: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was in force at one moment; admission checks `revision` and `epoch` again under the order lock."""

    revision: int
    epoch: int
    bundle: Bundle
    stops: tuple[StopFact, ...]


class Snapshots:
    """The current snapshot of this process and its compiled bundles. One instance for each event loop."""

    def __init__(self, db: AsyncConnectionPool) -> None:
        self._db = db
        self._current: Snapshot | None = None
        self._bundles: OrderedDict[int, Bundle] = OrderedDict()
        self._loading = asyncio.Lock()
        self._compiling = asyncio.Lock()
        self._begun = 0

    async def current(self) -> Snapshot:
        """The last snapshot read; reads one if there is none. Raises Unavailable before `init`, BundleRefused."""
        return self._current or await self.reload()

    async def reload(self) -> Snapshot:
        """A snapshot read after this call was made; callers that wait at the same time share one reading."""
        asked = self._begun
        async with self._loading:
            if self._begun == asked or self._current is None:
                self._begun += 1
                self._current = await self._read()
            return self._current

    async def follow(self) -> None:
        """Read anew when another revision or stop epoch is in force: for what asks nobody, such as a list of routes."""
        if self._current is None:
            return
        async with self._db.connection() as db:
            row = await (await db.execute(_MOVED)).fetchone()
        if row != (self._current.revision, self._current.epoch):
            await self.reload()

    async def at(self, revision: int) -> Bundle:
        """The compiled bundle of a revision, from memory or PostgreSQL. Raises Unavailable if never published, BundleRefused."""
        found = self._bundles.get(revision)
        if found is not None:
            self._bundles.move_to_end(revision)
            return found
        async with self._compiling:
            found = self._bundles.get(revision)
            if found is None:
                found = await self._compile(revision)
                self._bundles[revision] = found
                while len(self._bundles) > KEPT_BUNDLES:
                    self._bundles.popitem(last=False)
            return found

    async def _read(self) -> Snapshot:
        async with self._db.connection() as db:
            row = await (await db.execute(_IN_FORCE)).fetchone()
        revision, epoch, stops = _in_force(row)
        return Snapshot(revision, epoch, await self.at(revision), stops)

    async def _compile(self, revision: int) -> Bundle:
        async with self._db.connection() as db:
            row = await (await db.execute(_BUNDLE, [revision])).fetchone()
        # compiling takes longer than anything else a loop may do
        return await asyncio.to_thread(compiled, revision, row)


class _Kept:
    """The last bundle that Django code of this process asked for."""

    lock = threading.Lock()
    bundle: Bundle | None = None


def published() -> Snapshot:
    """What is in force now, for Django code: read anew each time, compiled once a revision. Raises as `Snapshots.current`."""
    with connection.cursor() as cursor:
        cursor.execute(_IN_FORCE)
        revision, epoch, stops = _in_force(cursor.fetchone())
        with _Kept.lock:
            if _Kept.bundle is None or _Kept.bundle.revision != revision:
                cursor.execute(_BUNDLE, [revision])
                _Kept.bundle = compiled(revision, cursor.fetchone())
            return Snapshot(revision, epoch, _Kept.bundle, stops)


def bundle_at(revision: int) -> Bundle:
    """The compiled bundle of any revision, for Django code ("decide again"). Raises as `Snapshots.at`."""
    with connection.cursor() as cursor:
        cursor.execute(_BUNDLE, [revision])
        return compiled(revision, cursor.fetchone())


def stored_at(revision: int) -> Stored:
    """The bytes of any revision, for Django code that hands them on. Raises as `Snapshots.at`."""
    with connection.cursor() as cursor:
        cursor.execute(_BUNDLE, [revision])
        return stored(revision, cursor.fetchone())


def compiled(revision: int, row: tuple[Any, ...] | None) -> Bundle:
    """Compile a stored bundle after checking that it is what publish wrote. Raises Unavailable, BundleRefused."""
    found = stored(revision, row)
    if row is not None and row[1] not in (ENGINE, *OLDER):
        raise BundleRefused(f"revision {revision} needs engine {row[1]}; this release has {ENGINE}")
    return load_bundle(revision, found.text, found.checked)


def stored(revision: int, row: tuple[Any, ...] | None) -> Stored:
    """A bundle's row and its entry, compared. Raises Unavailable, BundleRefused."""
    if row is None:
        raise Unavailable(f"revision {revision} was never published")
    digest, text, checked, pinned = bytes(row[0]), *map(bytes, row[2:5])
    if sha256(text).digest() != digest:
        raise BundleRefused(f"the text of revision {revision} does not match its digest")
    if sha256(checked).digest() != pinned:
        raise BundleRefused(f"the checked forms of revision {revision} do not match their digest")
    if row[5] is None:
        raise BundleRefused(f"the log does not know revision {revision}: nobody published it")
    # INVARIANT: only what was published decides; the log says what that was, and no row beside it
    said = json.loads(bytes(row[5]))["data"]
    if (said.get("digest"), said.get("checked")) != (digest.hex(), pinned.hex()):
        raise BundleRefused(
            f"revision {revision} is not the bundle that was published: "
            f"its bundle.activated names digest {said.get('digest')}"
        )
    return Stored(text, checked)


def _in_force(row: tuple[Any, ...] | None) -> tuple[int, int, tuple[StopFact, ...]]:
    if row is None or not row[0]:
        raise Unavailable("nothing is published yet; run `manage.py init`")
    revision, epoch, stops = row
    facts = tuple(
        StopFact(
            kind=stop["scope"]["kind"],
            tenant=stop["scope"]["tenant"],
            name=stop["scope"]["name"],
            id=stop["id"],
        )
        for stop in (stops if isinstance(stops, list) else json.loads(stops))
    )
    return revision, epoch, facts
