"""Cases that nobody decided in time, and delivered calls that are looked at afterwards."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection

from controlplane.kernel.ids import uuid7_floor
from policies.order.lock import mandate_now
from routing.calls.models import Call
from routing.demo.history import ALONE
from routing.dialects.registry import dialect
from routing.reviews import clock, commands, drafts
from routing.reviews.models import ReviewCase
from tests.routing.reviews.held import Desk, queue
from tests.routing.reviews.test_people import answer_of, cleo, kinds, no_check, rui, state

LATE = timedelta(seconds=-1)


def act(case: ReviewCase) -> ReviewCase:
    """The job runs twice; the case as it is then."""
    clock.act_on_overdue()
    clock.act_on_overdue()
    return ReviewCase.objects.get(pk=case.pk)


def test_reject_tells_the_caller_that_nobody_decided(desk: Desk) -> None:
    desk.publish()
    case = act(desk.hold(due=LATE, on_overdue="reject"))
    assert case.outcome == "overdue-rejected"
    assert state(case) == ("failed", "review_overdue")
    assert answer_of(desk, case).status == 403
    assert "nobody decided about this call in time" in answer_of(desk, case).body.decode()
    assert kinds(case)[-2:] == ["review.overdue", "call.failed"]


def test_while_a_demos_history_is_made_nothing_is_overdue(desk: Desk, app_dsn: str) -> None:
    """Its cases are due in another time."""
    desk.publish()
    case = desk.hold(due=LATE, on_overdue="reject")
    with psycopg.connect(app_dsn, autocommit=True) as history:
        history.execute(ALONE)
        assert (clock.act_on_overdue(), act(case).outcome) == (0, "")
        assert state(case) == ("held", "")
        history.execute("SELECT pg_advisory_unlock(7001, 4)")
    assert act(case).outcome == "overdue-rejected"


def test_release_gives_the_draft_out(desk: Desk) -> None:
    desk.publish()
    case = act(desk.hold("pay 1", due=LATE, on_overdue="release"))
    assert case.outcome == "overdue-released"
    assert drafts.read(dialect("openai.chat"), answer_of(desk, case)).text == "pay 1"


def test_release_gives_out_what_a_person_wrote(desk: Desk) -> None:
    desk.publish()
    case = desk.hold("pay 14,200", due=LATE, on_overdue="release", approvals=2)
    commands.claim(rui(desk), case.id)
    assert commands.edit(rui(desk), case.id, "pay 9,800", "", no_check).closed is False
    act(case)
    assert drafts.read(dialect("openai.chat"), answer_of(desk, case)).text == "pay 9,800"


def test_release_before_any_model_lets_it_go_on(desk: Desk) -> None:
    desk.publish()
    case = act(desk.hold(stage="request", due=LATE, on_overdue="release"))
    assert state(case) == ("running", "")
    assert desk.peek(case).released is True


def test_where_no_model_answered_nothing_is_released(desk: Desk) -> None:
    desk.publish()
    case = desk.hold("", stage="failure", due=LATE, on_overdue="release")
    assert act(case).outcome == ""
    assert state(case) == ("held", "")


def test_escalate_moves_it_to_the_next_queue_under_its_terms(desk: Desk) -> None:
    terms = "{reviewers: ['cleo@acme.example'], dueMinutes: 45, approvals: 2, onOverdue: release}"
    spec = "{reviewers: ['rui@acme.example'], onOverdue: escalate, escalateTo: risk-desk}"
    desk.publish(spec, queue("risk-desk", desk.name, terms))
    case = desk.hold(due=LATE, on_overdue="escalate", escalate_to="risk-desk")
    moved = act(case)
    assert (moved.queue, moved.came_from, moved.approvals, moved.on_overdue) == (
        *("risk-desk", "claims-desk", 2, "release"),
    )
    assert moved.due_at - mandate_now() > timedelta(minutes=44)
    assert kinds(case)[-1] == "review.escalated"
    with pytest.raises(Exception, match="there is no review case"):
        commands.claim(rui_by_address(desk), case.id)
    commands.claim(cleo(desk), case.id)


def rui_by_address(desk: Desk) -> Any:
    from tests.policies.people import member

    return member("rui", "developer", tenant=desk.name)


def test_where_the_next_queue_is_gone_it_is_turned_down(desk: Desk) -> None:
    desk.publish()
    case = act(desk.hold(due=LATE, on_overdue="escalate", escalate_to="gone"))
    assert case.outcome == "overdue-rejected"


def test_who_is_at_it_is_not_interrupted(desk: Desk) -> None:
    desk.publish()
    case = desk.hold(due=LATE, on_overdue="reject")
    commands.claim(rui(desk), case.id)
    assert act(case).outcome == ""
    commands.approve(rui(desk), case.id, 0)
    assert act(case).outcome == "approved"
    assert state(case) == ("completed", "")


def test_what_is_not_due_waits(desk: Desk) -> None:
    desk.publish()
    case = desk.hold(due=timedelta(minutes=5), on_overdue="reject")
    assert act(case).outcome == ""
    assert state(case) == ("held", "")


def delivered(desk: Desk) -> ReviewCase:
    """A call that was given out, as long ago as a sample looks."""
    case = desk.hold("pay 1")
    commands.claim(rui(desk), case.id)
    commands.approve(rui(desk), case.id, 0)
    return case


def test_a_share_of_delivered_calls_is_looked_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.publish("{reviewers: ['role:reviewer'], sample: {percent: 100}}")
    seen = delivered(desk)
    # as if the person's case had been another call's: only what nobody has seen is sampled
    monkeypatch.setattr(clock, "SAMPLE_AFTER", timedelta(seconds=-5))
    assert not ReviewCase.objects.filter(call=seen.call, stage="sample").exists()
    clock.sample()
    assert not ReviewCase.objects.filter(call=seen.call, stage="sample").exists()
    monkeypatch.setattr(
        clock, "_delivered", lambda _queue, _span: Call.objects.filter(pk=seen.call)
    )
    assert clock.sample() >= 1
    assert clock.sample() == 0
    case = ReviewCase.objects.get(call=seen.call, stage="sample")
    assert kinds(case)[-1] == "review.sampled"
    commands.claim(rui(desk), case.id)
    opened = commands.look(rui(desk), case.id)
    assert opened.draft is not None
    assert opened.draft.text == "pay 1"
    assert commands.reject(rui(desk), case.id, "the payout is wrong").closed is True
    assert state(seen) == ("completed", "")


def test_the_draw_decides_which(desk: Desk) -> None:
    call = uuid7_floor(mandate_now())
    share = clock._draw(call) / clock._WHOLE
    assert 0 <= share < 1
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ('x' || encode(substr(sha256(uuid_send(%s)), 1, 4), 'hex'))::bit(32)::bigint",
            [call],
        )
        assert cursor.fetchone()[0] == clock._draw(call) >> 32
