"""Frames between a worker and a waiting request, over real Redis or Valkey."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
import redis.asyncio
from cryptography.exceptions import InvalidTag
from django.conf import settings

from controlplane.kernel.ids import IdSource
from routing import relay
from routing.pipe import Pipe
from routing.relay import Frame, Mailbox, Outcome, Replies, Sender

KEY, OTHER_KEY = bytes(32), bytes(range(32))
IDS = IdSource()


@pytest.fixture
async def client() -> AsyncIterator[redis.asyncio.Redis]:
    made: redis.asyncio.Redis = redis.asyncio.Redis.from_url(settings.REDIS_URL)
    yield made
    await made.aclose()


@pytest.fixture
async def replies(client: redis.asyncio.Redis) -> AsyncIterator[Replies]:
    frames = Pipe(client)
    made = Replies(frames, IDS.new())
    reading = asyncio.create_task(made.run())
    yield made
    reading.cancel()
    await asyncio.wait({reading})
    await frames.close()


@pytest.fixture
async def pipe(client: redis.asyncio.Redis) -> AsyncIterator[Pipe]:
    made = Pipe(client)
    yield made
    await made.close()


def _sender(pipe: Pipe, replies: Replies, call: UUID, key: bytes = KEY) -> Sender:
    web = UUID(hex=replies._stream.rpartition(b":")[2].decode())
    return Sender(pipe, web, call, key)


async def _frames(box: Mailbox, count: int) -> list[Frame]:
    found = [await box.next(5) for _ in range(count)]
    return [frame for frame in found if frame is not None]


async def test_chunks_carry_their_offset_and_the_end_what_is_left(
    pipe: Pipe, replies: Replies
) -> None:
    call = IDS.new()
    with replies.expect(call, KEY) as box:
        sender = _sender(pipe, replies, call)
        await sender.chunk(b"one ")
        await sender.chunk(b"two ")
        await sender.end(Outcome(200, "text/plain", {"a": "b"}, b"one two three"))
        frames = await _frames(box, 3)
    assert frames[:2] == [Frame("chunk", 0, b"one "), Frame("chunk", 4, b"two ")]
    assert (frames[2].kind, frames[2].offset) == ("end", 8)
    assert relay.unpack_outcome(frames[2].data) == Outcome(200, "text/plain", {"a": "b"}, b"three")


async def test_a_large_answer_is_left_in_the_vault(pipe: Pipe, replies: Replies) -> None:
    call = IDS.new()
    with replies.expect(call, KEY) as box:
        body = bytes(relay.LARGEST_FRAME + 1)
        await _sender(pipe, replies, call).end(Outcome(200, "text/plain", {}, body))
        assert await _frames(box, 1) == [Frame("stored", 0, b"")]


async def test_a_frame_under_another_key_or_of_another_call_is_dropped(
    pipe: Pipe, replies: Replies
) -> None:
    call, other = IDS.new(), IDS.new()
    with replies.expect(call, KEY) as box:
        await _sender(pipe, replies, call, OTHER_KEY).chunk(b"forged")
        await _sender(pipe, replies, other).chunk(b"not mine")
        await _sender(pipe, replies, call).chunk(b"mine")
        assert await _frames(box, 1) == [Frame("chunk", 0, b"mine")]
    with pytest.raises(InvalidTag):
        relay.open_frame(KEY, other, relay.seal_frame(KEY, call, Frame("chunk", 0, b"x")))


async def test_nothing_readable_lies_in_redis(
    client: redis.asyncio.Redis, pipe: Pipe, replies: Replies
) -> None:
    call = IDS.new()
    await _sender(pipe, replies, call).chunk(b"canary-in-the-answer")
    found: Any = await client.xrange(replies._stream)
    ((_id, fields),) = found
    assert set(fields) == {b"c", b"f"}
    assert fields[b"c"] == call.bytes
    assert b"canary" not in fields[b"f"]


async def test_two_requests_may_wait_for_one_call(pipe: Pipe, replies: Replies) -> None:
    call = IDS.new()
    with replies.expect(call, KEY) as first, replies.expect(call, KEY) as second:
        assert replies.waiting() == [call]
        await _sender(pipe, replies, call).chunk(b"both")
        assert await _frames(first, 1) == await _frames(second, 1) == [Frame("chunk", 0, b"both")]
    assert replies.waiting() == []


async def test_a_flushed_stream_is_read_on(
    client: redis.asyncio.Redis, pipe: Pipe, replies: Replies
) -> None:
    call = IDS.new()
    with replies.expect(call, KEY) as box:
        sender = _sender(pipe, replies, call)
        await sender.chunk(b"before ")
        assert await _frames(box, 1) == [Frame("chunk", 0, b"before ")]
        await client.delete(replies._stream)
        await asyncio.sleep(0.01)  # ids are milliseconds
        await sender.chunk(b"after")
        assert await _frames(box, 1) == [Frame("chunk", 7, b"after")]


async def test_what_was_read_is_dropped_and_the_stream_forgets_itself(
    client: redis.asyncio.Redis, pipe: Pipe, replies: Replies
) -> None:
    call = IDS.new()
    with replies.expect(call, KEY) as box:
        sender = _sender(pipe, replies, call)
        for _ in range(3):
            replies._tidied_at = 0.0
            await sender.chunk(b"x")
            await _frames(box, 1)
            for _ in range(3000):
                left, forgotten = (
                    await client.xlen(replies._stream),
                    await client.ttl(replies._stream),
                )
                if left == 1 and forgotten > 0:
                    break
                await asyncio.sleep(0.01)
        assert left == 1
    assert 0 < forgotten <= relay.FORGOTTEN_SECONDS


async def test_a_mailbox_waits_no_longer_than_asked() -> None:
    assert await Mailbox(IDS.new(), KEY).next(0.01) is None


async def test_draining_reaches_every_waiting_request(replies: Replies) -> None:
    one, two = IDS.new(), IDS.new()
    with replies.expect(one, KEY) as first, replies.expect(two, KEY) as second:
        replies.drain()
        assert await _frames(first, 1) == await _frames(second, 1) == [Frame("drain", 0, b"")]


async def test_without_redis_sending_says_nothing_and_counts_on() -> None:
    away: redis.asyncio.Redis = redis.asyncio.Redis(port=1, socket_connect_timeout=0.2)
    sender = Sender(Pipe(away), IDS.new(), IDS.new(), KEY)
    await sender.chunk(b"four")
    assert sender.sent == 4
    await away.aclose()
