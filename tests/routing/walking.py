"""One call carried by the real worker half over the real simulator, with PostgreSQL and Redis played: what the caller sees.

Every step that would be a commit is a line of `story`; nothing is retried and nothing is late.
"""

import asyncio
import hashlib
import json
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch
from uuid import UUID

import msgspec

from audit.vault.keys import CallKeys
from audit.vault.keys import Sealed as VaultRow
from policies.engine import facts as fact
from policies.engine.bundle import Bundle
from policies.engine.decide import decide
from policies.engine.facts import Facts
from routing import execution
from routing.attempts import Door
from routing.calls import answers, commands, steps
from routing.case import Case, Worker
from routing.dialects import dialect
from routing.exchange import CallRequest
from routing.providers.sandbox import SandboxProvider
from routing.relay import Outcome, unpack_outcome
from routing.reviews.steps import Opening
from routing.running import Running, Watched
from tests.policies.engine.small import call as small_call

CALL = UUID("0193590f-0000-7000-8000-0000000000aa")


class Line:
    """The waiting request: every byte it was sent, and how it ended."""

    def __init__(self) -> None:
        self.sent = 0
        self.relayed = b""
        self.outcome: Outcome | None = None

    async def chunk(self, data: bytes) -> None:
        self.relayed += data
        self.sent += len(data)

    async def end(self, outcome: Outcome) -> None:
        self.outcome = outcome


class Free:
    """Concurrency, breakers, windows and shares without limits."""

    async def acquire(self, *_: object) -> object:
        return object()

    async def release(self, _: object) -> None:
        pass

    async def record(self, _: str, *, ok: bool) -> None:
        pass

    async def claims_to_windows(self, *_: object) -> tuple[()]:
        return ()

    def of(self, _: str) -> nullcontext[None]:
        return nullcontext()


@dataclass
class Walked:
    """What happened: the commits in order, the caller's bytes, the weighings, and the finish."""

    story: list[str]
    line: Line
    weighings: list[steps.Weighing]
    finish: steps.Finish | None
    keys: CallKeys
    starts: list[steps.Start] = field(default_factory=list)
    opening: Opening | None = None

    @property
    def outcome(self) -> Outcome:
        assert self.line.outcome is not None
        return self.line.outcome

    @property
    def draft(self) -> Outcome:
        """What waits for a person."""
        assert self.finish is not None
        assert self.finish.answer is not None
        assert self.finish.answer.field == "draft"
        row = self.finish.answer
        sealed = VaultRow(
            CALL, row.field, row.no, row.tenant_key, row.subject_key, row.nonce, row.ciphertext
        )
        return unpack_outcome(self.keys.unseal(sealed))

    @property
    def seen(self) -> bytes:
        """Every byte of a body that the caller got."""
        return self.line.relayed + self.outcome.body[self.line.sent :]


class Store:
    """Two keys for everything."""

    def get_or_create(self, name: str) -> bytes:
        return hashlib.sha256(name.encode()).digest()

    def get(self, name: str) -> bytes:
        return self.get_or_create(name)


def request(
    text: str, *, dialect_name: str = "openai.chat", stream: bool = False, **more: Any
) -> CallRequest:
    """A caller's request for the route `r`, with directives for the simulator in its text."""
    said = "input" if dialect_name == "openai.responses" else "messages"
    body: dict[str, Any] = {"model": "r", said: [{"role": "user", "content": text}]}
    if dialect_name == "anthropic.messages":
        body["max_tokens"] = 200
    if stream:
        body["stream"] = True
    return dialect(dialect_name).parse_request(json.dumps(body | more).encode(), {}, "")


