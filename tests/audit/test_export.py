"""Entries as a file: exactly those that were counted, an entry before the first byte, in pieces."""

import csv
import io
import json
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import transaction
from django.test import AsyncRequestFactory, RequestFactory
from pytest_django import DjangoAssertNumQueries

from audit import export
from audit.export import Form, begin, cell, pages
from audit.log import read
from audit.log.append import append
from audit.log.entry import Entry
from audit.log.kinds import Group
from audit.log.running import Loop
from audit.log.signing import signer
from controlplane.kernel.errors import Forbidden, InvalidRequest
from tests.audit.conftest import IDS, an_entry
from tests.policies.people import member

pytestmark = pytest.mark.django_db(transaction=True)
CLEO = member("cleo", "auditor")


@pytest.fixture
def tenant() -> str:
    """A tenant of this test's own: the log of the session is shared, and never emptied."""
    return f"t-{IDS.new().hex[-12:]}"


def written(*entries: Entry) -> list[UUID]:
    with transaction.atomic():
        for entry in entries:
            append(entry)
    return [entry.id for entry in entries]


def sequence(dsn: str) -> None:
    Loop(dsn, signer(settings.MANDATE_KEYS_DIR), lambda _: None).once()


def only(tenant: str) -> read.Filter:
    return read.Filter(tenants=frozenset({tenant}))


def recorded(entry: UUID) -> dict[str, Any]:
    found = read.entry(entry)
    assert found is not None
    said: dict[str, Any] = json.loads(found.body)
    return said


def test_every_line_holds_the_bytes_that_the_tree_hashes(tenant: str, app_dsn: str) -> None:
    entries = [an_entry(tenant=tenant, subject=f"s{n}", data={"n": n}) for n in range(5)]
    written(*entries)
    sequence(app_dsn)
    made = begin(CLEO, only(tenant), Form.JSONL, {"tenant": tenant})
    lines = b"".join(pages(made)).splitlines()
    assert made.number == len(lines) == 5
    assert [line.partition(b'"entry":')[2][:-1] for line in lines] == [e.body for e in entries]
    assert sorted(json.loads(lines[0])) == ["entry", "index", "recordedAt"]
    places = [json.loads(line)["index"] for line in lines]
    assert places == sorted(places)
    assert max(places) < made.size


def test_the_entry_is_there_before_the_first_byte_and_says_filter_and_number(
    tenant: str, app_dsn: str
) -> None:
    written(*(an_entry(tenant=tenant) for _ in range(2)))
    sequence(app_dsn)
    made = begin(CLEO, only(tenant), Form.CSV, {"tenant": tenant, "who": "member"})
    said = recorded(made.entry)
    assert (said["kind"], said["actor"], said["tenant"], said["subject"]) == (
        "export.created",
        "member:cleo@acme.example",
        tenant,
        "log",
    )
    assert said["data"] == {
        "format": "csv",
        "filter": {"tenant": tenant, "who": "member"},
        "entries": 2,
        "size": made.size,
    }


def test_what_comes_later_is_in_no_export_that_has_begun(tenant: str, app_dsn: str) -> None:
    written(an_entry(tenant=tenant))
    sequence(app_dsn)
    made = begin(CLEO, only(tenant), Form.JSONL, {})
    written(an_entry(tenant=tenant))
    sequence(app_dsn)
    assert len(b"".join(pages(made)).splitlines()) == made.number == 1


def test_who_may_read_nothing_exports_nothing(tenant: str) -> None:
    before = len(read.page(read.Filter(groups=(Group.ACCESS,)), limit=500).lines)
    with pytest.raises(Forbidden):
        begin(member("finn", "finance"), only(tenant), Form.CSV, {})
    assert len(read.page(read.Filter(groups=(Group.ACCESS,)), limit=500).lines) == before


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\tx", "\rx"])
def test_no_cell_becomes_a_formula(text: str, tenant: str, app_dsn: str) -> None:
    assert cell(text) == f"'{text}"
    written(an_entry(tenant=tenant, subject=text, actor="cli:=cmd"))
    sequence(app_dsn)
    made = begin(CLEO, only(tenant), Form.CSV, {})
    rows = list(csv.reader(io.StringIO(b"".join(pages(made)).decode(), newline="")))
    assert rows[0] == list(export.COLUMNS)
    assert rows[1][6] == f"'{text}"
    assert not [one for row in rows for one in row if one.startswith(export.FORMULA)]


def test_a_file_is_read_piece_by_piece(
    tenant: str,
    app_dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    monkeypatch.setattr(export, "PAGE_ROWS", 2)
    ids = written(*(an_entry(tenant=tenant) for _ in range(4)))
    sequence(app_dsn)
    made = begin(CLEO, only(tenant), Form.JSONL, {})
    told = pages(made)
    assert next(told) == b""
    with django_assert_num_queries(1):
        first = next(told)
    assert [json.loads(line)["entry"]["id"] for line in first.splitlines()] == [
        identity.hex for identity in ids[:2]
    ]
    rest = b"".join(told)
    assert [json.loads(line)["entry"]["id"] for line in rest.splitlines()] == [
        identity.hex for identity in ids[2:]
    ]


def test_under_asgi_the_same_bytes_come_without_being_gathered(tenant: str, app_dsn: str) -> None:
    written(*(an_entry(tenant=tenant) for _ in range(3)))
    sequence(app_dsn)
    made = begin(CLEO, only(tenant), Form.CSV, {})

    async def gathered() -> bytes:
        answer = export.as_file(AsyncRequestFactory().post("/"), made)
        assert answer.is_async
        return b"".join([piece async for piece in answer])

    plain = export.as_file(RequestFactory().post("/"), made)
    assert not plain.is_async
    assert async_to_sync(gathered)() == b"".join(pages(made))
    assert plain["content-disposition"] == f'attachment; filename="audit-log-{made.size}.csv"'
    assert plain["x-mandate-entry"] == made.entry.hex


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InvalidRequest, match='"xls" is no format; use jsonl, csv'):
        export.form_of("xls")
