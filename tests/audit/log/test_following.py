"""Following the log: in the order of (xid, id), up to the horizon, batch by batch, each entry once."""

import time

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audit.log.append import append
from audit.log.effect import out_of_order
from audit.log.entry import build
from audit.log.following import Followed, Place, follow, horizon
from controlplane.kernel.clock import system_clock
from controlplane.kernel.ids import IdSource

pytestmark = pytest.mark.django_db(transaction=True)
_ids = IdSource()


def put(kind: str, subject: str) -> None:
    with transaction.atomic():
        append(
            build(
                kind, id=_ids.new(), at=system_clock(), actor="cli:test", subject=subject, data={}
            )
        )


def over() -> Place:
    """A horizon above everything that is committed now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        mine = cursor.fetchone()[0]
    ends = time.monotonic() + 60
    while (found := horizon()).xid <= mine:
        assert time.monotonic() < ends
        time.sleep(0.01)
    return found


def test_every_entry_of_a_kind_comes_once_in_order_and_in_batches() -> None:
    place = over()
    for number in range(5):
        put("token.created", f"n{number}")
        put("token.revoked", f"other{number}")
    until = over()
    told: list[bytes] = []
    batches = 0
    more = True
    while more:
        found = follow(place, until, ("token.created",), 2)
        told += found.bodies
        place, more = found.place, found.more
        batches += 1
    assert [body.split(b'"subject":"')[1][:2].decode() for body in told] == [
        f"n{number}" for number in range(5)
    ]
    assert (batches, place) == (3, until)
    assert follow(place, until, ("token.created",), 2) == Followed((), until, more=False)


def test_what_is_not_over_is_not_read() -> None:
    place = over()
    with transaction.atomic():
        append(build("token.created", id=_ids.new(), at=system_clock(), actor="cli:test", data={}))
        inside = horizon()
        assert follow(place, inside, ("token.created",), 9).bodies == ()
    assert len(follow(place, over(), ("token.created",), 9).bodies) == 1


def test_without_a_kind_the_place_moves_and_nothing_is_read() -> None:
    place = over()
    put("token.created", "n")
    until = over()
    assert follow(place, until, (), 9) == Followed((), until, more=False)


def test_each_batch_is_read_along_the_index_and_the_log_is_not_sorted_for_it() -> None:
    until = over()
    with CaptureQueriesContext(connection) as caught, connection.cursor() as cursor:
        follow(Place(0), until, ("token.created",), 2)
        list(out_of_order(cursor, 1))
    asked = [one["sql"] for one in caught if "FROM audit_entry" in one["sql"]]
    assert len(asked) == 2
    for statement in asked:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute(f"EXPLAIN {statement}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "Index Scan" in plan
        assert "Sort  (" not in plan
