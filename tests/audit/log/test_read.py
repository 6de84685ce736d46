from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import transaction

from audit.log import read
from audit.log.append import append
from audit.log.entry import Entry
from audit.log.kinds import Group
from audit.log.running import Loop
from audit.log.signing import signer, trusted_key
from tests.audit.conftest import IDS, an_entry

pytestmark = pytest.mark.django_db(transaction=True)


def written(*entries: Entry) -> list[UUID]:
    with transaction.atomic():
        for entry in entries:
            append(entry)
    return [entry.id for entry in entries]


def found(**wanted: Any) -> list[UUID]:
    return [line.id for line in read.page(read.Filter(**wanted), limit=500).lines]


@pytest.fixture
def tenant() -> str:
    """A tenant of this test's own: the log of the session is shared, and never emptied."""
    return f"t-{IDS.new().hex[-12:]}"


@pytest.fixture
def sequenced(app_dsn: str) -> None:
    Loop(app_dsn, signer(settings.MANDATE_KEYS_DIR), lambda _: None).once()


def test_pages_follow_the_ids_newest_first(tenant: str) -> None:
    ids = written(*(an_entry(tenant=tenant) for _ in range(7)))[::-1]
    wanted = read.Filter(tenants=frozenset({tenant}))
    first = read.page(wanted, limit=3)
    second = read.page(wanted, before=first.next_before, limit=3)
    last = read.page(wanted, before=second.next_before, limit=3)
    assert [line.id for page in (first, second, last) for line in page.lines] == ids
    assert (len(first.lines), len(last.lines), last.next_before) == (3, 1, None)


def test_no_tenants_see_nothing_and_all_see_all(tenant: str) -> None:
    (own,) = written(an_entry(tenant=tenant))
    assert found(tenants=frozenset()) == []
    assert found(tenants=frozenset({"another"})) == []
    assert own in found(tenants=None)


def test_every_filter_narrows(tenant: str) -> None:
    call = IDS.new()
    by_key = an_entry("call.admitted", call=call, tenant=tenant, actor="key:ab12", subject="triage")
    by_member = an_entry("key.created", tenant=tenant, subject='a "quoted" é key')
    by_job = an_entry("budget.alert", tenant=tenant, actor="job:sweep")
    written(by_key, by_member, by_job)
    only = {"tenants": frozenset({tenant})}
    assert found(**only, actor_kind="key") == [by_key.id]
    assert found(**only, actor_kind="member") == [by_member.id]
    assert found(**only, actor_kind="mem") == []
    assert found(**only, groups=(Group.CALLS,)) == [by_key.id]
    assert found(**only, groups=(Group.MONEY,)) == [by_job.id]
    assert found(**only, groups=(Group.STOPS,)) == []
    assert found(**only, subject="triage") == [by_key.id]
    assert found(**only, subject='a "quoted" é key') == [by_member.id]
    assert found(**only, subject="riage") == []
    assert found(**only, call=call) == [by_key.id]
    assert found(**only, call=IDS.new()) == []
    assert found(**only, subject="triage", actor_kind="member") == []


def test_a_subject_inside_the_data_is_not_the_subject(tenant: str) -> None:
    written(an_entry(tenant=tenant, data={"subject": "triage", "tenant": tenant}))
    assert found(tenants=frozenset({tenant}), subject="triage") == []


def test_times_bound_the_ids(tenant: str) -> None:
    (own,) = written(an_entry(tenant=tenant))
    now, minute = datetime.now(tz=UTC), timedelta(minutes=1)
    only = {"tenants": frozenset({tenant})}
    assert found(**only, since=now - minute, until=now + minute) == [own]
    assert found(**only, since=now + minute) == []
    assert found(**only, until=now - minute) == []


def test_a_line_says_what_the_entry_says(tenant: str) -> None:
    entry = an_entry("key.created", tenant=tenant, subject="key:ab12", data={"name": "ci"})
    written(entry)
    (line,) = read.page(read.Filter(tenants=frozenset({tenant}))).lines
    assert (line.kind.title, line.actor, line.tenant, line.call, line.subject, line.data) == (
        "API key created",
        "member:ada@acme.example",
        tenant,
        None,
        "key:ab12",
        {"name": "ci"},
    )
    assert line.index is None
    assert abs(line.at - line.recorded_at) < timedelta(seconds=30)


def test_a_calls_entries_in_the_order_of_its_life(tenant: str) -> None:
    call = IDS.new()
    kinds = ["call.admitted", "attempt.started", "attempt.succeeded", "call.completed"]
    for kind in kinds:
        written(an_entry(kind, call=call, tenant=tenant))
    assert [line.kind.name for line in read.of_call(call)] == kinds


def test_an_entry_comes_with_its_proof(tenant: str, app_dsn: str) -> None:
    entry = an_entry(tenant=tenant)
    written(entry)
    waiting = read.entry(entry.id)
    assert waiting is not None
    assert (waiting.proof, waiting.leaf_hash, waiting.line.index) == (None, None, None)
    loop = Loop(app_dsn, signer(settings.MANDATE_KEYS_DIR), lambda _: None)
    size = loop.once()
    proven = read.entry(entry.id)
    assert proven is not None
    assert proven.proof is not None
    assert proven.body == entry.body
    key = trusted_key(settings.MANDATE_KEYS_DIR)
    assert proven.proof.verify(entry.body, [key]).size >= size
    assert proven.line.index == proven.proof.index
    assert read.entry(IDS.new()) is None


@pytest.mark.usefixtures("sequenced")
def test_the_state_of_the_log(tenant: str) -> None:
    before = read.state()
    written(an_entry(tenant=tenant), an_entry(tenant=tenant))
    after = read.state()
    assert before.checkpoint.startswith("mandate.invalid/")
    assert before.signed_at is not None
    assert (after.size, after.checkpoints) == (before.size, before.checkpoints)
    assert after.waiting >= 2
    assert after.lag_seconds > 0
