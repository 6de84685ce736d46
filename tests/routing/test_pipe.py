"""The pipe to Redis or Valkey: order, pieces, refusals, and what happens when the connection breaks."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import redis.asyncio
from django.conf import settings
from redis.exceptions import ConnectionError as Away
from redis.exceptions import RedisError, ResponseError

from routing.pipe import Incomplete, Pipe, packed, parsed

WHOLE = b"*2\r\n$3\r\none\r\n*3\r\n:-7\r\n$-1\r\n+OK\r\n"


@pytest.fixture
async def client() -> AsyncIterator[redis.asyncio.Redis]:
    made: redis.asyncio.Redis = redis.asyncio.Redis.from_url(settings.REDIS_URL)
    yield made
    await made.aclose()


@pytest.fixture
async def pipe(client: redis.asyncio.Redis) -> AsyncIterator[Pipe]:
    made = Pipe(client)
    yield made
    await made.close()


def _name() -> bytes:
    return b"test:pipe:" + uuid4().hex.encode()


def test_a_command_is_written_by_lengths_so_that_any_byte_may_be_in_it() -> None:
    assert (
        packed((b"SET", b"k", b"\r\n\x00")) == b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\n\r\n\x00\r\n"
    )


def test_every_kind_of_answer_is_read() -> None:
    assert parsed(WHOLE, 0) == ([b"one", [-7, None, b"OK"]], len(WHOLE))
    assert parsed(b"*-1\r\n*0\r\n", 0) == (None, 5)
    assert parsed(b"*-1\r\n*0\r\n", 5) == ([], 9)
    error, end = parsed(b"-ERR no\r\n", 0)
    assert (type(error), str(error), end) == (ResponseError, "ERR no", 9)
    with pytest.raises(Away):
        parsed(b"HTTP/1.1 400\r\n", 0)


def test_an_answer_that_is_cut_anywhere_asks_for_more() -> None:
    for cut in range(len(WHOLE)):
        with pytest.raises(Incomplete) as more:
            parsed(WHOLE[:cut], 0)
        assert cut < more.value.bytes <= len(WHOLE)


async def test_answers_come_back_to_who_asked_whatever_else_is_under_way(pipe: Pipe) -> None:
    words = [b"%d" % number for number in range(300)]
    assert await asyncio.gather(*(pipe.ask(b"ECHO", word) for word in words)) == words


async def test_an_answer_larger_than_a_read_is_whole(pipe: Pipe) -> None:
    name, large = _name(), bytes(range(256)) * 4_096
    assert await pipe.ask(b"SET", name, large, b"EX", b"60") == b"OK"
    both = await asyncio.gather(pipe.ask(b"GET", name), pipe.ask(b"PING"))
    assert list(both) == [large, b"PONG"]
    assert await pipe.ask(b"DEL", name) == 1


async def test_a_refusal_is_its_own_askers_only(pipe: Pipe) -> None:
    refused, fine = await asyncio.gather(
        pipe.ask(b"NO-SUCH-COMMAND"), pipe.ask(b"PING"), return_exceptions=True
    )
    assert isinstance(refused, ResponseError)
    assert fine == b"PONG"


async def test_who_stops_waiting_shifts_nobody_elses_answer(pipe: Pipe) -> None:
    name = _name()
    waiting = asyncio.ensure_future(pipe.ask(b"BLPOP", name, b"0.2"))
    behind = asyncio.ensure_future(pipe.ask(b"ECHO", b"behind"))
    await asyncio.sleep(0.05)
    waiting.cancel()
    assert await behind == b"behind"
    assert await pipe.ask(b"ECHO", b"after") == b"after"


async def test_a_broken_connection_is_told_and_the_next_command_opens_another(
    client: redis.asyncio.Redis, pipe: Pipe
) -> None:
    number = await pipe.ask(b"CLIENT", b"ID")
    waiting = asyncio.ensure_future(pipe.ask(b"BLPOP", _name(), b"0"))
    await asyncio.sleep(0.05)
    assert await client.client_kill_filter(_id=str(number)) == 1
    with pytest.raises(Away):
        await waiting
    assert await pipe.ask(b"CLIENT", b"ID") != number


async def test_it_knows_the_password_and_the_database_of_the_address(pipe: Pipe) -> None:
    told = await pipe.ask(b"CLIENT", b"INFO")
    facts = dict(pair.split(b"=", 1) for pair in told.split())
    assert (facts[b"user"], facts[b"resp"]) == (b"default", b"2")
    assert facts[b"db"] == settings.REDIS_URL.rpartition("/")[2].encode()


async def test_closing_tells_who_waits(pipe: Pipe) -> None:
    waiting = asyncio.ensure_future(pipe.ask(b"BLPOP", _name(), b"0"))
    await asyncio.sleep(0.05)
    await pipe.close()
    with pytest.raises(Away):
        await waiting


async def test_where_nobody_listens_asking_raises_and_leaves_nothing_open() -> None:
    away: redis.asyncio.Redis = redis.asyncio.Redis(port=1, socket_connect_timeout=0.2)
    pipe = Pipe(away)
    with pytest.raises(RedisError):
        await pipe.ask(b"PING")
    await pipe.close()
    await away.aclose()
