"""A new demo has some weeks behind it: real calls, in another time, that every check of the log and the books accepts."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from routing.closing.months import following
from routing.demo.plan import begins, closed, last_tuesday
from routing.demo.story import PROPOSED, TITLE
from routing.demo.world import ZONE
from routing.reports.labelled import Labelled
from tests.controlplane.machines import Machine, folder, free_port, manage
from tests.journeys.installation import exchange

pytestmark = [pytest.mark.machines, pytest.mark.slow]


class Past:
    """An installation whose history is made, and a call that somebody made meanwhile."""

    def __init__(self, machine: Machine, meanwhile: int, output: str) -> None:
        self.machine = machine
        self.meanwhile = meanwhile
        self.output = output

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        dsn = json.loads((self.machine.home / "services.json").read_text())["database_url"]
        with psycopg.connect(dsn, autocommit=True) as db:
            return db.execute(query).fetchall()


@pytest.fixture(scope="module")
def past() -> Iterator[Past]:
    with folder(mode=0o700) as place:
        machine = Machine(
            home=place / "home", port=free_port(), extra={"MANDATE_DEMO_HISTORY": "1"}
        )
        running = machine.start()
        try:
            running.wait_for("Ready after", 150)
            facts = json.loads((machine.home / "welcome.json").read_text())
            key = next(iter(facts["keys"].values()))
            asked = {
                "model": facts["route"],
                "messages": [{"role": "user", "content": "Is anybody there?"}],
            }
            headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
            answer = exchange(
                machine.port, "POST", "/v1/chat/completions", json.dumps(asked).encode(), headers
            )
            running.wait_for("the demo has its history", 240)
            # what the sequencer has not placed yet
            time.sleep(3)
            yield Past(machine, answer.status, running.said())
        finally:
            running.end()


def test_calls_lie_in_those_weeks_and_all_have_ended(past: Past) -> None:
    now = datetime.now(tz=UTC)
    ((made, first, last),) = past.rows(
        "SELECT count(*), min(admitted_at), max(admitted_at) FROM routing_call"
    )
    assert 1_200 < made <= 1_800
    assert begins(now, ZONE) < first < begins(now, ZONE) + timedelta(hours=3)
    assert last < now
    # ids never go back: one drawn in real time would hold all of them at that moment
    ((elsewhere,),) = past.rows(
        "SELECT count(*) FROM routing_call WHERE id < uuid7_floor(admitted_at - interval '5 s') "
        "OR id >= uuid7_floor(admitted_at + interval '5 s')"
    )
    assert elsewhere == 0
    states = dict(past.rows("SELECT state, count(*) FROM routing_call GROUP BY state"))
    assert set(states) <= {"completed", "failed", "denied", "held"}
    assert states["held"] == 1
    assert states["completed"] > 0.8 * made
    assert states["denied"] > 20
    # each took as long as its model takes, in its own time
    ((longest, shortest),) = past.rows(
        "SELECT max(finished_at - admitted_at), min(finished_at - admitted_at) FROM routing_call c "
        "WHERE state = 'completed' AND NOT EXISTS (SELECT FROM routing_review_case r WHERE r.call = c.id)"
    )
    assert timedelta() < shortest < longest < timedelta(minutes=2)


def test_books_and_log_accept_it(past: Past) -> None:
    ((posted,),) = past.rows("SELECT sum(posted_nano + overrun_nano) FROM routing_posting")
    ((spent,),) = past.rows("SELECT sum(posted_nano + overrun_nano) FROM routing_attempt")
    assert posted == spent > 0
    assert past.rows("SELECT sum(pending_nano) FROM routing_ledger_window") == [(0,)]
    terminal = past.rows(
        "SELECT count(*) FROM audit_entry WHERE kind IN ('call.denied', 'call.completed', 'call.failed', 'call.cancelled')"
    )
    assert terminal == past.rows("SELECT count(*) FROM routing_call WHERE state <> 'held'")
    told = manage(past.machine, "audit", "verify")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "mandate.invalid/demo/" in told.stdout


def test_somebody_who_called_meanwhile_was_answered(past: Past) -> None:
    assert past.meanwhile == 200


def test_the_story_was_told_by_two_people(past: Past) -> None:
    changes = past.rows(
        "SELECT c.title, c.author, a.actor, c.published_revision FROM policies_change c "
        "JOIN policies_change_approval a ON a.change_id = c.id WHERE a.dismissed_at IS NULL"
    )
    assert len(changes) == 4
    assert {(author, approver) for _, author, approver, _ in changes} == {
        ("member:ada@acme.example", "member:cleo@acme.example")
    }
    ((revision,),) = [(number,) for title, _, _, number in changes if title == TITLE]
    ((published_at,),) = past.rows(
        f"SELECT published_at FROM policies_bundle WHERE revision = {revision}"
    )
    assert published_at.astimezone(ZONE).date() == last_tuesday(datetime.now(tz=UTC), ZONE)
    ((proposed, proposer, state),) = past.rows(
        "SELECT title, author, state FROM policies_change WHERE published_revision IS NULL"
    )
    assert (proposed, proposer, state) == (PROPOSED, "member:tariq@acme.example", "approval")
    cases = past.rows(
        "SELECT outcome, closed_at IS NOT NULL FROM routing_review_case WHERE stage = 'response' ORDER BY id"
    )
    assert cases == [("edited", True), ("", False)]
    # what it changed: gpt-mini answered personal claims before, and none after
    before, after = (
        past.rows(
            "SELECT count(*) FROM routing_attempt a JOIN routing_call c ON c.id = a.call "
            f"WHERE c.route = 'claims-triage' AND a.model = 'gpt-mini' AND c.revision {sign} {revision}"
        )[0][0]
        for sign in ("<", ">=")
    )
    assert before > 50
    assert after == 0


def test_a_month_is_closed_by_two_and_a_credit_counts_in_the_open_one(past: Past) -> None:
    now = datetime.now(tz=UTC)
    month = f"{closed(now, ZONE).replace(day=1) - timedelta(days=1):%Y-%m}"
    statements = past.rows(
        "SELECT s.tenant, s.period, s.prepared_by, coalesce(p.closed_by, ''), s.spent_nano > 0 "
        "FROM routing_statement s LEFT JOIN routing_period p ON p.statement = s.id ORDER BY s.tenant"
    )
    finn, cleo = "member:finn@acme.example", "member:cleo@acme.example"
    assert statements == [
        ("group", month, finn, "", True),
        ("insurance", month, finn, cleo, True),
        ("retail", month, finn, finn, True),
    ]
    adjustments = past.rows(
        "SELECT a.kind, a.corrects, sign(a.amount_nano)::int, coalesce(v.period, ''), coalesce(v.decided_by, '') "
        "FROM routing_adjustment a LEFT JOIN routing_adjustment_verdict v ON v.adjustment = a.id ORDER BY a.id"
    )
    assert adjustments == [
        ("credit", month, -1, following(month), cleo),
        ("invoice-difference", month, 1, "", ""),
    ]


def test_people_said_enough_of_our_own_model_to_claim_waste(past: Past) -> None:
    labels = past.rows(
        "SELECT a.model, count(*), count(*) FILTER (WHERE r.outcome = 'approved') FROM routing_review_case r "
        "JOIN routing_attempt a ON a.call = r.call WHERE r.stage = 'sample' GROUP BY 1 ORDER BY 1"
    )
    assert [model for model, _, _ in labels] == ["claude-large", "llama-large"]
    assert sum(count for _, count, _ in labels) == 160
    _, count, approved = labels[1]
    assert (count - approved, Labelled(count, approved).passes) == (1, True)


def test_one_key_spends_out_of_pattern_and_its_owner_is_named(past: Past) -> None:
    ((tenant, team, route, owner, is_open),) = past.rows(
        "SELECT tenant, team, route, owner, ended_at IS NULL FROM routing_anomaly"
    )
    assert (tenant, team, route) == ("insurance", "underwriting", "extraction")
    assert owner == "finn@acme.example"
    assert is_open
    ((kinds,),) = past.rows("SELECT count(*) FROM audit_entry WHERE kind = 'anomaly.found'")
    assert kinds == 1


def test_a_small_model_was_asked_beside_and_agrees_often_enough_to_claim_waste(past: Past) -> None:
    runs = past.rows(
        "SELECT c.state, v.verdict, c.run IS NULL, o.state FROM routing_beside b JOIN routing_call c ON c.id = b.call "
        "JOIN routing_call o ON o.id = b.of LEFT JOIN routing_beside_verdict v ON v.call = b.call "
        "WHERE b.asked_at < now() - interval '1 day'"
    )
    assert len(runs) >= 48
    assert {(state, alone, of) for state, _, alone, of in runs} == {
        ("completed", True, "completed")
    }
    words = [word for _, word, _, _ in runs]
    assert set(words) == {"agreed", "differed"}
    assert Labelled(len(words), words.count("agreed")).passes
