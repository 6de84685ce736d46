"""The same Idempotency-Key means the same call for a day; in doubt means the same entries."""

import asyncio
from dataclasses import replace

from routing.calls import commands
from routing.calls.commands import (
    Admitted,
    Conflict,
    Denied,
    Duplicate,
    IdempotencyKey,
    Unauthenticated,
)
from tests.routing.control import publish
from tests.routing.world import World

KEY = IdempotencyKey(b"h" * 32, b"d" * 32)
OTHER_BODY = IdempotencyKey(b"h" * 32, b"e" * 32)


async def test_the_same_key_is_the_same_call_and_another_body_a_conflict(world: World) -> None:
    first = world.admission(idempotency=KEY)
    call = first.asked.call
    assert isinstance(await commands.admit(world.db, first), Admitted)
    assert await commands.admit(world.db, world.admission(idempotency=KEY)) == Duplicate(call)
    assert await commands.admit(world.db, world.admission(idempotency=OTHER_BODY)) == Conflict(call)


async def test_twenty_twins_at_once_are_one_call(world: World) -> None:
    window = await world.window(1000)
    twins = [world.admission(100, [window], idempotency=KEY) for _ in range(20)]
    answers = await asyncio.gather(*(commands.admit(world.db, twin) for twin in twins))
    [winner] = [answer.call for answer in answers if isinstance(answer, Admitted)]
    assert answers.count(Duplicate(winner)) == 19
    assert await world.money(window.id) == (0, 100, 0)


async def test_a_call_admitted_before_a_denial_is_still_its_keys_call(world: World) -> None:
    first = world.admission(idempotency=KEY)
    await commands.admit(world.db, first)
    denied = world.denial(idempotency=KEY)
    assert await commands.deny(world.db, denied) == Duplicate(first.asked.call)
    assert await world.kinds(denied.asked.call) == []


async def test_a_denial_leaves_its_key_free(world: World) -> None:
    denial = world.denial(idempotency=KEY)
    assert await commands.deny(world.db, denial) == Denied(denial.asked.call)
    assert isinstance(await commands.admit(world.db, world.admission(idempotency=KEY)), Admitted)


async def test_after_a_day_the_key_is_free_again(world: World) -> None:
    first = world.admission(idempotency=KEY)
    await commands.admit(world.db, first)
    await expire(world)
    second = world.admission(idempotency=OTHER_BODY)
    assert isinstance(await commands.admit(world.db, second), Admitted)
    assert await commands.admit(world.db, world.admission(idempotency=OTHER_BODY)) == Duplicate(
        second.asked.call
    )
    await expire(world)
    assert await commands.idempotency_expire(world.db) == 1
    assert await commands.idempotency_expire(world.db) == 0


async def test_a_backlog_of_keys_goes_in_one_run_but_not_in_one_transaction(world: World) -> None:
    async with world.db.connection() as connection:
        await connection.execute(
            """
            INSERT INTO routing_idempotency (call, expires_at, key, hash, digest)
            SELECT gen_random_uuid(), mandate_now() - interval '1 s', %s, int4send(n), int4send(n) FROM generate_series(1, 25) n
            """,
            (world.key,),
        )
    assert await commands.idempotency_expire(world.db, limit=10, rounds=2) == 20
    assert await commands.idempotency_expire(world.db, limit=10) == 5
    assert await commands.idempotency_expire(world.db, limit=10) == 0


async def expire(world: World) -> None:
    async with world.db.connection() as connection:
        await connection.execute(
            "UPDATE routing_idempotency SET expires_at = mandate_now() - interval '1 s' WHERE key = %s",
            (world.key,),
        )


async def test_in_doubt_gives_the_same_answer_whatever_has_moved(world: World) -> None:
    window = await world.window(100)
    admission = world.admission(100, [window], idempotency=KEY)
    first = await commands.admit(world.db, admission)
    assert isinstance(first, Admitted)
    # by now the window is full, the key is taken, and the revision has moved
    await publish(world.db)
    assert await commands.admit(world.db, admission) == first
    assert await world.money(window.id) == (0, 100, 0)
    assert await world.kinds(first.call) == ["call.admitted"]


CHANGES = (
    "UPDATE policies_api_key SET revoked_at = now() WHERE id = %(key)s",
    "UPDATE policies_api_key SET expires_at = mandate_now() WHERE id = %(key)s",
    "UPDATE policies_team SET archived_at = now() FROM policies_tenant t WHERE t.id = tenant_id AND t.slug = %(tenant)s",
    "UPDATE policies_tenant SET archived_at = now() WHERE slug = %(tenant)s",
)


async def test_a_key_that_no_longer_stands_is_refused_without_a_trace(world: World) -> None:
    who = {"key": world.key, "tenant": world.tenant}
    for change in CHANGES:
        async with world.db.connection() as connection:
            await connection.execute(
                "UPDATE policies_api_key SET revoked_at = NULL, expires_at = NULL WHERE id = %(key)s",
                who,
            )
            await connection.execute(change, who)
        admission, denial = world.admission(), world.denial()
        assert await commands.admit(world.db, admission) == Unauthenticated()
        assert await commands.deny(world.db, denial) == Unauthenticated()
        assert await commands.peek(world.db, admission.asked.call) is None
        assert await commands.peek(world.db, denial.asked.call) is None


async def test_another_keys_hash_is_unauthenticated(world: World) -> None:
    admission = world.admission()
    forged = replace(admission, asked=replace(admission.asked, key_hash=b"x" * 32))
    assert await commands.admit(world.db, forged) == Unauthenticated()
