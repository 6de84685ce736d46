"""One ASGI application: /v1 goes to the plain app of `routing.wire`, everything else to Django.

The lifespan opens what the hot path holds (pool, Redis client, snapshots, keys) and closes it after the last answer.
`begin_drain` is called by `controlplane/web.py` as soon as the process is told to end.
"""

import asyncio
import os
import warnings
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")

from django.core.asgi import get_asgi_application

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# whitenoise streams files synchronously; Django says so for each one
warnings.filterwarnings(
    "ignore", message="StreamingHttpResponse must consume synchronous iterators"
)

_django: App = get_asgi_application()  # type: ignore[assignment] # Django's own stub names plain dicts

from django.conf import settings

from controlplane import health
from controlplane.web_half import WebHalf, open_web

LAST_WORDS_SECONDS = 1.0
"""How long before the end of the drain open answers are ended, so that their last bytes still leave."""


class Application:
    """The dispatch, and the life of what /v1 holds."""

    def __init__(self) -> None:
        self._half: WebHalf | None = None
        self._ending: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand over by path."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._half is not None and _is_call(scope["path"]):
            await self._half.app(scope, receive, send)
        else:
            await _django(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._half = await open_web()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._ending is not None:
            self._ending.cancel()
        await self._half.close()
        await send({"type": "lifespan.shutdown.complete"})

    def begin_drain(self) -> None:
        """Be unready, take nothing new, and end what still runs shortly before the time is up."""
        health.draining = True
        if self._half is not None:
            self._half.web.draining = True
            self._ending = asyncio.get_running_loop().create_task(self._end_answers())

    async def _end_answers(self) -> None:
        await asyncio.sleep(max(0.0, settings.MANDATE_DRAIN_SECONDS - LAST_WORDS_SECONDS))
        if self._half is not None:
            self._half.web.replies.drain()


def _is_call(path: str) -> bool:
    return path == "/v1" or path.startswith("/v1/")


application = Application()
begin_drain = application.begin_drain
