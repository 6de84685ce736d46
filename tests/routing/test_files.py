"""The one queue of files: what lay in the tables before it is still there, and each kind has its own turn."""

from importlib import import_module
from uuid import UUID

import pytest
from django.db import connection
from django.test import RequestFactory

from controlplane.kernel.errors import Conflict, InvalidRequest
from policies.order.ids import new_id
from routing.files import commands, making, read
from routing.files.kinds import EVIDENCE, EXPORT, KINDS, Kind
from routing.files.models import FAILED, READY, RUNNING, WAITING, File, FilePart
from tests.policies.people import FINN

pytestmark = pytest.mark.django_db
BEFORE = """
CREATE TEMPORARY TABLE routing_export (LIKE routing_file INCLUDING DEFAULTS);
ALTER TABLE routing_export DROP COLUMN kind;
CREATE TEMPORARY TABLE routing_evidence (LIKE routing_export);
ALTER TABLE routing_evidence RENAME COLUMN rows TO entries;
CREATE TEMPORARY TABLE routing_export_part (export uuid, no integer, data bytea);
CREATE TEMPORARY TABLE routing_evidence_part (evidence uuid, no integer, nonce bytea, ciphertext bytea);
"""
ROW = """INSERT INTO pg_temp.{table} (id, size_bytes, done, parts, tries, tenant, actor, state, sha256, told, ask, principal,
    created_at, {count}) VALUES (%s, 3, 2, 1, 1, 't', 'member:a', 'ready', 'ab', '', '{{"what": "x"}}', '{{}}', now(), 4)"""


@pytest.fixture(autouse=True)
def alone(db: None) -> None:
    File.objects.filter(state__in=(WAITING, RUNNING)).update(state=FAILED)


def queued(kind: Kind) -> File:
    row = commands.ordered(FINN, kind, "t", {"what": kind.name})
    row.save(force_insert=True)
    return row


def test_what_was_made_before_there_was_one_queue_is_kept() -> None:
    export, evidence = new_id(), new_id()
    with connection.cursor() as cursor:
        cursor.execute(BEFORE)
        cursor.execute(ROW.format(table="routing_export", count="rows"), [export])
        cursor.execute(ROW.format(table="routing_evidence", count="entries"), [evidence])
        cursor.execute("INSERT INTO routing_export_part VALUES (%s, 0, 'abc')", [export])
        cursor.execute("INSERT INTO routing_evidence_part VALUES (%s, 0, 'n', 'xyz')", [evidence])
        cursor.execute(import_module("routing.migrations.0012_files").MOVE)
    found = {row.id: row for row in File.objects.filter(pk__in=[export, evidence])}
    assert [(found[one].kind, found[one].rows, found[one].done) for one in (export, evidence)] == [
        ("export", 4, 2),
        ("evidence", 4, 2),
    ]
    assert (found[export].state, found[export].ask) == (READY, {"what": "x"})
    assert b"".join(read.pieces_of(found[export])) == b"abc"
    part = FilePart.objects.get(file=evidence)
    assert (bytes(part.nonce), bytes(part.data)) == (b"n", b"xyz")


def test_each_kind_has_its_own_turn() -> None:
    one, other = queued(EVIDENCE), queued(EXPORT)
    assert commands.claim(EXPORT) == (other, FINN)
    assert commands.claim(EXPORT) is None
    claimed = commands.claim(EVIDENCE)
    assert claimed is not None
    assert claimed[0] == one
    assert set(read.own(FINN, EXPORT)) & {one, other} == {other}


def made(row: File) -> File:
    row.refresh_from_db()
    return row


def test_a_job_writes_pieces_until_it_ends_or_breaks_or_is_anothers() -> None:
    row = queued(EXPORT)
    assert making.make_next(EXPORT, lambda *_: [b"a" * 700_000, b"b" * 700_000]) == row.id
    assert (made(row).state, row.parts, row.size_bytes) == (READY, 2, 1_400_000)
    answer = read.as_file(RequestFactory().get("/"), row, name="a.csv", content_type="text/csv")
    assert [len(piece) for piece in answer] == [1_048_576, 351_424]
    assert answer["content-disposition"] == 'attachment; filename="a.csv"'

    def breaks(_: File, __: object) -> list[bytes]:
        raise InvalidRequest("too many")

    row = queued(EXPORT)
    assert making.make_next(EXPORT, breaks) == row.id
    assert (made(row).state, row.told) == (FAILED, "too many")

    def loses(row: File, _: object) -> list[bytes]:
        File.objects.filter(pk=row.pk).update(worker=UUID(int=1))
        making.said(row, rows=1, done=0)
        return [b"never"]

    row = queued(EXPORT)
    assert making.make_next(EXPORT, loses) is None
    assert (made(row).state, row.worker, row.parts) == (RUNNING, UUID(int=1), 0)
    with pytest.raises(Conflict, match="this export is running"):
        read.as_file(RequestFactory().get("/"), row, name="a", content_type="text/csv")
    assert making.make_next(EXPORT, lambda *_: []) is None


def test_a_piece_is_bound_to_its_file_and_its_place() -> None:
    file = UUID(int=7)
    assert EVIDENCE.place(file, 1) == b"mandate/evidence/1\0" + file.bytes + b"\0\0\0\1"
    assert EVIDENCE.key_of(file) == f"export/{file.hex}"
    assert [kind.sealed for kind in KINDS.values()] == [False, True]
