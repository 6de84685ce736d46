"""The one door to models: nothing goes upstream before its start is committed, and what came back is charged."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from psycopg import OperationalError

from policies.engine.decision import Candidate, Checks, Obligations
from policies.engine.prices import PriceRef
from routing.attempts import Door, Ended
from routing.calls import answers, commands
from routing.case import Case, Dropped, Replanned
from routing.dialects.redacted import Redacted
from routing.exchange import CallRequest
from routing.providers.base import Piece, ProviderError
from routing.running import Wakefulness, Watched
from routing.tried import Tried
from tests.routing.walking import Free

CALL = UUID(int=7)


class Model:
    """A provider that notes what it is asked, streams two pieces, and then fails or not."""

    def __init__(self, story: list[str], fails: bool = False) -> None:
        self.story, self.fails = story, fails

    def stream(self, _request: object, _target: object) -> AsyncIterator[Piece]:
        self.story.append("model")
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[Piece]:
        yield Piece(b"data: a\n\n", output_bytes=3)
        yield Piece(b"data: b\n\n", output_bytes=4)
        if self.fails:
            raise ProviderError("server_error", "cut", maybe_processed=True)


class Plain:
    """Concurrency, breakers and the sender, for nobody."""

    sent = 0

    def __init__(self) -> None:
        self.recorded: list[bool] = []

    async def acquire(self, *_: object) -> object:
        return object()

    async def release(self, _: object) -> None:
        pass

    async def record(self, _: str, *, ok: bool) -> None:
        self.recorded.append(ok)

    async def chunk(self, data: bytes) -> None:
        self.sent += len(data)


class Opened(Door):
    """A door whose step to PostgreSQL is a word."""

    def _settings(self, _: Candidate) -> dict[str, Any]:
        return {"maxConcurrency": 0}

    def _target(self, _: Tried) -> Any:
        return None

    def _uninvited(self) -> None:
        return None

    async def _step(self, *_: object) -> Any:
        return None


def candidate(model: str = "gpt") -> Candidate:
    fields: dict[str, Any] = dict.fromkeys(Candidate.__struct_fields__, "")
    price: dict[str, Any] = dict.fromkeys(PriceRef.__struct_fields__, "")
    for name in PriceRef.__struct_fields__:
        price[name] = {"currency": "EUR", "output": "10", "tiers": ()}.get(name, "1")
    fields |= {"model": model, "price": PriceRef(**price), "amount_nano": 1_000_000}
    fields |= {"input_tokens_max": 5, "budgets": ()}
    return Candidate(**fields)


async def _as_asked() -> None:
    """The request, of which nothing is read here."""


def door(
    story: list[str],
    *,
    fails: bool = False,
    deadline: float = 1e12,
    wakefulness: Wakefulness | None = None,
    plain: Plain | None = None,
) -> Door:
    plain, model = plain or Plain(), Model(story, fails)
    worker = SimpleNamespace(
        db=None,
        clock=lambda: datetime(2026, 11, 1, tzinfo=UTC),
        concurrency=plain,
        shares=Free(),
        wakefulness=wakefulness or Wakefulness(),
        breakers=plain,
        providers=SimpleNamespace(provider=lambda _: model),
    )
    row = SimpleNamespace(call=CALL, tenant="t", reserved_at=None, stream=True, tried=(), made=())
    case = SimpleNamespace(
        worker=worker,
        row=row,
        sender=plain,
        to_send=_as_asked,
        attempts=0,
        reserved=None,
        decided=None,
        checks=None,
        decision=SimpleNamespace(obligations=Obligations()),
        redacted=Redacted(cast("CallRequest", None), {}),
        grown=0,
    )
    case.started = lambda _: None
    case.deadline = deadline
    return Opened(cast("Case", case), Watched(CALL, "t", "k", "r", stream=True))


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happened, in order; `commits` has what PostgreSQL answers, one after the other."""
    told: list[str] = []

    async def start(_db: object, _step: object) -> object:
        told.append("commit")
        answer = COMMITS.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(commands, "start_attempt", start)
    return told


COMMITS: list[object] = []


