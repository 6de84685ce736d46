"""The one seam between the walk of a call and whoever collects spans. Nothing is recorded until a Recorder is set.

A span has a name, the call it belongs to, and facts: numbers and names of ours, never content, never a secret. The trace
of a call is known by the call's id, so that processes need to hand each other nothing else.
"""

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar
from uuid import UUID

Fact = str | int | bool
P = ParamSpec("P")
T = TypeVar("T")


class Span(Protocol):
    """One step that is under way."""

    def tell(self, facts: Mapping[str, Fact]) -> None:
        """Add what is known by now."""


class Recorder(Protocol):
    """Whoever collects."""

    def span(self, name: str, call: UUID) -> AbstractContextManager[Span]:
        """A step of a call, from entering to leaving; an exception marks it as failed, by its class alone."""

    def named(self, call: UUID) -> None:
        """The request at hand has become this call."""


_recorders: list[Recorder] = []


def record_with(recorder: Recorder | None) -> None:
    """Set who collects from now on; None: nobody."""
    _recorders[:] = [recorder] if recorder is not None else []


def named(call: UUID) -> None:
    """Tell that the request at hand has become this call."""
    for recorder in _recorders:
        recorder.named(call)


def traced(
    name: str, call_of: Callable[..., UUID], facts: Callable[..., Mapping[str, Fact]] | None = None
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Make a coroutine function a step of a call, which its arguments know; `facts` are read from them when it is over."""

    def decorate(step: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        @wraps(step)
        def plain(*given: P.args, **named: P.kwargs) -> Coroutine[Any, Any, T]:
            return (spanned if _recorders else step)(*given, **named)

        async def spanned(*given: P.args, **named: P.kwargs) -> T:
            with _recorders[0].span(name, call_of(*given, **named)) as span:
                try:
                    return await step(*given, **named)
                finally:
                    if facts is not None:
                        span.tell(facts(*given, **named))

        return plain

    return decorate
