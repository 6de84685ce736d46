"""A call that a rule wants a person to see before any model: at admission, and by the worker that has it released or not."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
import redis.asyncio
from django.conf import settings

from policies.bundles.snapshot import Snapshot
from routing import admission, answers
from routing.calls.pool import ask, ask_all
from routing.gathering import Desk
from routing.limits.rates import RateLimits
from routing.reviews.steps import Decide
from tests.policies.engine.cascades import DESK, escalation
from tests.policies.engine.small import EVERYONE, bundle, document, model, route
from tests.routing.desks import asked, desk_of
from tests.routing.reviews.asking import Taking, claim, decide, deciding
from tests.routing.walking import request, text_of, walk
from tests.routing.world import World

RULE = escalation("look-first", 'route.name == "r"', stage="request")
CASE = (
    "SELECT id, stage, queue, queue_tenant, tenant, team, key, route, rules, approvals, due_at - opened_at "
    "FROM routing_review_case WHERE call = %s::uuid"
)


@pytest.fixture
def desk(world: World, tmp_path: Path) -> Desk:
    of = bundle(EVERYONE, DESK, model("m"), route("r", "m"), RULE)
    return desk_of(world, tmp_path / "store", of)


async def test_it_is_admitted_and_held_in_one_commit_with_no_money(
    world: World, desk: Desk
) -> None:
    ticket = await admission.admit(desk, asked(world))
    assert (ticket.held, ticket.duplicate) == (True, False)
    assert await world.state(ticket.call) == "held"
    assert await world.kinds(ticket.call) == ["call.admitted", "call.held"]
    query = "SELECT count(*) FROM routing_attempt WHERE call = %s::uuid"
    assert await ask(world.db, query, (ticket.call,)) == (0,)
    (row,) = await ask_all(world.db, CASE, (ticket.call,))
    assert row[1:8] == ("request", "desk", "", "a", "t", world.key, "r")
    assert [(rule["kind"], rule["name"]) for rule in row[8]] == [("EscalationRule", "look-first")]
    assert row[9:] == (1, timedelta(minutes=60))
    told = answers.failure("held", "", ticket.call)
    assert (told.status, told.code) == (409, "held_for_review")
    assert told.details["poll"] == f"/api/v1/calls/call_{ticket.call.hex}/"


async def test_held_it_keeps_no_slot_of_a_rate_limit(world: World, desk: Desk) -> None:
    name = f"one-{uuid4().hex}"
    limit = document("RateLimit", name, {"scope": {}, "concurrent": 1})
    of = bundle(EVERYONE, DESK, model("m"), route("r", "m"), RULE, limit)
    found = Snapshot(world.revision, world.epoch, of, ())

    async def current() -> Snapshot:
        return found

    async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
        snapshots = cast("Any", SimpleNamespace(current=current, reload=current))
        slow = replace(desk, snapshots=snapshots, rates=RateLimits(client))
        # one at a time may run; of those that wait for a person there may be any number
        tickets = [await admission.admit(slow, asked(world)) for _ in range(3)]
        assert await client.exists(f"mandate:rate:{name}:running") == 0
        assert await client.zcard(f"mandate:rate:{name}:asked") == 3
    assert [ticket.held for ticket in tickets] == [True] * 3


async def test_released_it_waits_for_a_worker_with_its_recorded_decision(
    world: World, desk: Desk
) -> None:
    ticket = await admission.admit(desk, asked(world))
    (row,) = await ask_all(world.db, CASE, (ticket.call,))
    entry = world.entry("review.claimed", ticket.call)
    await claim(world.db, Taking(row[0], ticket.call, "member:rui", entry))
    verdict = Decide(
        review=row[0], call=ticket.call, version=0, actor="member:rui", verdict="approved"
    )
    assert await decide(world.db, deciding(world, verdict)) == "closed"
    assert await world.state(ticket.call) == "running"


async def test_a_worker_runs_it_only_once_a_person_has_let_it() -> None:
    of = bundle(EVERYONE, DESK, model("s1"), route("r", "s1"), RULE)
    sent = request("x [[sandbox say='Good morning']]")
    held = await walk(of, sent)
    assert held.story == ["hold request desk"]
    assert held.finish is not None
    assert held.finish.answer is None
    assert (held.outcome.status, held.starts) == (409, [])
    ran = await walk(of, sent, released=True)
    assert ran.story == ["start s1", "finish completed"]
    assert text_of(ran) == "Good morning"
