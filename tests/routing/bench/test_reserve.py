"""What `bench reserve` counts, that its load reserves as calls do, and that its naive way only counts."""

import asyncio
import hashlib
import time

import psycopg
import pytest

from controlplane.kernel.ids import IdSource
from routing.bench.calls import Mismatch
from routing.bench.reserve import LEVELS, Sizes, _check, _windows, figures
from routing.bench.reserving import Ask, Reserved, reserve
from routing.calls.pool import Database
from tests.routing.world import KEY_HASH, make_world

SIZES = Sizes(clients=2, seconds=2.0, edge_nano=10)


def test_the_figures_of_a_run() -> None:
    simple = Reserved([float(n) for n in range(1, 101)], 0)
    assert figures(SIZES, simple, Reserved([1.0] * 30, 0), 0) == {
        "simple_per_s": 50.0,
        "naive_per_s": 15.0,
        "p99_ms": 99.0,
        "over": 0,
        "p50_ms": 50.5,
        "edge_full": True,
        "clients": 2,
        "seconds": 2.0,
    }
    assert figures(SIZES, simple, simple, 7)["over"] == 7
    assert figures(SIZES, simple, simple, -1)["edge_full"] is False


async def test_the_load_fills_four_levels_and_stops_there(db: Database, app_dsn: str) -> None:
    assert hashlib.sha256(b"key").digest() == KEY_HASH
    world, name = await make_world(db), IdSource().new().hex[-12:]
    with psycopg.connect(app_dsn, autocommit=True) as plain:
        windows = _windows(plain, name, 7)
        assert [rank for _, _, rank in windows] == list(range(len(LEVELS)))
        now = time.time()
        ask = Ask(app_dsn, now, now + 30, 3, world.tenant, world.key, KEY_HASH.hex(), windows)
        told = await reserve(ask)
        assert (len(told.took_ms), told.refused) == (7, 3)
        assert [await world.money(w) for w, _, _ in windows] == [(0, 7, 0)] * 4
        assert [await world.scan(w) for w, _, _ in windows] == [(0, 7, 0)] * 4

        naive = _windows(plain, f"naive-{name}", 5)[-1:]
        plain.execute("UPDATE routing_ledger_window SET limit_nano = 5 WHERE id = %s", naive[0][:1])
        other = await reserve(Ask(app_dsn, now, now + 30, 2, world.tenant, world.key, "", naive, naive=True))  # fmt: skip
        assert (len(other.took_ms), other.refused) == (5, 2)
        query = "SELECT count(*) FROM audit_entry WHERE tenant = %s AND kind = 'call.admitted'"
        assert plain.execute(query, [world.tenant]).fetchone() == (12,)
        # a counter without its attempts is found
        with pytest.raises(Mismatch, match="windows that are not their scan"):
            await asyncio.to_thread(_check, plain, naive, 0)