async def test_the_model_is_called_after_the_commit(story: list[str]) -> None:
    COMMITS[:] = [answers.Started()]
    tried = await door(story).attempt(candidate())
    assert story == ["commit", "model"]
    assert tried.error_class == ""


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (answers.Cancelled(), Ended),
        (answers.Late(), Ended),
        (answers.Lost(), Dropped),
        (answers.LeaseLost(), Dropped),
        (answers.Moved("completed", "succeeded"), Dropped),
    ],
)
async def test_no_model_is_called_where_the_start_was_refused(
    story: list[str], answer: object, raised: type[Exception]
) -> None:
    COMMITS[:] = [answer]
    given = door(story)
    with contextlib.suppress(raised):
        await given.attempt(candidate())
    assert story == ["commit"]
    assert given.last is None


async def test_what_must_be_checked_now_is_not_started_by_who_walks_unchecked(
    story: list[str],
) -> None:
    COMMITS[:] = [answers.Stale(2, 1), answers.Started()]
    given = door(story)

    async def reload() -> None:
        story.append("reload")

    case = cast("Any", given._case)
    case.worker.snapshots = SimpleNamespace(reload=reload)
    case.decide_again = lambda _: setattr(case, "checks", Checks(tiers=()))
    case.the_same = lambda found: found
    with contextlib.suppress(Replanned):
        await given.attempt(candidate())
    assert story == ["commit", "reload"]
    assert given.last is None


async def test_a_start_in_doubt_is_asked_again_before_the_model(story: list[str]) -> None:
    COMMITS[:] = [OperationalError("gone"), OperationalError("gone"), answers.Started()]
    await door(story).attempt(candidate())
    assert story == ["commit", "commit", "commit", "model"]


async def test_after_the_deadline_a_start_in_doubt_is_left_to_the_sweep(story: list[str]) -> None:
    COMMITS[:] = [OperationalError("gone")]
    with pytest.raises(OperationalError):
        await door(story, deadline=0.0).attempt(candidate())
    assert story == ["commit"]


async def test_a_cut_stream_is_charged_by_what_came(story: list[str]) -> None:
    COMMITS[:] = [answers.Started()]
    tried = await door(story, fails=True).attempt(candidate())
    assert tried.error_class == "server_error"
    # 5 tokens of input at 1,000 nano, 7 bytes of output at 10,000
    assert (tried.becomes(), tried.basis(), tried.amount_nano()) == ("failed", "counted", 75_000)


async def test_a_counted_charge_is_at_most_what_was_reserved(story: list[str]) -> None:
    COMMITS[:] = [answers.Started()]
    tried = await door(story, fails=True).attempt(candidate())
    tried.candidate = candidate().__class__(
        **{name: getattr(candidate(), name) for name in Candidate.__struct_fields__}
        | {"amount_nano": 10}
    )
    assert tried.amount_nano() == 10


async def test_a_failure_is_told_of_the_model(story: list[str]) -> None:
    COMMITS[:] = [answers.Started()]
    plain, wakefulness = Plain(), Wakefulness()
    wakefulness.beat(asyncio.get_running_loop().time())
    tried = await door(story, fails=True, plain=plain, wakefulness=wakefulness).attempt(candidate())
    assert (tried.error_class, tried.slept) == ("server_error", False)
    assert plain.recorded == [False]


@pytest.mark.parametrize("noticed", [True, False])
async def test_what_failed_while_this_worker_slept_is_not_told_of_the_model(
    story: list[str], noticed: bool
) -> None:
    """Its own timers ran out: noticed by a beat since it woke, or by none for long."""
    COMMITS[:] = [answers.Started()]
    plain, wakefulness, now = Plain(), Wakefulness(), asyncio.get_running_loop().time()
    wakefulness.beat(now - 60)
    if noticed:
        wakefulness.beat(now + 1)
    tried = await door(story, fails=True, plain=plain, wakefulness=wakefulness).attempt(candidate())
    assert (tried.error_class, tried.slept) == ("server_error", True)
    assert plain.recorded == []


async def test_a_sleep_before_an_attempt_says_nothing_about_it(story: list[str]) -> None:
    COMMITS[:] = [answers.Started()]
    plain, wakefulness, now = Plain(), Wakefulness(), asyncio.get_running_loop().time()
    wakefulness.beat(now - 60)
    wakefulness.beat(now - 1)
    tried = await door(story, fails=True, plain=plain, wakefulness=wakefulness).attempt(candidate())
    assert not tried.slept
    assert plain.recorded == [False]
