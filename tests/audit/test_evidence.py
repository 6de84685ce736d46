"""Bundles out of a real log: what `auditverify.py` says of them, beside what `audit verify` says of the database."""

import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from audit.auditverify import Bundle
from audit.evidence import Order, Selection, Settled, Snapshot
from audit.verify import Source, verify
from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from tests.audit.bundles import ACTIVATED, POLICY, call_id, judged
from tests.audit.bundles import entry as made_up
from tests.audit.conftest import APPEND, LogDatabase, an_entry, database, row_of
from tests.audit.test_verify import tampered

BOTH = ("insurance", "bank")


@dataclass
class Beside:
    """What other apps would lay beside the entries."""

    opened: list[tuple[str, bytes]] = field(default_factory=list)

    def postings(self, settled: Sequence[Settled]) -> Iterable[Mapping[str, Any]]:
        for call, no in settled:
            yield {
                "call": call.hex,
                "attempt": no,
                "kind": "succeeded",
                "basis": "reported",
                "posted": "120",
                "overrun": "0",
            }

    def policy(self, revision: int) -> bytes:
        assert revision == 1
        return POLICY

    def openings(self) -> Iterable[tuple[str, bytes]]:
        return self.opened


def a_call(number: int) -> list[Any]:
    """The four entries of a plain call, of one tenant or the other."""
    steps = (
        made_up("call.admitted", number),
        made_up("attempt.started", number),
        made_up("attempt.succeeded", number, amount="120", basis="reported"),
        made_up("call.completed", number),
    )
    tenant = BOTH[number % 2]
    return [an_entry(k, call=c, data=d, tenant=tenant, subject=f"of-{tenant}") for k, c, d in steps]


def append(log: LogDatabase, entries: Iterable[Any]) -> None:
    with log.app() as db, db.transaction():
        for one in entries:
            db.execute(APPEND, row_of(one))


@pytest.fixture(scope="module")
def busy(_template: str) -> Iterator[LogDatabase]:
    """1 + 4 × 75 entries, in two checkpoints: one full tile and the beginning of another. Tests only read it."""
    kind, _, data = ACTIVATED
    with database(_template) as log:
        append(log, [an_entry(kind, data=data)])
        for numbers in (range(20), range(20, 75)):
            append(log, (each for number in numbers for each in a_call(number)))
            log.sequence()
        yield log


EVERYTHING = Selection()


def bundle(log: LogDatabase, selection: Selection = EVERYTHING, **more: Any) -> bytes:
    scope = more.pop("scope", {"kind": "log"})
    beside = more.pop("beside", Beside())
    order = Order(scope=scope, selection=selection, beside=beside, **more)
    with log.app() as db, db.cursor() as cursor:
        return b"".join(Snapshot(cursor, order).archive())


def note_of(log: LogDatabase, seq: int) -> tuple[int, str]:
    with log.app() as db:
        row = db.execute("SELECT size, note FROM audit_checkpoint WHERE seq = %s", [seq]).fetchone()
    assert row is not None
    return row[0], row[1]


def check(folder: Path, log: LogDatabase, data: bytes, kept: str = "") -> Bundle:
    return judged(folder, data, log.key, kept)


def test_a_whole_log(busy: LogDatabase, tmp_path: Path) -> None:
    data = bundle(busy)
    found, ours = check(tmp_path, busy, data), busy.verify()
    assert (found.findings, ours.findings) == ([], ())
    assert found.told["root"] == ours.root
    assert found.told["dense"] == [0, 301]
    assert (found.told["calls"], found.told["posted"]) == (75, str(75 * 120))
    assert bundle(busy) == data
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = tar.getnames()
    assert names[0] == "checkpoint"
    assert names[-1] == "MANIFEST.json"
    assert {"tile/0/000", "tile/0/001.p/45", "tile/1/000.p/1", "policy/1.json"} <= set(names)
    assert sum(name.startswith("proofs/") for name in names) == 301


def test_the_next_bundle_goes_on_from_the_checkpoint_that_was_kept(
    busy: LogDatabase, tmp_path: Path
) -> None:
    size, kept = note_of(busy, 0)
    call = Selection(calls=(call_id(74),), tenant="insurance")
    scope = {"kind": "call", "call": call_id(74).hex, "tenant": "insurance"}
    without = check(tmp_path, busy, bundle(busy, call, scope=scope), kept)
    assert without.findings == [
        (None, f"size {size} needs more of level 0: ask for a bundle since your checkpoint")
    ]
    with_it = bundle(busy, call, scope=scope, kept_size=size)
    assert check(tmp_path, busy, with_it, kept).findings == []
    assert check(tmp_path, busy, bundle(busy), kept).findings == []
    with pytest.raises(InvalidRequest, match="the log has 301 entries, not 302"):
        bundle(busy, kept_size=302)


