"""A file is asked for, made by a job that may die, taken along by whoever asked and may still read it, and gone after a day."""

import csv
import hashlib
from datetime import timedelta

import pytest
from django.test import RequestFactory

from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest, NotFound
from controlplane.kernel.ids import call_name
from policies.bundles.published import Published
from policies.order.lock import mandate_now
from routing.exports import access, commands, making
from routing.exports.asks import Ask
from routing.exports.writing import Form
from routing.files import commands as files
from routing.files.kinds import EXPORT
from routing.files.models import EXPIRED, FAILED, READY, File, FilePart
from tests.policies.people import FINN, entries, member
from tests.refusing import refuses_first
from tests.routing.closing.books import Books, refusal
from tests.routing.closing.conftest import books, found

pytestmark = pytest.mark.django_db
__all__ = ["books", "found"]


@pytest.fixture(autouse=True)
def alone(found: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    File.objects.filter(state__in=("waiting", "running")).update(state=FAILED)
    monkeypatch.setattr(making, "published", lambda: found)


GET = RequestFactory().get("/")


def calls(books: Books) -> Ask:
    return Ask(what="calls", tenant=books.tenant, first=books.month)


def test_what_cannot_be_meant() -> None:
    for wrong in (
        {"what": "everything", "first": "2026-11"},
        {"what": "calls", "first": "2026-13"},
        {"what": "calls"},
        {"what": "calls", "first": "2026-11", "last": "2026-10"},
        {"what": "calls", "first": "2026-01", "last": "2027-01"},
        {"what": "calls", "first": "2026-11", "form": "exe"},
    ):
        with pytest.raises(InvalidRequest):
            Ask.of(wrong)
    ask = Ask(what="focus-1.2", form=Form.XLSX, tenant="t", first="2026-11", last="2027-01")
    assert Ask.of(ask.stored()) == ask
    assert ask.months == ("2026-11", "2026-12", "2027-01")
    assert ask.name == "focus-1.2-t-2026-11-to-2027-01.xlsx"


def test_calls_are_told_attempt_by_attempt(books: Books) -> None:
    call = books.call(route="=quote")
    books.attempt(call, 0, "failed", reserved=9)
    books.attempt(call, 1_480_000, no=2, overrun=5, tokens_input=7)
    row = commands.begin(FINN, calls(books))
    [entry] = entries(f"export:{row.id.hex}")
    assert (entry["kind"], entry["actor"], entry["tenant"]) == (
        "export.created",
        FINN.actor,
        books.tenant,
    )
    assert entry["data"] == calls(books).stored()
    assert making.make_next() == row.id
    assert making.make_next() is None
    row.refresh_from_db()
    assert (row.state, row.rows, row.done, row.tries) == (READY, 2, 2, 1)
    answer = making.as_file(GET, access.one(FINN, row.id))
    data = b"".join(answer.streaming_content)  # type: ignore[arg-type]
    assert hashlib.sha256(data).hexdigest() == row.sha256
    assert len(data) == row.size_bytes
    told = list(csv.DictReader(data.decode().splitlines()))
    assert [
        (one["call"], one["attempt"], one["attempt state"], one["spent EUR"]) for one in told
    ] == [
        (call_name(call.id), "1", "failed", "0.00"),
        (call_name(call.id), "2", "succeeded", "0.001480005"),
    ]
    assert told[0]["route"] == "'=quote"


@refuses_first("exports.begin")
def test_a_file_is_for_whoever_asked_and_still_may(books: Books) -> None:
    finn = member("finn", "finance", tenant=books.tenant)
    row = commands.begin(finn, calls(books))
    assert refusal(lambda: access.one(member("fay", "finance"), row.id)) == "NotFound"
    with pytest.raises(Conflict, match="waiting"):
        making.as_file(GET, access.one(finn, row.id))
    assert access.one(finn, row.id) == row
    with pytest.raises(Forbidden):
        access.one(member("finn", "author", tenant=books.tenant), row.id)
    focus = Ask(what="focus-1.2", tenant=books.tenant, first=books.month)
    with pytest.raises(Forbidden):
        commands.begin(member("tariq", "developer", tenant=books.tenant, team="claims"), focus)
    with pytest.raises(NotFound):
        commands.begin(member("mallory", "finance", tenant="elsewhere"), focus)
    assert File.objects.filter(tenant=books.tenant).count() == 1


def test_nobody_gets_calls_of_another_tenant(books: Books) -> None:
    books.attempt(books.call(), 5)
    row = commands.begin(member("mallory", "finance", tenant="elsewhere"), calls(books))
    making.make_next()
    row.refresh_from_db()
    assert (row.state, row.done) == (READY, 0)


def test_what_a_worker_left_is_begun_again_and_three_times_at_most(books: Books) -> None:
    row = commands.begin(FINN, calls(books))
    first, _ = files.claim(EXPORT) or pytest.fail("nothing to claim")
    assert files.claim(EXPORT) is None, "it is being made"
    for _ in range(2):
        File.objects.filter(pk=row.pk).update(beat_at=mandate_now() - timedelta(seconds=61))
        again, _ = files.claim(EXPORT) or pytest.fail("nothing to claim")
    assert files.keep(first, b"late") is False
    assert files.finish(first, "") is False
    assert files.keep(again, b"mine") is True
    File.objects.filter(pk=row.pk).update(beat_at=mandate_now() - timedelta(seconds=61))
    assert files.claim(EXPORT) is None
    row.refresh_from_db()
    assert (row.state, row.told) == (FAILED, "it was begun 3 times and never ended")
    assert FilePart.objects.filter(file=row.pk).count() == 0


def test_it_is_gone_after_a_day_and_five_wait_at_most(books: Books) -> None:
    row = commands.begin(FINN, calls(books))
    making.make_next()
    File.objects.filter(pk=row.pk).update(expires_at=mandate_now() - timedelta(seconds=1))
    assert files.expire(EXPORT) == 1
    row.refresh_from_db()
    assert row.state == EXPIRED
    assert FilePart.objects.filter(file=row.pk).count() == 0
    with pytest.raises(NotFound, match="expired"):
        making.as_file(GET, row)
    for _ in range(5):
        commands.begin(FINN, calls(books))
    with pytest.raises(Conflict, match="wait for one"):
        commands.begin(FINN, calls(books))