async def walk(
    bundle: Bundle, asked: CallRequest, *, released: bool = False, **changes: Any
) -> Walked:
    """Carry the call to its end."""
    facts = small_call(
        {
            "dialect": asked.dialect,
            "stream": asked.stream,
            "n": asked.outline.n,
            "tools": asked.outline.tools,
        },
        **changes,
    )
    line, story = Line(), list[str]()
    case = _case(bundle, facts, asked, line)
    cast("Any", case.row).released = released
    watched = Watched(CALL, "a", "k1", "r", asked.stream)
    found = Walked(story, line, [], None, case.keys)
    with _played(found):
        door = Door(case, watched)
        await execution._carry(case, door)
    return found


def _case(bundle: Bundle, facts: Facts, asked: CallRequest, line: Line) -> Case:
    decision = decide(bundle, facts)
    assert decision.plan is not None, decision.denial
    free = Free()
    ids = iter(UUID(int=CALL.int + i) for i in range(1, 1000))
    worker = SimpleNamespace(
        db=None, clock=lambda: datetime(2026, 11, 24, tzinfo=UTC), concurrency=free, breakers=free,
        windows=free, shares=free, providers=SimpleNamespace(provider=lambda _: SANDBOX), running=Running(),
        new_id=lambda: next(ids), lease=SimpleNamespace(worker=UUID(int=5)), pause=lambda _: asyncio.sleep(0),
        wakefulness=SimpleNamespace(slept_since=lambda _: False),
        pulse=SimpleNamespace(slept_since=lambda _: False),
    )  # fmt: skip
    row = SimpleNamespace(
        call=CALL, tenant="a", team="t", released=False, route="r", key="k1", dialect=asked.dialect, stream=asked.stream,
        reserved_at=None, tried=(), made=(),
    )  # fmt: skip
    keys = CallKeys.derive(cast("Any", Store()), "a", "2026-11", "subject/a/team/t", CALL)
    return Case(
        worker=cast("Worker", worker), row=cast("Any", row), request=asked, keys=keys, bundle=bundle,
        facts=facts, decision=decision, revision=1, epoch=0, sender=cast("Any", line),
        deadline=asyncio.get_running_loop().time() + 60, attempts=0, reserved=None, decision_no=1,
    )  # fmt: skip


SANDBOX = SandboxProvider()


@contextmanager
def _played(found: Walked) -> Any:
    """PostgreSQL says yes to everything."""

    async def start(_db: object, step: steps.Start) -> object:
        assert step.reservation is not None
        found.story.append(f"start {step.reservation.model}")
        found.starts.append(step)
        return answers.Started()

    async def settle(_db: object, step: steps.Settlement, **_: object) -> object:
        found.story.append(step.becomes)
        return answers.Settled()

    async def weigh(_db: object, step: steps.Weighing, **_: object) -> object:
        found.story.append(f"weigh {step.decision.stage} {step.decision.effect}")
        found.weighings.append(step)
        return answers.Settled()

    async def finish(_db: object, step: steps.Finish, **_: object) -> object:
        found.story.append(f"finish {step.state} {step.code}".strip())
        found.finish = step
        return answers.Finished(0, None)

    async def hold(_db: object, step: steps.Finish, case: Opening, **_: object) -> object:
        found.story.append(f"hold {case.stage} {case.queue}")
        found.finish, found.opening = step, case
        return answers.Finished(0, None)

    with (
        patch.object(execution, "hold_call", hold),
        patch.object(commands, "start_attempt", start),
        patch.object(commands, "settle_attempt", settle),
        patch.object(commands, "record_weighing", weigh),
        patch.object(commands, "finish_call", finish),
    ):
        yield


def weighed_facts(found: Walked, number: int = -1) -> dict[str, Any]:
    """The facts of one weighing."""
    facts: dict[str, Any] = msgspec.json.decode(found.weighings[number].decision.facts)
    return facts


def text_of(found: Walked) -> str:
    """What a plain chat answer says."""
    said: str = json.loads(found.outcome.body)["choices"][0]["message"]["content"]
    return said


__all__ = ["CALL", "Walked", "fact", "request", "text_of", "walk", "weighed_facts"]
