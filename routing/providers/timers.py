"""The timers of one attempt: first token, stall, total, and the caller's deadline over all."""

import asyncio
from collections.abc import Callable
from types import TracebackType

from routing.providers import errors
from routing.providers.base import ProviderError, Target


class Until:
    """`asyncio.timeout_at` that raises the ProviderError of the timer that ran out."""

    def __init__(self, when: float, late: Callable[[], ProviderError]) -> None:
        self._timeout = asyncio.timeout_at(when)
        self._late = late

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            raise self._late() from None


class Timer:
    """The four timers of an attempt; the caller's deadline bounds each.

    Making one when the deadline has passed raises ProviderError: nothing is sent.
    """

    def __init__(self, target: Target) -> None:
        self._loop = asyncio.get_running_loop()
        self._target = target
        now = self._loop.time()
        if target.deadline <= now:
            raise self._past(sent=False)
        self._total = min(now + target.timeouts.total, target.deadline)
        self._next = now + target.timeouts.first_token
        self._what, self._seconds = "the first token", target.timeouts.first_token

    def moved(self) -> None:
        """Output came: from here on silence is a stall."""
        self._what, self._seconds = "the next token", self._target.timeouts.stall
        self._next = self._loop.time() + self._seconds

    def until_total(self) -> Until:
        """For a plain answer."""
        return Until(self._total, self._late)

    def until_next(self) -> Until:
        """For the next read of a stream."""
        return Until(min(self._next, self._total), self._late)

    def _late(self) -> ProviderError:
        name = self._target.provider
        if self._loop.time() < self._total:
            return errors.too_late(name, self._what, self._seconds)
        if self._total == self._target.deadline:
            return self._past(sent=True)
        return errors.too_late(name, "the answer", self._target.timeouts.total)

    def _past(self, *, sent: bool) -> ProviderError:
        name = self._target.provider
        return ProviderError(
            "timeout", f'provider "{name}": the caller\'s deadline passed', maybe_processed=sent
        )
