"""Order in the log is order of effect: fold it by (xid, id), and every admission stands under what was in force."""

import json
import random
import threading
import time
from uuid import UUID

import psycopg
import pytest

from audit.log import entry
from controlplane.kernel.clock import system_clock
from policies.identity import commands
from policies.order import lock
from policies.order.ids import new_id
from policies.stops.commands import NewStop, lift_stop, set_stop
from tests.policies.people import ADA
from tests.policies.texts import ensure_organisation, fresh, permission, put, tenant

pytestmark = pytest.mark.usefixtures("application_role")
ADMITTERS, CHANGES = 6, 8


class Admitter(threading.Thread):
    """Admits as routing does: shared lock, then control and key in a later statement, then its writes."""

    def __init__(self, dsn: str, of: str, key: tuple[str, bytes], over: threading.Event) -> None:
        super().__init__(daemon=True)
        self._dsn, self._of, self._key, self._over = dsn, of, key, over
        self.admitted = 0
        self.refused = 0
        self.broken: list[Exception] = []

    def run(self) -> None:
        draw = random.Random(id(self))  # noqa: S311 - pauses, no secret
        try:
            while not self._over.is_set():
                self._admit(draw)
        except psycopg.Error as error:
            self.broken.append(error)

    def _admit(self, draw: random.Random) -> None:
        with psycopg.connect(self._dsn) as db:
            db.execute("SELECT order_shared()")
            time.sleep(draw.random() * 0.01)
            control = db.execute("SELECT revision, stop_epoch FROM policies_control").fetchone()
            stands = db.execute("SELECT key_stands(%s, %s)", self._key).fetchone()
            assert control is not None
            assert stands is not None
            time.sleep(draw.random() * 0.01)
            if not stands[0]:
                self.refused += 1
                return
            self._append(db, *control)
            time.sleep(draw.random() * 0.01)
        self.admitted += 1

    def _append(self, db: psycopg.Connection, revision: int, epoch: int) -> None:
        call = new_id()
        made = entry.build(
            "call.admitted",
            id=new_id(),
            at=system_clock(),
            actor=f"key:{self._key[0]}",
            tenant=self._of,
            call=call,
            data={"revision": revision, "epoch": epoch},
        )
        db.execute(
            "SELECT audit_append(%s, %s, %s, %s, %s)",
            [made.id, made.kind, made.call, made.tenant, made.body],
        )


def test_publish_stop_and_revocation_bind_in_the_order_of_the_log(app_dsn: str) -> None:
    ensure_organisation()
    of = fresh("t")
    put(tenant(of, "claims"))
    made = commands.create_key(ADA, commands.NewKey(tenant=of, team="claims"))
    with psycopg.connect(app_dsn) as db:
        row = db.execute("SELECT hash FROM policies_api_key WHERE id = %s", [made.id]).fetchone()
        assert row is not None
    over, first, start = threading.Event(), new_id(), lock.control()
    admitters = [Admitter(app_dsn, of, (made.id, row[0]), over) for _ in range(ADMITTERS)]
    for admitter in admitters:
        admitter.start()
    for number in range(CHANGES):
        put(permission("p", of, f"{number} > 0"))
        stop = set_stop(ADA, NewStop(kind="route", tenant=of, name="r", reason="x"), exists=True)
        lift_stop(ADA, stop.id, single_operator=True)
    commands.revoke_key(ADA, made.id, "over")
    before, until = sum(a.refused for a in admitters), time.monotonic() + 60
    while sum(a.refused for a in admitters) == before and time.monotonic() < until:
        time.sleep(0.01)
    over.set()
    for admitter in admitters:
        admitter.join(timeout=60)
    assert [a.broken for a in admitters] == [[]] * ADMITTERS
    assert sum(a.admitted for a in admitters) >= 50
    assert sum(a.refused for a in admitters) > 0
    found = _fold(app_dsn, first, (start.revision, start.stop_epoch), (of, made.id))
    assert found == (sum(a.admitted for a in admitters), [])


def _fold(
    dsn: str, first: UUID, start: tuple[int, int], whose: tuple[str, str]
) -> tuple[int, list[str]]:
    """Walk the log from there; how many of our admissions there are, and those that stand elsewhere than they took effect."""
    of, key = whose
    with psycopg.connect(dsn) as db:
        rows = db.execute(
            "SELECT id, kind, tenant, body FROM audit_entry WHERE kind IN "
            "('bundle.activated', 'stop.set', 'stop.lifted', 'key.revoked', 'call.admitted') AND id > %s ORDER BY xid, id",
            [first],
        ).fetchall()
    (revision, epoch), admitted = start, 0
    revoked = False
    wrong: list[str] = []
    for number, kind, tenant_of, body in rows:
        found = json.loads(body)
        data = found["data"]
        if kind == "bundle.activated":
            revision = data["revision"]
        elif kind in {"stop.set", "stop.lifted"}:
            epoch = data["epoch"]
        elif kind == "key.revoked":
            revoked = revoked or found["subject"] == f"key:{key}"
        elif tenant_of == of:
            admitted += 1
            if revoked or (data["revision"], data["epoch"]) != (revision, epoch):
                wrong.append(f"{UUID(str(number))}: {data} under {revision}, {epoch}, {revoked}")
    return admitted, wrong
