"""What the commands answer. Anything but the first word of each line changed nothing.

admit: Admitted, Stale, Duplicate, Conflict, NoHeadroom, WindowMoved, DayEnded, Unauthenticated · deny: Denied, Stale, Duplicate,
Conflict, Unauthenticated · start_attempt: Started, Stale, Moved, Lost, Cancelled, Late, LeaseLost, NoHeadroom, WindowMoved,
DayEnded · settle_attempt: Settled, Moved · finish_call: Finished, Stale, Lost, Moved, OpenAttempt
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from routing.calls.steps import WindowRef


@dataclass(frozen=True, slots=True)
class Admitted:
    """The call, its attempt and its entry are committed. Times are PostgreSQL's."""

    call: UUID
    admitted_at: datetime
    deadline_at: datetime


@dataclass(frozen=True, slots=True)
class Denied:
    """The denial is committed."""

    call: UUID


@dataclass(frozen=True, slots=True)
class Stale:
    """Revision or stop epoch moved since the decision; these are the new ones. Reload and decide again."""

    revision: int
    stop_epoch: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The same Idempotency-Key with the same body: this is its call."""

    call: UUID


@dataclass(frozen=True, slots=True)
class Conflict:
    """The same Idempotency-Key with another body."""

    call: UUID


@dataclass(frozen=True, slots=True)
class Unauthenticated:
    """The key, its team or its tenant no longer stands."""


@dataclass(frozen=True, slots=True)
class Left:
    """What one window has left, possibly below zero."""

    window: WindowRef
    left_nano: int


@dataclass(frozen=True, slots=True)
class NoHeadroom:
    """A hard window cannot hold the amount. `left` has every window, soft ones too."""

    left: tuple[Left, ...]
    amount_nano: int

    @property
    def binding(self) -> tuple[Left, ...]:
        """The hard windows that refused."""
        return tuple(
            item for item in self.left if item.window.hard and item.left_nano < self.amount_nano
        )

    @property
    def least_nano(self) -> int:
        """The most that would fit everywhere, possibly below zero."""
        return min(item.left_nano for item in self.left if item.window.hard)


@dataclass(frozen=True, slots=True)
class WindowMoved:
    """A window does not hold this moment of PostgreSQL's clock (or is gone): name the windows of `now` instead."""

    now: datetime


@dataclass(frozen=True, slots=True)
class DayEnded:
    """The day on which the reservation was decided has ended by PostgreSQL's clock: decide again as of `now`."""

    now: datetime


@dataclass(frozen=True, slots=True)
class Started:
    """`attempt.started` is committed: the model may be called."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The attempt's end is committed."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The call's end (or its hold) is committed; what it has cost so far in nano units.

    `left_nano` is the least that a hard window of its last attempt has left; None where none is hard, or when asked again.
    """

    cost_nano: int
    left_nano: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Moved:
    """Somebody else was first. `call` and `attempt` are the states found, empty when unknown."""

    call: str = ""
    attempt: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """Another worker has the call, or nobody: drop it."""


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """This worker was buried: it takes a new id and drops every call."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Somebody asked to cancel; end the call as cancelled."""


@dataclass(frozen=True, slots=True)
class Late:
    """The deadline passed; end the call as failed."""


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """Another attempt of the call is reserved or started; a call does not end before its attempts."""
