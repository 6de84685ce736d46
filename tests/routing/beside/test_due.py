"""A call that ends after its caller was told something is asked beside then: once, from the vault, by whichever process."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from audit.vault.store import KeyStore
from policies.engine import facts as fact
from policies.identity.authentication import Caller
from routing import admission
from routing.beside import due
from routing.calls import commands
from routing.calls.pool import ask, ask_all
from routing.gathering import Ask, Desk
from routing.shadow_runs import MOST, ShadowRuns
from routing.ticket import Ticket
from tests.policies.engine.small import document, permission
from tests.routing.beside.starting import Bell, answered, asked, begun, counted, desk_of, links
from tests.routing.world import World

WAITING = "SELECT model FROM routing_beside_due WHERE call = %s::uuid"


class Keys:
    """One key, or none that stands."""

    def __init__(self, caller: Caller | None) -> None:
        self.caller = caller

    async def standing(self, _key: str) -> Caller | None:
        return self.caller


async def let_in(world: World, desk: Desk, sent: Ask) -> Ticket:
    """Its caller is told something while it runs: what is asked beside it waits."""
    ticket = await admission.admit(desk, sent)
    before = counted("later")
    assert (await begun(desk, sent, ticket)).rung == []
    assert counted("later") - before == 1
    assert await ask_all(world.db, WAITING, (ticket.call,)) == [("s",)]
    assert await links(world, ticket.call) == []
    return ticket


async def ends(world: World, ticket: Ticket, state: str = "completed") -> None:
    await commands.start_attempt(world.db, world.start(ticket.call))
    attempt = {"amount_nano": 7, "basis": "reported"}
    await commands.finish_call(world.db, world.finish(ticket.call, state=state, attempt=attempt))
    assert await world.state(ticket.call) == state


async def taken_up(desk: Desk, caller: Caller | None) -> Bell:
    """Another process than the one that let it in looks."""
    bell = Bell()
    runs = ShadowRuns(desk, cast("Any", bell))
    await runs.take_up(cast("Any", Keys(caller)))
    await runs.settled()
    return bell


async def test_it_is_asked_once_the_call_has_ended(world: World, tmp_path: Path) -> None:
    desk = desk_of(world, tmp_path)
    sent = asked(world, run="booking", idempotency_key="later")
    ticket = await let_in(world, desk, sent)
    assert (await taken_up(desk, sent.caller)).rung == []
    assert await ask_all(world.db, WAITING, (ticket.call,)) == [("s",)]
    await ends(world, ticket)
    bell = await taken_up(desk, sent.caller)
    [(call, *rest)] = await links(world, ticket.call)
    assert (bell.rung, rest) == ([call], ["a", "t", "r", "s"])
    assert await ask_all(world.db, WAITING, (ticket.call,)) == []
    first, beside = [
        fact.decode(bytes((await ask(world.db, "SELECT facts FROM policies_decision WHERE call = %s::uuid", (one,)))[0]))
        for one in (ticket.call, call)
    ]  # fmt: skip
    assert beside.shadow == fact.ShadowFacts(of=ticket.call.hex, model="s")
    assert (beside.request, beside.user, beside.key) == (first.request, first.user, first.key)
    assert beside.run.id == first.run.id != ""
    row = "SELECT user_ref, run, dialect FROM routing_call WHERE id = %s::uuid"
    of, own = [await ask(world.db, row, (one,)) for one in (ticket.call, call)]
    assert own == (of[0], None, of[2])
    assert (await taken_up(desk, sent.caller)).rung == []


async def test_two_processes_take_it_once(world: World, tmp_path: Path) -> None:
    desk = desk_of(world, tmp_path)
    sent = asked(world)
    tickets = [await let_in(world, desk, sent) for _ in range(3)]
    for ticket in tickets:
        await ends(world, ticket)
    found = await asyncio.gather(*(due.take(world.db, 50) for _ in range(4)))
    taken = [call for one in found for call in one]
    assert sorted(call for call in taken if call in {t.call for t in tickets}) == sorted(
        ticket.call for ticket in tickets
    )


async def nothing_is_asked(
    world: World, desk: Desk, ticket: Ticket, caller: Caller | None, why: str
) -> None:
    before = counted(why)
    assert (await taken_up(desk, caller)).rung == []
    assert counted(why) - before == 1
    assert await links(world, ticket.call) == []
    assert await ask_all(world.db, WAITING, (ticket.call,)) == []


async def test_what_was_not_answered_is_forgotten(world: World, tmp_path: Path) -> None:
    desk = desk_of(world, tmp_path)
    sent = asked(world)
    ticket = await let_in(world, desk, sent)
    await ends(world, ticket, "failed")
    await nothing_is_asked(world, desk, ticket, sent.caller, "gone")


async def test_a_key_that_stands_no_more_asks_nothing(world: World, tmp_path: Path) -> None:
    desk = desk_of(world, tmp_path)
    ticket = await let_in(world, desk, asked(world))
    await ends(world, ticket)
    await nothing_is_asked(world, desk, ticket, None, "gone")


async def test_content_that_was_erased_is_not_asked(world: World, tmp_path: Path) -> None:
    desk = desk_of(world, tmp_path)
    sent = asked(world)
    ticket = await let_in(world, desk, sent)
    await ends(world, ticket)
    elsewhere = replace(desk, key_store=KeyStore(tmp_path / "empty"))
    await nothing_is_asked(world, elsewhere, ticket, sent.caller, "gone")


async def test_what_a_person_would_look_at_is_neither_started_nor_denied(
    world: World, tmp_path: Path
) -> None:
    hold = permission("hold", effect="permit", obligations={"hold": "q"})
    queue = document("ReviewQueue", "q", {"reviewers": ["role:reviewer"]})
    desk, held = desk_of(world, tmp_path), desk_of(world, tmp_path, hold, queue)
    sent = asked(world)
    ticket = await answered(world, desk, sent)
    before = counted("not_beside")
    assert (await begun(held, sent, ticket)).rung == []
    assert counted("not_beside") - before == 1
    query = "SELECT count(*) FROM routing_call WHERE key = %s"
    assert await ask(world.db, query, (world.key,)) == (1,)


async def test_no_more_than_there_is_room_for(world: World, tmp_path: Path) -> None:
    desk = desk_of(world, tmp_path)
    sent = asked(world)
    ticket = await let_in(world, desk, sent)
    await ends(world, ticket)
    runs = ShadowRuns(desk, cast("Any", Bell()))
    cast("Any", runs)._running = dict.fromkeys(range(MOST), 0)
    await runs.take_up(cast("Any", Keys(sent.caller)))
    assert await ask_all(world.db, WAITING, (ticket.call,)) == [("s",)]
    assert len((await taken_up(desk, sent.caller)).rung) == 1
