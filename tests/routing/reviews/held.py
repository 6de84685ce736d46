"""A tenant with review queues, and held calls in it whose content is really sealed: for tests of what people do."""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import LazySettings
from django.db import connection

from audit.vault.keys import CallKeys, month_of, subject_of_team
from audit.vault.store import KeyStore
from policies.engine import facts
from policies.engine.decision import RuleRef
from routing.calls import commands
from routing.calls.pool import Database, open_pool
from routing.calls.steps import Decided, Sealed
from routing.dialects.registry import dialect
from routing.exchange import CallRequest, encode_request
from routing.relay import Outcome, pack_outcome
from routing.reports import content as told
from routing.reviews import content
from routing.reviews.holding import admit_held, hold_call
from routing.reviews.models import ReviewCase
from routing.reviews.steps import Opening
from tests.policies.texts import ensure_organisation, fresh, put, tenant
from tests.routing.reviews.asking import opening
from tests.routing.world import KEY_HASH, World

QUEUE = """\
apiVersion: mandate/v1
kind: ReviewQueue
metadata: {{name: {name}{place}}}
spec: {spec}
"""
SECRET = "Petra Brandt wants 14,200"
"""What stands in the prompt and must be found nowhere in the clear."""


def queue(name: str, of: str = "", spec: str = "{reviewers: ['role:reviewer']}") -> str:
    """A ReviewQueue document."""
    place = f", tenant: {of}" if of else ""
    return QUEUE.format(name=name, place=place, spec=spec)


@contextmanager
def own_keys(settings: LazySettings, folder: Path) -> Iterator[Path]:
    """A key store of one test's own, for all that opens content; forgotten with it."""
    settings.MANDATE_KEYS_DIR = folder
    opened = content._store, told.store
    for store in opened:
        store.cache_clear()
    yield folder
    for store in opened:
        store.cache_clear()


@dataclass
class Desk:
    """One tenant with a team `claims`, a key, and the queue `claims-desk` (more by `documents`)."""

    dsn: str
    keys: Path
    name: str = field(default_factory=lambda: fresh("t"))
    key: str = field(default_factory=lambda: secrets.token_hex(4))
    key_hash: bytes = KEY_HASH

    def publish(self, spec: str = "{reviewers: ['role:reviewer']}", *documents: str) -> None:
        """Publish the tenant and its queue."""
        ensure_organisation()
        put(tenant(self.name, "claims"), queue("claims-desk", self.name, spec), *documents)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO policies_api_key "
                "(id, hash, tenant, team, name, labels, scopes, replaces, created_by, revision, actor) "
                "VALUES (%s, %s, %s, 'claims', 'test', '{}', '[]', '', 'member:tariq@acme.example', 1, 'cli:test') "
                "ON CONFLICT DO NOTHING",
                [self.key, KEY_HASH, self.name],
            )

    def hold(self, answer: str = "pay 14,200", **how: Any) -> ReviewCase:
        """A held call; `stage`, `dialect`, `stream`, and the terms of `Opening`."""
        return ReviewCase.objects.get(pk=asyncio.run(self._hold(answer, how)))

    async def _hold(self, answer: str, how: dict[str, Any]) -> UUID:
        db = await open_pool(self.dsn, 2)
        try:
            world = World(db, self.name, self.key)
            await world.control()
            assert await world.lease()
            return await _held(world, self, answer, how)
        finally:
            await db.close()

    @property
    def store(self) -> KeyStore:
        return KeyStore(self.keys / "store")

    def peek(self, case: ReviewCase) -> commands.Peeked:
        async def look() -> commands.Peeked | None:
            db: Database = await open_pool(self.dsn, 1)
            try:
                return await commands.peek(db, case.call)
            finally:
                await db.close()

        found = asyncio.run(look())
        assert found is not None
        return found


