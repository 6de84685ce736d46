"""One call over HTTP, the same for every vendor: bytes out, bytes in, timers, and one kind of error.

1. `outgoing`: the caller's bytes spliced (same dialect) or encoded anew (another dialect).
2. The account's SDK client sends them; statuses and exceptions become ProviderError.
3. The answer is spliced or encoded back; a stream event by event, one Piece per read.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn, Protocol, TypeVar

import httpx2
import msgspec

from controlplane.kernel.errors import InvalidRequest
from routing.dialects import dialect
from routing.exchange import CallRequest, DialectName, StreamFailed, UnreadableAnswer
from routing.providers import errors, logprobs
from routing.providers.base import (
    ATTEMPT_HEADER,
    Answered,
    Piece,
    ProviderError,
    Target,
)
from routing.providers.timers import Timer
from routing.providers.turns import Crossed, Measured, Spliced, Turn, created
from routing.transport.guarded import EncodedError, RefusedError, TooLargeError

T = TypeVar("T")
IN_A_THREAD_ABOVE = 256 * 1024
LARGEST_REFUSAL = 64 * 1024
DRAIN_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is sent to an upstream: its dialect, the body, headers beyond the SDK's own, a query without `?`."""

    dialect: DialectName
    body: bytes = field(repr=False)
    headers: dict[str, str]
    query: str
    stream: bool


class Account(Protocol):
    """A provider account behind its vendor's SDK client."""

    limit_field: str

    def speaks(self, caller: DialectName) -> DialectName:
        """The dialect in which a caller's request is sent: the caller's own where the account has it."""
        ...

    async def post(self, sent: Outgoing, *, connect_seconds: float) -> httpx2.Response:
        """The vendor's answer, also an error answer; raises httpx2 errors when there is none."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class HttpProvider:
    """A Provider over an Account."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def close(self) -> None:
        """Close every connection."""
        await self._account.close()

    async def answer(self, request: CallRequest, target: Target) -> Answered:
        """One plain call. Raises ProviderError."""
        timer = Timer(target)
        sent = await _unhurried(len(request.raw), lambda: self._outgoing(request, target))
        with _failures(target):
            async with timer.until_total():
                response = await self._account.post(sent, connect_seconds=target.timeouts.connect)
        body = response.content
        if response.status_code >= 300:
            raise self._refused(response, body, request, target)
        request_id = _request_id(response)
        return await _unhurried(
            len(body), lambda: self._incoming(body, request, target, request_id)
        )

    async def stream(self, request: CallRequest, target: Target) -> AsyncGenerator[Piece]:
        """One streamed call; closing the generator cuts the upstream. Raises ProviderError."""
        timer = Timer(target)
        sent = await _unhurried(len(request.raw), lambda: self._outgoing(request, target))
        with _failures(target):
            async with timer.until_next():
                response = await self._account.post(sent, connect_seconds=target.timeouts.connect)
        try:
            if response.status_code >= 300:
                raise self._refused(response, response.content, request, target)
            turn = self._translator(request, target)
            feed, source = dialect(self._theirs(request)).reader().feed, response.aiter_raw()
            with _failures(target, turn):
                while not turn.finished:
                    async with timer.until_next():
                        data = await anext(source, None)
                    if data is None:
                        raise errors.unreadable(target.provider, "the stream was cut off")
                    piece = turn.take(feed(data))
                    if piece.output_bytes or piece.finish:
                        timer.moved()
                    if piece.data or piece.usage or piece.finish:
                        yield piece
                    if turn.broken is not None:
                        raise turn.broken
                await _drain(source)
        finally:
            await response.aclose()

    def _theirs(self, request: CallRequest) -> DialectName:
        return self._account.speaks(request.dialect)

    def _wish(self, request: CallRequest, target: Target) -> logprobs.Wish:
        return logprobs.wish(request, wanted=target.logprobs, theirs=self._theirs(request))

    def _outgoing(self, request: CallRequest, target: Target) -> Outgoing:
        theirs, limit = self._theirs(request), self._account.limit_field
        attempt = {ATTEMPT_HEADER: target.attempt}
        speaks = dialect(theirs)
        if request.dialect == theirs:
            body = speaks.splice_request(
                request,
                model=target.upstream_name,
                max_output_tokens=target.max_output_tokens,
                limit_field=limit,
            )
            if self._wish(request, target).hides:
                body = logprobs.asking(body)
            headers = {**request.headers, **attempt}
            return Outgoing(theirs, body, headers, request.query, request.stream)
        said = dialect(request.dialect).conversation(request)
        if self._wish(request, target).asks:
            said = msgspec.structs.replace(said, logprobs=True)
        missing = speaks.cannot_carry(said)
        if missing:
            raise ProviderError(
                "refused_request",
                f'provider "{target.provider}" cannot carry {", ".join(missing)}',
                maybe_processed=False,
            )
        body = speaks.encode_request(
            said,
            model=target.upstream_name,
            max_output_tokens=target.max_output_tokens,
            stream=request.stream,
            limit_field=limit,
        )
        headers = {**speaks.request_headers(said), **attempt}
        return Outgoing(theirs, body, headers, "", request.stream)

    def _incoming(
        self, body: bytes, request: CallRequest, target: Target, request_id: str
    ) -> Answered:
        theirs = self._theirs(request)
        speaks, wish = dialect(theirs), self._wish(request, target)
        with _failures(target):
            if request.dialect == theirs:
                passed = speaks.pass_answer(
                    body, call=target.call, model=target.public_model, request=request
                )
                return Answered(
                    body=logprobs.hidden(passed.body) if wish.hides else passed.body,
                    logprobs=logprobs.of_answer(passed.body) if wish.asks else (),
                    usage=passed.usage,
                    finish_reason=passed.finish,
                    upstream_model=passed.upstream_model,
                    upstream_request_id=request_id or passed.upstream_id,
                )
            answer = speaks.read_answer(body)
            measured = logprobs.of_choice(answer.choices[0].logprobs) if wish.asks else ()
            answer = logprobs.without(answer) if wish.hides else answer
            rendered = dialect(request.dialect).encode_answer(
                answer,
                call=target.call,
                model=target.public_model,
                created=created(target),
                request=request,
            )
        return Answered(
            body=rendered,
            usage=answer.usage,
            finish_reason=answer.choices[0].finish if answer.choices else None,
            upstream_model=answer.upstream_model,
            upstream_request_id=request_id or answer.upstream_id,
            logprobs=measured,
        )

    def _translator(self, request: CallRequest, target: Target) -> Turn:
        wish, theirs = self._wish(request, target), dialect(self._theirs(request))
        turn: Turn = (
            Spliced(theirs, request, target)
            if request.dialect == theirs.name
            else Crossed(theirs, dialect(request.dialect), request, target)
        )
        return Measured(turn, hide=wish.hides) if wish.asks else turn

    def _refused(
        self, response: httpx2.Response, body: bytes, request: CallRequest, target: Target
    ) -> ProviderError:
        headers = {name: response.headers.get(name, "") for name in _RETRY_HEADERS}
        status = response.status_code
        shown: bytes | None = None
        if errors.class_of(status) == "refused_request" and len(body) <= LARGEST_REFUSAL:
            shown = _explained(body, request, target, same=request.dialect == self._theirs(request))
        return errors.refused(target.provider, status, headers, shown)


