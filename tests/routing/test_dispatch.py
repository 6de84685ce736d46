"""The prepared message is what Celery's own producer would have sent."""

import base64
import json
from uuid import UUID

import redis
import redis.asyncio
from celery import Celery
from django.conf import settings

from controlplane.kernel.ids import IdSource
from routing.dispatch import QUEUE, TASK, Dispatcher, message
from routing.pipe import Pipe

CALL = UUID("01a20b3a-9391-759f-b163-11959eec8c3b")


def _celerys_own() -> dict[str, object]:
    """What a stock Celery application pushes for the same task, read back from a queue of its own."""
    name = f"compare-{IdSource().new().hex}"
    app = Celery("compare", broker=settings.REDIS_URL)
    app.conf.update(task_ignore_result=True, task_send_sent_event=False)
    app.send_task(TASK, args=[CALL.hex], task_id=str(CALL), queue=name)
    app.close()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        pushed = client.rpop(name)
    assert isinstance(pushed, bytes)
    found: dict[str, object] = json.loads(pushed)
    return found


def test_body_and_task_are_the_same_as_celerys() -> None:
    theirs, ours = _celerys_own(), json.loads(message(CALL))
    assert set(ours) == set(theirs)
    for name in ("content-type", "content-encoding"):
        assert ours[name] == theirs[name]
    assert json.loads(base64.b64decode(ours["body"])) == json.loads(
        base64.b64decode(str(theirs["body"]))
    )
    wanted = theirs["headers"]
    assert isinstance(wanted, dict)
    for name in (
        "lang",
        "task",
        "id",
        "root_id",
        "parent_id",
        "group",
        "retries",
        "eta",
        "expires",
    ):
        assert ours["headers"][name] == wanted[name]
    properties = theirs["properties"]
    assert isinstance(properties, dict)
    assert set(properties) - {"delivery_info"} <= set(ours["properties"])


def test_it_carries_the_calls_id_and_nothing_else() -> None:
    body = json.loads(base64.b64decode(json.loads(message(CALL))["body"]))
    assert body == [
        [CALL.hex],
        {},
        {"callbacks": None, "errbacks": None, "chain": None, "chord": None},
    ]


async def test_a_ring_lies_in_the_queue() -> None:
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(settings.REDIS_URL)
    await client.delete(QUEUE)
    pipe = Pipe(client)
    assert await Dispatcher(pipe).ring(CALL) is True
    await pipe.close()
    assert await client.lrange(QUEUE, 0, -1) == [message(CALL)]
    await client.delete(QUEUE)
    await client.aclose()


async def test_a_ring_nobody_hears_is_no_error() -> None:
    away: redis.asyncio.Redis = redis.asyncio.Redis(port=1, socket_connect_timeout=0.2)
    assert await Dispatcher(Pipe(away)).ring(CALL) is False
    await away.aclose()
