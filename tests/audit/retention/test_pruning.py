"""An old month goes, and everything that stays is proven as before; what may not go stays (invariant 6)."""

from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from audit.log.tiles import TileReader
from audit.merkle.bundle import unpack
from audit.merkle.checkpoint import Checkpoint
from audit.merkle.note import open_note
from audit.merkle.proof import consistency, inclusion, verify_consistency, verify_inclusion
from audit.merkle.tiles import Nodes, bundle_path
from audit.merkle.tree import leaf_hash
from audit.publication.folder import Folder
from audit.publication.publish import Publisher
from audit.publication.telling import Told, tell
from audit.retention.commands import NewHold, lift_hold, set_hold
from audit.retention.pruning import drop, months, of_log, prune_log
from controlplane.kernel.errors import Conflict
from controlplane.kernel.principal import ORGANISATION, Principal
from tests.audit.conftest import LogDatabase, an_entry
from tests.audit.retention.conftest import OLD, an_old_id, fill, refused

ADA = Principal("member", "ada@acme.example", "Ada", {ORGANISATION: frozenset({"admin"})})
CALLS, ACTS = 300, 60
PRUNED = "SELECT count(*) FROM audit_entry WHERE kind = 'log.pruned'"
SIZE = CALLS + ACTS


def count(log: LogDatabase, table: str = "audit_entry") -> int:
    return int(log.one(f"SELECT count(*) FROM {table}"))


@pytest.fixture
def filled(old_log: LogDatabase) -> LogDatabase:
    """300 calls and 60 acts of January 2024 in the signed tree, and 5 entries of today."""
    fill(old_log, CALLS)
    old_log.sequence()
    old_log.append(5)
    old_log.sequence()
    old_log.publish()
    return old_log


def test_entries_of_calls_go_and_acts_stay(filled: LogDatabase) -> None:
    before = filled.one(
        "SELECT array_agg(to_jsonb(e) ORDER BY id) FROM audit_entry e WHERE call IS NULL"
    )
    found = of_log(OLD)
    assert (found.goes, found.stays, found.outside, found.minimum) == (CALLS, ACTS, 0, SIZE)
    assert prune_log(OLD, "job:retention") == CALLS
    assert prune_log(OLD, "job:retention") == 0
    after = filled.one(
        "SELECT array_agg(to_jsonb(e) ORDER BY id) FROM audit_entry e WHERE kind <> 'log.pruned'"
    )
    assert after == before
    assert (len(after), count(filled, "audit_leaf")) == (ACTS + 5, SIZE + 5)
    said = filled.one(
        "SELECT convert_from(body, 'UTF8')::json -> 'data' FROM audit_entry WHERE kind = 'log.pruned'"
    )
    places = b"".join(number.to_bytes(8) for number in range(5, SIZE, 6))
    assert said == {
        "month": "2024-01",
        "minimumIndex": "360",
        "entries": "300",
        "kept": "60",
        "keptDigest": sha256(places).hexdigest(),
    }


def test_a_pruned_log_verifies_and_proves_all_that_went(filled: LogDatabase) -> None:
    prune_log(OLD, "job:retention")
    assert filled.verify().findings == ()  # before the next checkpoint, and after it
    filled.sequence()
    found = filled.verify()
    assert (found.findings, found.size) == ((), SIZE + 6)
    assert filled.verify(from_checkpoint=0).findings == ()
    with filled.app() as db, db.cursor() as cursor:
        cursor.execute("SELECT note FROM audit_checkpoint ORDER BY seq DESC LIMIT 1")
        ((note,),) = cursor.fetchall()
        head = Checkpoint.parse(open_note(note, [filled.key.verifier]).text)
        cursor.execute("SELECT size, open_tiles FROM audit_tree_state")
        ((size, tiles),) = cursor.fetchall()
        cursor.execute(
            "SELECT index, hash FROM audit_leaf WHERE index IN (0, 255, 256, 358) ORDER BY 1"
        )
        leaves = cursor.fetchall()
        for index, value in leaves:
            reader = TileReader(cursor, 1, (size, tiles))
            reader.fetch(index, size)
            proof = inclusion(Nodes(reader), index, size)
            verify_inclusion(index, size, bytes(value), proof, head.root)
        cursor.execute("SELECT size, root FROM audit_checkpoint ORDER BY seq LIMIT 1")
        ((old_size, old_root),) = cursor.fetchall()
        reader = TileReader(cursor, 1, (size, tiles))
        proof = consistency(Nodes(reader), old_size, size)
        verify_consistency(old_size, size, proof, bytes(old_root), head.root)
    assert [index for index, _ in leaves] == [0, 255, 256, 358]