_RETRY_HEADERS = ("retry-after", "retry-after-ms")


@contextmanager
def _failures(target: Target, turn: Turn | None = None) -> Iterator[None]:
    """What goes wrong between us and the upstream, as ProviderError. Texts quote no content."""
    try:
        yield
    except httpx2.HTTPError as error:
        _raise(error, target.provider, target.timeouts.connect)
    except UnreadableAnswer as error:
        raise errors.unreadable(target.provider, error.message) from None
    except StreamFailed as error:
        raise ProviderError(
            error.details.get("error_class", "server_error"),  # type: ignore[arg-type]  # of PRODUCT.md's classes
            f'provider "{target.provider}" broke its stream off',
            status=200,
            maybe_processed=turn is not None and turn.output_bytes > 0,
        ) from None


def _raise(error: httpx2.HTTPError, provider: str, connect_seconds: float) -> NoReturn:
    match error:
        case RefusedError():
            raise errors.forbidden_address(provider, str(error)) from None
        case httpx2.ConnectTimeout():
            late = errors.too_late(provider, "the connection", connect_seconds, sent=False)
            raise late from None
        case httpx2.ConnectError():
            raise errors.unconnected(provider, str(error)) from None
        case httpx2.TimeoutException():
            raise errors.too_late(provider, "the answer", connect_seconds) from None
        case TooLargeError() | EncodedError():
            raise errors.unreadable(provider, str(error)) from None
    raise errors.unreadable(provider, "the connection broke off") from None


def _explained(body: bytes, request: CallRequest, target: Target, *, same: bool) -> bytes | None:
    """The vendor's own words on a refused request, in the caller's dialect."""
    try:
        said = json.loads(body)
        message = str(said["error"]["message"])
    except (ValueError, TypeError, KeyError):
        return None
    if same:
        return body
    error = InvalidRequest(message[:2_000])
    _, _, rendered = dialect(request.dialect).error_body(error, target.call)
    return rendered


async def _unhurried(size: int, work: Callable[[], T]) -> T:
    """Run it here, or in a thread when so many bytes would hold up the loop."""
    if size <= IN_A_THREAD_ABOVE:
        return work()
    return await asyncio.to_thread(work)


async def _drain(source: AsyncIterator[bytes]) -> None:
    """Read what follows the terminal event, so that the connection can be used again."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in source:
                pass
    except (TimeoutError, httpx2.HTTPError):
        return


def _request_id(response: httpx2.Response) -> str:
    headers = response.headers
    found: str = headers.get("x-request-id") or headers.get("request-id") or ""
    return found[:200]