def test_a_tenants_bundle_has_nothing_of_another(busy: LogDatabase, tmp_path: Path) -> None:
    scope = {"kind": "tenant", "tenant": "insurance"}
    data = bundle(busy, Selection(tenant="insurance"), scope=scope)
    found = check(tmp_path, busy, data)
    assert (found.findings, found.told["entries"], found.told["calls"]) == ([], 152, 38)
    assert b"of-insurance" in data
    # INVARIANT: hashes of others, and no byte of their entries
    assert b"of-bank" not in data
    assert b"bundle.activated" not in data


def test_a_slice_of_a_period_holds_whole_calls(busy: LogDatabase, tmp_path: Path) -> None:
    first = busy.one(
        "SELECT id FROM audit_entry WHERE kind = 'attempt.succeeded' ORDER BY id LIMIT 1"
    )
    since = datetime.fromtimestamp((first.int >> 80) / 1000, UTC)
    selection = Selection(tenant="bank", since=since, until=since + timedelta(days=1))
    data = bundle(busy, selection, scope={"kind": "tenant", "tenant": "bank"})
    found = check(tmp_path, busy, data)
    assert found.findings == []
    assert found.told["entries"] == 4 * found.told["calls"] > 0


def test_a_run_of_a_period_has_no_gap_and_need_not_begin_calls(
    busy: LogDatabase, tmp_path: Path
) -> None:
    with busy.app() as db:
        ids = db.execute("SELECT l.entry FROM audit_leaf l ORDER BY index").fetchall()
    since = datetime.fromtimestamp((ids[150][0].int >> 80) / 1000, UTC)
    found = check(tmp_path, busy, bundle(busy, Selection(since=since)))
    first, after = found.told["dense"]
    assert (found.findings, after) == ([], 301)
    assert 0 < first <= 150
    assert found.told["entries"] == 301 - first


def test_what_is_chosen_by_hand_and_what_was_opened(busy: LogDatabase, tmp_path: Path) -> None:
    activated = busy.one("SELECT id FROM audit_entry WHERE kind = 'bundle.activated'")
    selection = Selection(calls=(call_id(3), call_id(4)), entries=(activated,))
    beside = Beside([("openings/x.json", b'{"answer":"aquila"}\n')])
    data = bundle(busy, selection, scope={"kind": "policy"}, beside=beside)
    found = check(tmp_path, busy, data)
    assert (found.findings, found.told["entries"]) == ([], 9)
    assert b"aquila" in data


def test_an_old_cancellation_that_does_not_say_which_attempt_is_of_the_first(
    log_db: LogDatabase,
) -> None:
    voided = ("attempt.voided", call_id(1), {"reason": "cancelled"})
    append(log_db, [an_entry(kind, call=call, data=data) for kind, call, data in [voided]])
    log_db.sequence()
    with tarfile.open(fileobj=io.BytesIO(bundle(log_db))) as tar:
        lines = tar.extractfile("ledger/000000.jsonl")
        assert lines is not None
        assert [json.loads(line)["attempt"] for line in lines] == [1]


def test_nothing_to_show(log_db: LogDatabase) -> None:
    with pytest.raises(Conflict, match="nothing is signed yet"):
        bundle(log_db)
    log_db.append(1)
    log_db.sequence()
    with pytest.raises(NotFound, match="there is no entry of that kind"):
        bundle(log_db, Selection(calls=(UUID(int=1),)))


FORGERIES = [
    (
        "UPDATE audit_entry SET body = set_byte(body, 20, get_byte(body, 20) # 1) WHERE id = %(entry)s",
        42,
    ),
    ("UPDATE audit_leaf SET index = 9999 WHERE index = 42", 42),
    ("DELETE FROM audit_entry WHERE id = %(entry)s", 42),
]


@pytest.mark.parametrize(("forgery", "index"), FORGERIES)
def test_both_verifiers_convict_the_same_place(
    busy: LogDatabase, tmp_path: Path, forgery: str, index: int
) -> None:
    entry = busy.one("SELECT entry FROM audit_leaf WHERE index = 42")
    with tampered(busy, forgery, entry=entry) as cursor:
        ours = verify(source=Source(cursor, busy.key.verifier))
        order = Order(scope={"kind": "log"}, selection=Selection(), beside=Beside())
        data = b"".join(Snapshot(cursor, order).archive())
    assert ours.findings[0].index == index
    found = check(tmp_path, busy, data).findings
    assert next(place for place, _ in found if place is not None) == index
