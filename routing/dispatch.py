"""Wake a worker: one Celery message per call, sent after the commit. Losing it costs a second, never a call.

The message carries the call's id and nothing else. It is laid out once as Celery's own producer would (protocol 2 on
kombu's Redis transport) and pushed as bytes, because `apply_async` costs ten times more per call; a test lets a stock
Celery worker consume it.
"""

import base64
import json
from uuid import UUID

import structlog
from redis.exceptions import RedisError

from controlplane.kernel.tracing import traced
from routing.pipe import Pipe

log = structlog.get_logger(__name__)

TASK = "routing.execute"
QUEUE = "calls"


def message(call: UUID) -> bytes:
    """The Celery message that runs `routing.execute(call hex)`; the call is also the task's id."""
    task = str(call)
    body = json.dumps(
        [[call.hex], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    )
    return json.dumps(
        {
            "body": base64.b64encode(body.encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {
                "lang": "py",
                "task": TASK,
                "id": task,
                "root_id": task,
                "parent_id": None,
                "group": None,
                "argsrepr": "",
                "kwargsrepr": "",
                "origin": "",
                "ignore_result": True,
                "retries": 0,
                "timelimit": [None, None],
                "eta": None,
                "expires": None,
            },
            "properties": {
                "correlation_id": task,
                "reply_to": "",
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": QUEUE},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": task,
            },
        }
    ).encode()


class Dispatcher:
    """Rings for a worker over Redis."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    @traced("dispatch", lambda _self, call: call)
    async def ring(self, call: UUID) -> bool:
        """Whether the message was sent. False is no loss: every worker asks PostgreSQL for waiting calls each second."""
        try:
            await self._pipe.ask(b"LPUSH", QUEUE.encode(), message(call))
        except (RedisError, OSError) as error:
            log.warning("dispatch.unsent", call=call.hex, error=type(error).__name__)
            return False
        return True
