"""What a worker still tries of a plan when another had the call before it: attempts count in all, lost ones included."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from policies.engine.decision import Candidate, Plan, Retry
from routing.attempts import Door
from routing.calls.attempts import Peeked, Tried
from routing.case import Case, on_from
from routing.running import Watched
from routing.strategies import ordered
from tests.routing.test_door import CALL, candidate

A, B, C = (candidate("a"), candidate("b"), candidate("c"))
RETRIED = ("worker_lost", "timeout")
MOVES_ON = ("worker_lost", "timeout", "server_error")


def plan(*steps: Candidate, attempts: int = 2, moves_on: tuple[str, ...] = MOVES_ON) -> Plan:
    fields: dict[str, Any] = dict.fromkeys(Plan.__struct_fields__, ())
    retry = Retry(attempts=attempts, on=RETRIED, backoff="0")
    return Plan(**(fields | {"steps": steps, "fallback_on": moves_on, "retry": retry}))


def tried(model: str, error: str, state: str = "failed") -> Tried:
    return Tried(1, state, model, "", "p", 0, error)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([], [A, B, C]),
        # lost once: the same model again, then what follows
        ([("a", "worker_lost")], [A, B, C]),
        # lost twice, or failed once and lost once: it has had its two
        ([("a", "worker_lost"), ("a", "worker_lost")], [B, C]),
        ([("a", "timeout"), ("a", "worker_lost")], [B, C]),
        # what was left behind is not gone back to, though it has an attempt left
        ([("a", "server_error"), ("b", "worker_lost")], [B, C]),
        ([("a", "server_error")], [B, C]),
        ([("a", "server_error"), ("b", "timeout"), ("b", "worker_lost")], [C]),
        ([("c", "worker_lost"), ("c", "timeout")], []),
        ([("a", "refused_request")], []),
        # the new policy does not know it
        ([("z", "worker_lost")], [A, B, C]),
    ],
)
def test_it_goes_on_where_the_lost_worker_stopped(
    before: list[tuple[str, str]], expected: list[Candidate]
) -> None:
    assert on_from(plan(A, B, C), [tried(*one) for one in before]) == tuple(expected)


def test_where_nothing_moves_on_nothing_follows() -> None:
    single = plan(A, moves_on=())
    assert on_from(single, [tried("a", "worker_lost")]) == (A,)
    assert on_from(single, [tried("a", "worker_lost")] * 2) == ()


def test_what_never_began_does_not_count() -> None:
    row = _row(
        tried("a", "", "voided"), tried("a", "worker_lost", "unknown"), tried("a", "", "reserved")
    )
    assert [one.state for one in row.made] == ["unknown"]


@dataclass
class Models:
    """Answers of models, one after the other, and who was asked."""

    answers: list[str]
    asked: list[str] = field(default_factory=list)

    async def attempt(self, candidate: Candidate) -> Any:
        self.asked.append(candidate.model)
        return _Outcome(self.answers.pop(0))


@dataclass
class _Outcome:
    error_class: str
    relayed: bool = False
    retry_after_seconds: float | None = 0.0


def _row(*before: Tried) -> Peeked:
    fields: dict[str, Any] = dict.fromkeys(Peeked.__dataclass_fields__)
    return Peeked(**(fields | {"tried": before, "call": CALL}))


def _door(*before: Tried) -> Door:
    @dataclass
    class Plain:
        row: Peeked
        sender: object = None

    return Door(cast("Case", Plain(_row(*before))), Watched(CALL, "t", "k", "r", stream=False))


@pytest.mark.parametrize(
    ("before", "asked"),
    [
        ([], ["a", "a", "b", "b"]),
        ([("a", "worker_lost")], ["a", "b", "b"]),
        ([("a", "worker_lost"), ("a", "worker_lost")], ["b", "b"]),
        ([("a", "server_error"), ("b", "worker_lost")], ["b"]),
    ],
)
async def test_a_model_gets_its_attempts_once_whoever_makes_them(
    before: list[tuple[str, str]], asked: list[str]
) -> None:
    door, models = _door(*(tried(*one) for one in before)), Models(["timeout"] * 4)
    whole = plan(A, B)
    left = Plan(
        **{name: getattr(whole, name) for name in Plan.__struct_fields__}
        | {"steps": door.left(whole)}
    )
    await ordered.run(left, models.attempt, door.begun)
    assert models.asked == asked


async def test_pauses_pass_by_the_clock_that_the_worker_lives_by() -> None:
    """Doubled from one attempt to the next, never longer than the longest; none before another model is asked."""
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    fields = {name: getattr(plan(A, B), name) for name in Plan.__struct_fields__}
    retry = Retry(attempts=4, on=RETRIED, backoff="7.5")
    models = Models(["timeout"] * 5 + [""])
    await ordered.run(Plan(**(fields | {"retry": retry})), models.attempt, lambda _: 0, pause)
    assert models.asked == ["a", "a", "a", "a", "b", "b"]
    assert paused == [7.5, 15.0, 20.0, 7.5]


def test_attempts_of_the_policy_at_hand_bind() -> None:
    """A route that allowed three was published down to one while the call was lost."""
    door = _door(tried("a", "worker_lost"))
    assert door.left(plan(A, B, attempts=1)) == (B,)
    assert door.begun(A) == 1
