"""The two state machines, as data. SQL checks each step again; the model test walks these tables."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, assert_never


class CallState(StrEnum):
    """Where a call stands."""

    DENIED = "denied"
    ADMITTED = "admitted"
    RUNNING = "running"
    HELD = "held"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AttemptState(StrEnum):
    """Where an attempt stands; its reservation is pending in RESERVED, STARTED and UNKNOWN."""

    RESERVED = "reserved"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    RECONCILED = "reconciled"
    VOIDED = "voided"


_C, _A = CallState, AttemptState

CALL_STEPS: Final[Mapping[CallState, frozenset[CallState]]] = MappingProxyType(
    {
        _C.DENIED: frozenset(),
        _C.ADMITTED: frozenset({_C.RUNNING, _C.HELD, _C.FAILED, _C.CANCELLED}),
        _C.RUNNING: frozenset({_C.HELD, _C.COMPLETED, _C.FAILED, _C.CANCELLED}),
        _C.HELD: frozenset({_C.RUNNING, _C.FAILED, _C.CANCELLED}),
        _C.COMPLETED: frozenset(),
        _C.FAILED: frozenset(),
        _C.CANCELLED: frozenset(),
    }
)
ATTEMPT_STEPS: Final[Mapping[AttemptState, frozenset[AttemptState]]] = MappingProxyType(
    {
        _A.RESERVED: frozenset({_A.STARTED, _A.VOIDED}),
        _A.STARTED: frozenset({_A.SUCCEEDED, _A.FAILED, _A.UNKNOWN}),
        _A.UNKNOWN: frozenset({_A.RECONCILED}),
        _A.SUCCEEDED: frozenset(),
        _A.FAILED: frozenset(),
        _A.RECONCILED: frozenset(),
        _A.VOIDED: frozenset(),
    }
)
TERMINAL: Final = frozenset(state for state, after in CALL_STEPS.items() if not after)
PENDING: Final = frozenset({_A.RESERVED, _A.STARTED, _A.UNKNOWN})


def call_entry(state: CallState) -> str:
    """The kind of entry that records the way into a state; into `running` also an `attempt.started` leads."""
    match state:
        case CallState.DENIED | CallState.ADMITTED | CallState.HELD:
            return f"call.{state}"
        case CallState.COMPLETED | CallState.FAILED | CallState.CANCELLED:
            return f"call.{state}"
        case CallState.RUNNING:
            return "call.released"
    assert_never(state)


def attempt_entry(state: AttemptState) -> str | None:
    """The same for attempts; a reservation is recorded by `call.admitted` or `attempt.started`, and has no entry of its own."""
    match state:
        case AttemptState.RESERVED:
            return None
        case AttemptState.STARTED | AttemptState.UNKNOWN | AttemptState.RECONCILED:
            return f"attempt.{state}"
        case AttemptState.SUCCEEDED | AttemptState.FAILED | AttemptState.VOIDED:
            return f"attempt.{state}"
    assert_never(state)
