"""An entry that the log does not take refuses its step of a call whole: no row, no content, no money; it can be done after."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from psycopg.errors import CheckViolation

from audit.log.entry import Entry
from routing.calls import commands
from routing.calls.answers import Admitted, Denied, Finished, Started
from routing.calls.pool import Database, ask
from tests.routing.calls.test_sweeping import carry_out
from tests.routing.world import World, sealed

TOO_LONG = 65_536
"""One byte more than the log takes."""
STATE = """
WITH me AS (SELECT %s::uuid AS call, %s::text AS tenant)
SELECT (SELECT jsonb_agg(to_jsonb(c)) FROM routing_call c WHERE c.id = me.call),
       (SELECT jsonb_agg(to_jsonb(a) ORDER BY a.no) FROM routing_attempt a WHERE a.call = me.call),
       (SELECT count(*) FROM routing_posting p WHERE p.call = me.call),
       (SELECT count(*) FROM policies_decision d WHERE d.call = me.call),
       (SELECT count(*) FROM vault_content v WHERE v.call = me.call),
       (SELECT count(*) FROM audit_entry e WHERE e.call = me.call),
       (SELECT jsonb_agg(to_jsonb(w) ORDER BY w.id) FROM routing_ledger_window w WHERE w.tenant = me.tenant)
  FROM me
"""


def refused(entry: Entry) -> Entry:
    """The same entry with bytes that `audit_append` raises for."""
    return replace(entry, body=entry.body + b" " * (TOO_LONG - len(entry.body)))


async def state(world: World, call: UUID) -> tuple[Any, ...]:
    """All that is stored of a call, and the money of its tenant."""
    return await ask(world.db, STATE, (call, world.tenant))


async def raises(
    world: World, call: UUID, step: Callable[[Database, Any], Awaitable[object]], asked: object
) -> None:
    """The step with an entry that is not taken changes nothing at all."""
    before = await state(world, call)
    with pytest.raises(CheckViolation):
        await step(world.db, asked)
    assert await state(world, call) == before


async def test_no_step_of_a_call_goes_on_without_its_entry(world: World) -> None:
    window = await world.window(1000)
    admission = world.admission(300, [window])
    call = admission.asked.call
    await raises(world, call, commands.admit, replace(admission, entry=refused(admission.entry)))
    assert await world.money(window.id) == (0, 0, 0)
    assert isinstance(await commands.admit(world.db, admission), Admitted)

    start = world.start(call)
    await raises(world, call, commands.start_attempt, replace(start, entry=refused(start.entry)))
    assert await world.attempt(call) == "reserved"
    assert await commands.start_attempt(world.db, start) == Started()

    settled = world.settlement(call, amount_nano=120)
    await raises(
        world, call, commands.settle_attempt, replace(settled, entry=refused(settled.entry))
    )
    finish = world.finish(call, attempt={"amount_nano": 120}, answer=sealed("answer"))
    for broken in (
        replace(finish, entry=refused(finish.entry)),
        replace(finish, attempt=replace(settled, entry=refused(settled.entry))),
    ):
        await raises(world, call, commands.finish_call, broken)
    assert await world.money(window.id) == (0, 300, 0)
    assert await commands.finish_call(world.db, finish) == Finished(120)
    assert await world.money(window.id) == (120, 0, 0)


async def test_no_call_is_denied_or_cancelled_without_its_entry(world: World) -> None:
    denial = world.denial()
    call = denial.asked.call
    await raises(world, call, commands.deny, replace(denial, entry=refused(denial.entry)))
    assert await commands.deny(world.db, denial) == Denied(call)

    window = await world.window(1000)
    admission = world.admission(300, [window])
    call = admission.asked.call
    assert isinstance(await commands.admit(world.db, admission), Admitted)
    cancel = world.cancel(call)
    for broken in (
        replace(cancel, entry=refused(cancel.entry)),
        replace(cancel, void_entry=refused(cancel.void_entry)),
    ):
        await raises(world, call, commands.cancel_call, broken)
    assert await world.money(window.id) == (0, 300, 0)
    await commands.cancel_call(world.db, cancel)
    assert (await world.state(call), await world.money(window.id)) == ("cancelled", (0, 0, 0))


async def test_nothing_of_a_lost_worker_is_swept_without_its_entries(world: World) -> None:
    window = await world.window(1000)
    admission = world.admission(300, [window], lost_retries=0)
    call = admission.asked.call
    await commands.admit(world.db, admission)
    await commands.start_attempt(world.db, world.start(call))
    assert await commands.give_up(world.db, world.worker)
    found = next(f for f in await commands.sweep_find(world.db, limit=10_000) if f.call == call)
    sweep = carry_out(world, found)
    assert sweep.entry is not None
    for broken in (
        replace(sweep, entry=refused(sweep.entry)),
        replace(sweep, attempts=[refused(entry) for entry in sweep.attempts]),
    ):
        await raises(world, call, commands.sweep_call, broken)
    assert (await world.attempt(call), await world.money(window.id)) == ("started", (0, 300, 0))
    await commands.sweep_call(world.db, sweep)
    assert (await world.state(call), await world.attempt(call)) == ("failed", "unknown")
