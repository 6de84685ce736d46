"""The jobs worker is killed in the middle of a replay: another goes on where it was, counts each call once, and still lets go."""

import time
from typing import Any
from uuid import UUID

import httpx2
import pytest

from tests.faults import hurt
from tests.faults.held import person
from tests.four_eyes import done
from tests.journeys.installation import Installation

pytestmark = pytest.mark.faults
DECISIONS = 6_000
"""Three batches: a job says how far it is after the first."""
LAY = """
SELECT count(decision_put((lpad(to_hex((extract(epoch FROM mandate_now()) * 1000)::bigint - 100 * n), 12, '0') || '7'
         || substr(md5(n::text), 1, 3) || 'a' || substr(md5(n::text), 4, 15))::uuid,
       1::smallint, 'request', d.tenant, d.revision, d.effect, d.digest, d.facts))
  FROM generate_series(1, %s) n,
       (SELECT * FROM policies_decision d WHERE stage = 'request' AND effect = 'permit'
           AND NOT EXISTS (SELECT FROM routing_beside b WHERE b.call = d.call) ORDER BY call DESC LIMIT 1) d
"""
IN_WINDOW = """
SELECT count(DISTINCT call) AS calls FROM policies_decision d, policies_replay r WHERE r.id = %s AND d.stage = 'request'
   AND d.call >= (lpad(to_hex((extract(epoch FROM r.since) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
   AND d.call < (lpad(to_hex((extract(epoch FROM r.until) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
   AND NOT EXISTS (SELECT FROM routing_beside b WHERE b.call = d.call)
"""
"""Shadow runs are no calls of callers: no replay counts them."""
LAPSE = "UPDATE policies_replay SET beat_at = beat_at - interval '30 s' WHERE id = %s RETURNING id"
"""What half a minute without a sign of life would do; the worker that would give one is dead."""


def row_of(it: Installation, drill: str) -> dict[str, Any]:
    columns = "state, done, tries, worker, cursor, digest"
    return it.rows(f"SELECT {columns} FROM policies_replay WHERE id = %s", UUID(drill))[0]


def until(it: Installation, drill: str, state: str) -> dict[str, Any]:
    """Wait for this state."""
    end = time.monotonic() + 60
    while (row := row_of(it, drill))["state"] != state:
        assert time.monotonic() < end, row
        time.sleep(0.05)
    return row


def killed_in_the_middle(it: Installation, client: httpx2.Client, name: str) -> str:
    """A drill whose worker died while it was at it."""
    asked = {"kind": "vendor", "name": name}
    with hurt.paused(it, "policies_replay", "done"):
        drill: str = done(client.post("/exit-drills/", json=asked), 202)["id"]
        hurt.wait_paused(it)
        before = hurt.pids(it, hurt.JOBS)
        assert hurt.kill(it, hurt.JOBS) == before
    row = row_of(it, drill)
    assert (row["state"], row["tries"]) == ("running", 1)
    assert 0 < row["done"] < it.rows(IN_WINDOW, UUID(drill))[0]["calls"]
    return drill


def test_killed_in_the_middle_of_a_replay(broken: Installation) -> None:
    assert broken.rows(LAY, DECISIONS)[0]["count"] == DECISIONS
    with person(broken, "admin") as ada:
        drill = killed_in_the_middle(broken, ada, "google")
        first = row_of(broken, drill)
        broken.rows(LAPSE, UUID(drill))
        last = until(broken, drill, "done")
        assert (last["tries"], last["worker"] != first["worker"]) == (2, True)
        counts = done(ada.get(f"/exit-drills/{drill}/"))["found"]["counts"]
        assert counts["calls"] == broken.rows(IN_WINDOW, UUID(drill))[0]["calls"]
        assert counts["calls"] >= DECISIONS
        kinds = broken.rows(
            "SELECT kind FROM audit_entry WHERE kind LIKE 'replay.%%' AND convert_from(body, 'UTF8') LIKE %s ORDER BY xid",
            f"%{UUID(drill).hex}%",
        )
        assert [row["kind"] for row in kinds] == ["replay.started", "replay.finished"]

        other = killed_in_the_middle(broken, ada, "openai")
        assert done(ada.post(f"/exit-drills/{other}/cancel/", json={}))["state"] == "cancelled"
        small = {"kind": "vendor", "name": "openai", "tenant": "retail"}
        after = done(ada.post("/exit-drills/", json=small), 202)["id"]
        assert until(broken, after, "done")["tries"] == 1
        assert row_of(broken, other)["state"] == "cancelled"
    assert hurt.pids(broken, hurt.JOBS)
