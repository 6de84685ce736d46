"""Publishing at a time: once, if it still may; else it stays, says why, and is flagged."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection

from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest, Unavailable
from policies.bundles.publish import Edits, publish
from policies.changes import commands, publishing, scheduling
from policies.changes.models import ChangeRequest
from policies.changes.refusals import TooEarly
from policies.identity.models import User
from policies.order.lock import control, mandate_now
from tests.policies.changes.world import World, budget, force, opened
from tests.policies.people import entries
from tests.policies.texts import permission

pytestmark = pytest.mark.usefixtures("application_role")


def timed(world: World, name: str = "p") -> ChangeRequest:
    """Handed in, with a time, and approved for it."""
    row = opened(world.tariq, permission(name, world.tenant), of=world.tenant)
    scheduling.schedule(world.tariq, row.id, mandate_now() + timedelta(hours=2))
    return publishing.approve(world.cleo, row.id)


def comes(row: ChangeRequest) -> None:
    """Its time."""
    ChangeRequest.objects.filter(pk=row.pk).update(publish_at=mandate_now())


def told(row: ChangeRequest) -> tuple[str, str, int]:
    row.refresh_from_db()
    return row.state, row.held_back, row.approvals.filter(dismissed_at=None).count()


def test_a_time_is_part_of_what_is_approved(world: World) -> None:
    row = opened(
        world.tariq, permission("p", world.tenant), budget("b", world.tenant), of=world.tenant
    )
    publishing.approve(world.finn, row.id)
    at = mandate_now() + timedelta(hours=1)
    done = scheduling.schedule(world.tariq, row.id, at)
    assert (told(row), done.publish_at, row.digest == done.digest) == (
        ("approval", "", 0),
        at,
        True,
    )
    (said,) = entries(row.subject, "change.timed")
    assert said["data"] == {"digest": done.digest, "publishAt": to_text(at)}
    assert scheduling.schedule(world.tariq, row.id, at).updated_at == row.updated_at
    with pytest.raises(InvalidRequest, match="has passed"):
        scheduling.schedule(world.tariq, row.id, mandate_now())
    with pytest.raises(Forbidden):
        scheduling.schedule(world.dora, row.id, at + timedelta(hours=1))


def test_it_is_published_at_its_time_and_by_nobody_before(world: World) -> None:
    row = timed(world)
    before = control().revision
    with pytest.raises(TooEarly):
        publishing.publish_change(world.tariq, row.id)
    assert scheduling.publish_due() == []
    assert (told(row), control().revision) == (("scheduled", "", 1), before)
    comes(row)
    assert scheduling.publish_due() == [row.id]
    assert scheduling.publish_due() == []
    assert (told(row), control().revision) == (("published", "", 1), before + 1)


def test_two_jobs_publish_it_once(world: World) -> None:
    row = timed(world)
    comes(row)
    before, ready = control().revision, Barrier(2)
    done: list[object] = []

    def run() -> None:
        try:
            ready.wait(30)
            done.extend(scheduling.publish_due())
        finally:
            connection.close()

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (done, control().revision) == ([row.id], before + 1)
    assert told(row) == ("published", "", 1)
    assert len(entries(row.subject, "change.published")) == 1
    assert entries(row.subject, "change.held-back") == []


def test_a_job_that_dies_before_its_commit_leaves_it_scheduled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = timed(world)
    comes(row)
    before = control()

    def dies(*_: object) -> None:
        raise SystemExit(9)

    monkeypatch.setattr("policies.bundles.publish.sync_tenants", dies)
    with pytest.raises(SystemExit):
        scheduling.publish_due()
    assert (told(row), control()) == (("scheduled", "", 1), before)
    monkeypatch.undo()
    assert scheduling.publish_due() == [row.id]


def test_a_base_that_moved_holds_it_back_with_the_reason(world: World) -> None:
    row = timed(world)
    force(permission("p", world.tenant, "request.stream"))
    comes(row)
    before = control().revision
    assert scheduling.publish_due() == []
    why = f"others changed Permission {world.tenant}/p since revision {row.base}; rebase it first"
    assert (told(row), control().revision) == (("checks", why, 1), before)
    (said,) = entries(row.subject, "change.held-back")
    assert (said["actor"], said["data"]) == (
        "job:changes",
        {"reason": why, "code": "base_moved"},
    )
    assert scheduling.publish_due() == []
    commands.put_texts(world.tariq, row.id, permission("q", world.tenant))
    assert told(row)[1] == ""


def test_an_approval_that_counts_no_more_holds_it_back(world: World) -> None:
    row = timed(world)
    User.objects.filter(email=world.cleo.id).update(is_active=False)
    comes(row)
    assert scheduling.publish_due() == []
    assert told(row)[:2] == (
        "approval",
        "this still needs 1 more with the role approver for Permission",
    )
    (said,) = entries(row.subject, "change.held-back")
    assert said["data"]["code"] == "approvals_missing"
    assert publishing.approve(world.dora, row.id).state == "published"
    assert told(row)[1] == ""


def test_checks_that_fail_by_then_hold_it_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = timed(world)
    real = publish

    def refused(edits: object, consent: object) -> object:
        monkeypatch.setattr(publishing, "publish", real)
        raise InvalidRequest("the test fails: it is denied")

    monkeypatch.setattr(publishing, "publish", refused)
    comes(row)
    assert scheduling.publish_due() == []
    assert told(row)[1] == "the test fails: it is denied"


def test_what_is_away_for_a_moment_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = timed(world)
    comes(row)
    real = publish

    def away(edits: Edits, consent: object) -> object:
        monkeypatch.setattr(publishing, "publish", real)
        raise Unavailable("the order lock was not free")

    monkeypatch.setattr(publishing, "publish", away)
    assert scheduling.publish_due() == []
    assert told(row) == ("scheduled", "", 1)
    assert scheduling.publish_due() == [row.id]


def test_taking_the_time_away_asks_again(world: World) -> None:
    row = timed(world)
    done = scheduling.unschedule(world.cleo, row.id, "the board wants to see it")
    assert (told(row), done.publish_at) == (("approval", "", 0), None)
    (said,) = entries(row.subject, "change.unscheduled")
    assert (said["actor"], said["data"]["reason"]) == (
        world.cleo.actor,
        "the board wants to see it",
    )
    with pytest.raises(Conflict, match="has no time"):
        scheduling.unschedule(world.cleo, row.id)
    other = timed(world, "q")
    with pytest.raises(Forbidden, match="neither write nor approve"):
        scheduling.unschedule(world.finn, other.id)
    assert told(other) == ("scheduled", "", 1)