async def _held(world: World, desk: Desk, answer: str, how: dict[str, Any]) -> UUID:
    spoken, stream = how.pop("dialect", "openai.chat"), how.pop("stream", False)
    call, stage = world.ids.new(), how.setdefault("stage", "response")
    subject = subject_of_team(world.tenant, "claims")
    keys = CallKeys.derive(desk.store, world.tenant, month_of(call), subject, call)
    request = asked(spoken, stream=stream, prompt=how.pop("prompt", SECRET))
    admission = world.admission(
        call=call,
        dialect=spoken,
        stream=stream,
        key_hash=desk.key_hash,
        route=how.get("route", "claims-triage"),
    )
    how.setdefault("due", timedelta(minutes=30))
    case: Opening = opening(world, call, **how)
    sealed = _sealed(keys, "request", encode_request(request))
    if stage == "request":
        admission = commands.Admission(
            asked=admission.asked,
            decision=_decided(world, call, spoken),
            entry=admission.entry,
            request=sealed,
        )
        held = world.entry("call.held", call)
        assert isinstance(await admit_held(world.db, admission, held, case), commands.Admitted)
        return case.review
    admission = commands.Admission(
        asked=admission.asked,
        decision=_decided(world, call, spoken),
        entry=admission.entry,
        request=sealed,
        reservation=admission.reservation,
    )
    await commands.admit(world.db, admission)
    await commands.start_attempt(world.db, world.start(call))
    made = said(spoken, call, answer, request) if answer else failed(spoken, call)
    step = world.finish(
        call,
        "held",
        attempt=world.settlement(call),
        answer=_sealed(keys, "draft", pack_outcome(made)),
    )
    assert isinstance(await hold_call(world.db, step, case), commands.Finished)
    return case.review


def asked(spoken: str, *, stream: bool = False, prompt: str = SECRET) -> CallRequest:
    """A request in a dialect."""
    body: dict[str, Any] = {"model": "claims-triage", "stream": stream}
    words = [{"role": "user", "content": prompt}]
    if spoken == "openai.responses":
        body |= {"input": words}
    else:
        body |= {"messages": words}
    if spoken == "anthropic.messages":
        body |= {"max_tokens": 100}
    return dialect(spoken).parse_request(json.dumps(body).encode(), {}, "")


def said(spoken: str, call: UUID, text: str, request: CallRequest) -> Outcome:
    """What a model answered, as a worker seals it."""
    from routing.exchange import Answer, Choice, Chunk, Text, Usage

    codec, usage = dialect(spoken), Usage(9, 0, 0, 4)
    if request.stream:
        write = codec.writer(call, "claims-triage", include_usage=True, created=1, request=request)
        body = write(Chunk(text=text)) + write(Chunk(finish="stop")) + write(Chunk(usage=usage))
        return Outcome(200, "text/event-stream; charset=utf-8", {}, body + write.end())
    answer = Answer(choices=(Choice((Text(text),), "stop"),), usage=usage)
    body = codec.encode_answer(answer, call=call, model="claims-triage", created=1, request=request)
    return Outcome(200, "application/json", {"x-mandate-model": "gpt-mini"}, body)


def failed(spoken: str, call: UUID) -> Outcome:
    """No tier answered."""
    return Outcome(502, "application/json", {}, b'{"error": {}}')


def _decided(world: World, call: UUID, spoken: str) -> Decided:
    """A record whose facts can be read again."""
    known = facts.Facts(
        now="2026-11-28T12:00:00.000Z",
        call=call.hex,
        tenant=world.tenant,
        team="claims",
        key=facts.KeyFacts(id=world.key),
        route="claims-triage",
        request=facts.RequestFacts(dialect=spoken),
    )
    text = facts.encode(known)
    return Decided(1, "permit", hashlib.sha256(text).digest(), text)


def _sealed(keys: CallKeys, name: str, content: bytes) -> Sealed:
    row = keys.seal(name, content)
    return Sealed(name, row.tenant_key, row.subject_key, row.nonce, row.ciphertext)


def rule(name: str = "large-payout") -> RuleRef:
    return RuleRef(kind="EscalationRule", tenant="", name=name, line=6)