def test_a_hole_that_no_pruning_accounts_for_is_named(filled: LogDatabase) -> None:
    prune_log(OLD, "job:retention")
    filled.sequence()
    with filled.owner() as owner:
        owner.execute("ALTER TABLE audit_entry DISABLE TRIGGER USER")
        for child in ("audit_entry_202401", f"audit_entry_{datetime.now(tz=UTC):%Y%m}"):
            owner.execute(f"ALTER TABLE {child} DISABLE TRIGGER USER".encode())
        owner.execute("DELETE FROM audit_entry USING audit_leaf WHERE entry = id AND index = 361")
    found = filled.verify().findings
    assert [(finding.what, finding.index) for finding in found] == [("entry", 361)]
    assert found[0].message.endswith("it is missing")
    with filled.owner() as owner:
        owner.execute("DELETE FROM audit_entry USING audit_leaf WHERE entry = id AND index = 11")
    kept = filled.verify().findings[-1]
    assert (kept.what, kept.index) == ("entry", None)
    assert kept.message == "other entries of 2024-01 are there than were kept of it"


def test_what_is_not_in_the_signed_tree_is_not_pruned(filled: LogDatabase) -> None:
    late = an_entry("call.completed", id=an_old_id(9_000), call=an_old_id(9_000), tenant="retail")
    with filled.app() as db:
        db.execute(
            "SELECT audit_append(%s, %s, %s, %s, %s)",
            [late.id, late.kind, late.call, late.tenant, late.body],
        )
    told = refused(lambda: prune_log(OLD, "job:retention"))
    assert told == "audit_entry_202401: 1 entries have no signed place in the tree"
    assert (count(filled), count(filled, "audit_leaf")) == (SIZE + 6, SIZE + 5)


def test_what_is_not_published_is_not_pruned(old_log: LogDatabase, tmp_path: Path) -> None:
    """Not before the last entry of the month lies in a bundle; then what went can be read and checked from the folder."""
    fill(old_log, CALLS)
    old_log.sequence()
    why = "audit_entry_202401: its entries reach up to index 359, and are not all in the published entry bundles"
    assert refused(lambda: prune_log(OLD, "job:retention")) == why
    with old_log.app() as db, db.cursor() as cursor:
        tell(db, Told("folder", "register", size=SIZE - 1))
        assert refused(lambda: prune_log(OLD, "job:retention")) == why
        assert (count(old_log), old_log.one(PRUNED)) == (SIZE, 0)
        shown = Publisher(Folder(tmp_path), old_log.key.known).publish(cursor)
        assert shown is not None
        tell(db, Told("folder", "register", size=shown.size))
    assert prune_log(OLD, "job:retention") == CALLS
    assert (count(old_log), old_log.one(PRUNED)) == (ACTS + 1, 1)
    read = [
        body
        for name in (bundle_path(0), bundle_path(1, SIZE - 256))
        for body in unpack((tmp_path / name).read_bytes())
    ]
    leaves = old_log.one("SELECT array_agg(hash ORDER BY index) FROM audit_leaf")
    assert [leaf_hash(body) for body in read] == [bytes(value) for value in leaves]


HOLDS = (
    NewHold(kind="organisation", reason="inquiry 12"),
    NewHold(kind="tenant", tenant="insurance", reason="inquiry 12"),
    NewHold(kind="use-case", name="claims-triage", tenant="insurance", reason="inquiry 12"),
    NewHold(kind="subject", name="subject/insurance/user/0f", tenant="insurance", reason="x"),
    NewHold(kind="call", tenant="insurance", call=an_old_id(8), reason="inquiry 12"),
)


def test_a_legal_hold_keeps_the_month(filled: LogDatabase) -> None:
    for hold in HOLDS:
        row = set_hold(ADA, hold, exists=True)
        held = count(filled)
        said = [refused(lambda: prune_log(OLD, "x:y")), refused(lambda: drop("vault_content", OLD))]
        tables = ("audit_entry", "vault_content")
        assert [text[: text.find(" (")] for text in said] == [
            f"{table}_202401: the legal hold {row.id} stands" for table in tables
        ]
        assert count(filled) == held, hold.kind  # and no log.pruned
        assert ("vault_content", OLD) in set(months())
        lift_hold(ADA, row.id, single_operator=True)
    elsewhere = NewHold(kind="call", tenant="insurance", call=an_entry().id, reason="x")
    set_hold(ADA, elsewhere, exists=True)  # a call of today holds nothing of January 2024
    filled.sequence()
    assert prune_log(OLD, "job:retention") == CALLS
    assert drop("vault_content", OLD) is True
    assert ("vault_content", OLD) not in set(months())


def test_a_young_month_stays_and_nothing_goes_that_log_pruned_does_not_say(
    filled: LogDatabase,
) -> None:
    this = datetime.now(tz=UTC).date().replace(day=1)
    for table in ("audit_entry", "vault_content"):
        with pytest.raises(Conflict, match="too young"):
            drop(table, this)
    assert drop("audit_entry", date(2019, 1, 1)) is False
    assert drop("pg_class", OLD) is False
    with pytest.raises(Conflict, match=r"append a log\.pruned first"):
        drop("audit_entry", OLD)
    assert count(filled) == SIZE + 5
