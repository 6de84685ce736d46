"""`python -m routing.bench.appending ASK`: some clients that append until their time is up, or the naive reader beside them.

Every id is made before its transaction commits, as everywhere in Mandate; some transactions stay open for a while.
"""

import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import msgspec
import psycopg

from audit.log.entry import build
from controlplane.kernel.clock import system_clock, to_text
from controlplane.kernel.ids import IdSource

APPEND = "SELECT audit_append(%b::uuid, 'key.created', NULL, 'bench', %b::bytea)"
"""Prepared, in binary, by one cursor: as calls append, so that the load costs the machine as little as may be."""
NAIVE_TICK_SECONDS = 0.2
NAIVE_BATCH = 20_000
_SLOWEST_SECONDS = 0.3
_PAYLOAD = {"note": "x" * 430}


class Ask(msgspec.Struct, frozen=True):
    """What one process does from `since` to `until` (Unix time). Without clients it reads, as everybody writes it first."""

    dsn: str
    since: float
    until: float
    clients: int = 0
    slow: float = 0.02
    seed: int = 0


class Appended(msgspec.Struct, frozen=True):
    """Ids whose commit was acknowledged, with the moment of it; a reader's have none."""

    ids: list[UUID]
    at: list[float]


def append_some(ask: Ask, number: int) -> Appended:
    """One client, one entry a transaction."""
    chance = random.Random(f"{ask.seed}/{number}")  # noqa: S311 - a load, not a secret
    ids, new, made = IdSource(), Appended([], []), _Body()
    with psycopg.connect(ask.dsn, autocommit=True) as db, db.cursor(binary=True) as cursor:
        time.sleep(max(0.0, ask.since - time.time()))
        while time.time() < ask.until:
            one = ids.new()
            if chance.random() < ask.slow:
                with db.transaction():
                    cursor.execute(APPEND, [one, made.of(one)], prepare=True)
                    time.sleep(chance.uniform(0.01, _SLOWEST_SECONDS))
            else:
                cursor.execute(APPEND, [one, made.of(one)], prepare=True)
            new.ids.append(one)
            new.at.append(time.time())
    return new


class _Body:
    """Canonical bytes of about 700 bytes: built once as every entry is, with the id and the time put in for each."""

    def __init__(self) -> None:
        self._id, self._at = IdSource().new(), system_clock()
        self._built = build(
            "key.created",
            id=self._id,
            at=self._at,
            actor="cli:bench",
            tenant="bench",
            subject="key:bench",
            data=_PAYLOAD,
        ).body

    def of(self, one: UUID) -> bytes:
        """The bytes of this entry."""
        now = to_text(system_clock()).encode()
        return self._built.replace(self._id.hex.encode(), one.hex.encode()).replace(
            to_text(self._at).encode(), now
        )


def append_all(ask: Ask) -> Appended:
    """All clients of this process."""
    with ThreadPoolExecutor(ask.clients) as pool:
        found = list(pool.map(lambda number: append_some(ask, number), range(ask.clients)))
    return Appended(
        [one for each in found for one in each.ids], [t for each in found for t in each.at]
    )


def read_on(ask: Ask) -> Appended:
    """The greatest id so far is remembered, and what is greater is read next."""
    last, seen = UUID(int=0), Appended([], [])
    query = "SELECT id FROM audit_entry WHERE id > %s ORDER BY id LIMIT %s"
    with psycopg.connect(ask.dsn, autocommit=True) as db:
        ends = False
        while not ends:
            ends = time.time() > ask.until
            while rows := db.execute(query, [last, NAIVE_BATCH]).fetchall():
                seen.ids.extend(row[0] for row in rows)
                last = rows[-1][0]
            time.sleep(NAIVE_TICK_SECONDS)
    return seen


if __name__ == "__main__":
    asked = msgspec.json.decode(sys.argv[1], type=Ask)
    told = append_all(asked) if asked.clients else read_on(asked)
    sys.stdout.buffer.write(msgspec.json.encode(told))
