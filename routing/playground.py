"""A member tries a route from the console: the same walk as at /v1, asked from one of Django's threads.

The web process says at its start where the walk runs; a process without it (a command, a test server) can only decide.
"""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from controlplane.kernel.errors import DeadlineExceeded, MandateError, Unavailable
from policies.identity.authentication import Caller
from routing.dialects.received import labelled
from routing.dialects.registry import dialect
from routing.exchange import CallRequest
from routing.gateway import Web, serve
from routing.gathering import Ask, Options
from routing.relay import Mailbox
from routing.wire import refuse

DIALECT = "openai.chat"
DEADLINE_SECONDS = 60.0
_SLACK_SECONDS = 15.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Try:
    """What a member asks for. `max_tokens` 0: no limit; `labels` as in the header `x-mandate-labels`."""

    route: str
    message: str
    max_tokens: int = 0
    data_classes: tuple[str, ...] = ()
    labels: str = ""

    def request(self) -> CallRequest:
        """As the walk reads it. Raises InvalidRequest."""
        return labelled(dialect(DIALECT).parse_request(self.body(), {}, ""), self.labels)

    def body(self) -> bytes:
        """As the OpenAI client would send it."""
        asked: dict[str, Any] = {
            "model": self.route,
            "messages": [{"role": "user", "content": self.message}],
        }
        if self.max_tokens:
            asked["max_tokens"] = self.max_tokens
        return json.dumps(asked).encode()


@dataclass
class Answered:
    """What the caller would have got: it stands in for the connection while the walk writes to it."""

    started: bool = False
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Keep the status line and headers."""
        self.started, self.status, self.headers = True, status, dict(headers)

    async def write(self, data: bytes) -> None:
        """Keep bytes of the body."""
        self.body += data

    async def finish(self, data: bytes = b"") -> None:
        """Keep the last bytes."""
        self.body += data

    def when_gone(self, mailbox: Mailbox) -> None:
        """A page that is closed cancels nothing: the call runs to its end."""

    @property
    def call(self) -> UUID | None:
        """The call behind it."""
        name = self.headers.get("x-mandate-call-id", "")
        return UUID(hex=name.removeprefix("call_")) if name else None

    @property
    def text(self) -> str:
        """The answer's text, or the error's message."""
        try:
            told = json.loads(bytes(self.body))
        except ValueError:
            return ""
        if "error" in told:
            return str(told["error"].get("message", ""))
        message = told["choices"][0]["message"]
        tools = message.get("tool_calls")
        return str(message.get("content") or (json.dumps(tools, indent=2) if tools else ""))


class _Process:
    """Where the walk of this process runs."""

    web: Web | None = None
    loop: asyncio.AbstractEventLoop | None = None


def opened(web: Web | None) -> None:
    """The walk runs on this loop from now on; None: no more."""
    _Process.web = web
    _Process.loop = asyncio.get_running_loop() if web is not None else None


def can_send() -> bool:
    """Whether this process has the walk."""
    return _Process.web is not None


def send(caller: Caller, wanted: Try) -> Answered:
    """Make a real call and wait for its end; refusals come as they would to the caller. Raises Unavailable, DeadlineExceeded."""
    web, loop = _Process.web, _Process.loop
    if web is None or loop is None:
        raise Unavailable("this process makes no calls; open the console of the web process")
    waiting = asyncio.run_coroutine_threadsafe(_send(web, caller, wanted), loop)
    try:
        return waiting.result(DEADLINE_SECONDS + _SLACK_SECONDS)
    except TookTooLong:
        waiting.cancel()
        raise DeadlineExceeded("the call took too long; its page shows how it ends") from None


def send_many(caller: Caller, wanted: Try, count: int, run: str) -> None:
    """Begin so many of the same call at once, as one run, and wait for none. Raises Unavailable."""
    web, loop = _Process.web, _Process.loop
    if web is None or loop is None:
        raise Unavailable("this process makes no calls; open the console of the web process")
    asyncio.run_coroutine_threadsafe(_send_many(web, caller, wanted, [run] * count), loop)


async def _send_many(web: Web, caller: Caller, wanted: Try, runs: Sequence[str]) -> None:
    asked = (_send(web, caller, wanted, run) for run in runs)
    for told in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(told, BaseException):
            _log.error("a call of a run of many broke", exc_info=told)


async def _send(web: Web, caller: Caller, wanted: Try, run: str = "") -> Answered:
    codec, answered = dialect(DIALECT), Answered()
    options = Options(data_classes=wanted.data_classes, deadline_seconds=DEADLINE_SECONDS, run=run)
    try:
        await serve(web, Ask(caller, wanted.request(), options), answered)
    except MandateError as error:
        await refuse(codec, error, answered)
    return answered
