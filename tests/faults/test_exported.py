"""The jobs worker is killed in the middle of a large export, twice: the file is made anew, and whole."""

import csv
import time
from datetime import timedelta
from hashlib import sha256
from io import StringIO
from typing import Any
from uuid import UUID

import pytest

from controlplane.kernel.clock import system_clock
from tests.faults import hurt
from tests.faults.held import person
from tests.four_eyes import done
from tests.journeys.installation import Installation

pytestmark = pytest.mark.faults
CALLS = 2_500
LAY = """
WITH c AS (
  INSERT INTO routing_call (id, revision, stop_epoch, admitted_at, deadline_at, moved_at, finished_at, attempts, stream, state,
                            tenant, team, key, route, dialect)
  SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint - n), 12, '0') || '7' || substr(md5(n::text), 1, 3) || 'b'
          || substr(md5(n::text), 4, 15))::uuid, 1, 0, at, at, at, at, 1, false, 'completed',
         'laid', 't', 'k', repeat('r', 1000), 'd'
    FROM generate_series(1, %s) n, mandate_now() at RETURNING id),
a AS (
  INSERT INTO routing_attempt (call, revision, reserved_nano, started_at, settled_at, no, state, model, provider, windows)
  SELECT id, 1, 0, now(), now(), 1, 'succeeded', 'm', 'p', '{}' FROM c RETURNING call)
SELECT count(*) FROM a"""
"""A thousand bytes and more a line: three pieces of a file."""
LAPSE = "UPDATE routing_file SET beat_at = beat_at - interval '60 s' WHERE id = %s RETURNING id"
"""What a minute without a sign of life would do; the worker that would give one is dead."""
PARTS = "SELECT count(*) FROM routing_file_part WHERE file = %s"


def row_of(it: Installation, file: str) -> dict[str, Any]:
    columns = "state, tries, parts, worker, size_bytes, sha256"
    return it.rows(f"SELECT {columns} FROM routing_file WHERE id = %s", UUID(file))[0]


def killed(it: Installation, tries: int) -> None:
    """Kill who has written the first piece of three and is about to write the next."""
    hurt.wait_paused(it)
    before = hurt.pids(it, hurt.JOBS)
    assert hurt.kill(it, hurt.JOBS) == before
    (row,) = it.rows("SELECT state, tries, parts FROM routing_file ORDER BY id DESC LIMIT 1")
    assert row == {"state": "running", "tries": tries, "parts": 1}


def test_killed_in_the_middle_of_an_export(broken: Installation) -> None:
    assert broken.rows(LAY, CALLS)[0]["count"] == CALLS
    now = system_clock()
    # whatever month it is there and here
    first, last = (f"{now + timedelta(days=day):%Y-%m}" for day in (-2, 2))
    with person(broken, "finance") as finn:
        ask = {"figures": "calls", "first": first, "last": last}
        with hurt.paused(broken, "routing_file", "parts"):
            file: str = done(finn.post("/exports/", json=ask), 202)["id"]
            killed(broken, 1)
        workers = {row_of(broken, file)["worker"]}
        with hurt.paused(broken, "routing_file", "parts"):
            broken.rows(LAPSE, UUID(file))
            killed(broken, 2)
        workers.add(row_of(broken, file)["worker"])
        assert broken.rows(PARTS, UUID(file))[0]["count"] == 1
        broken.rows(LAPSE, UUID(file))
        end = time.monotonic() + 60
        while (row := row_of(broken, file))["state"] != "ready":
            assert time.monotonic() < end, row
            time.sleep(0.05)
        assert (row["tries"], len(workers | {row["worker"]})) == (3, 3)
        assert row["parts"] == broken.rows(PARTS, UUID(file))[0]["count"] == 3
        told = done(finn.get(f"/exports/{file}/"))
        body = finn.get(f"/exports/{file}/download/").raise_for_status().content
    assert sha256(body).hexdigest() == row["sha256"] == told["sha256"]
    assert len(body) == row["size_bytes"] == told["sizeBytes"]
    lines = [line for line in csv.DictReader(StringIO(body.decode())) if line["tenant"] == "laid"]
    assert len({line["call"] for line in lines}) == len(lines) == CALLS
    assert {line["route"] for line in lines} == {"r" * 1000}
