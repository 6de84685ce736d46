"""A response is come back to by its own team alone, from its row and the vault, whatever became of it."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from audit.vault.keys import CallKeys, commit_user, month_of, subject_of_user
from audit.vault.store import KeyStore
from controlplane.kernel.clock import system_clock
from controlplane.kernel.errors import Conflict, InvalidRequest, MandateError, NotFound
from controlplane.kernel.ids import call_name, parse_call_name
from policies.identity.authentication import Caller
from routing import exchange, responses
from routing.calls import commands
from routing.dialects.registry import dialect
from routing.exchange import Answer, CallRequest, Choice, Text, Usage
from routing.gathering import Desk, Options
from routing.relay import Outcome, pack_outcome
from routing.responses import After
from routing.reviews.holding import hold_call
from tests.routing.reviews.asking import opening
from tests.routing.world import KEY_HASH, World

CODEC = dialect("openai.responses")
GONE = 'response_not_found: there is no response "x"'
ANSWER = Answer(choices=(Choice((Text("Grüße"),), "stop"),), usage=Usage(input=1, output=2))


def parsed(**fields: Any) -> CallRequest:
    body = {"model": "claims-triage", "input": "hello", **fields}
    return CODEC.parse_request(json.dumps(body).encode(), {}, "")


class Office:
    """A desk with a key store, and calls of this dialect as the hot path leaves them."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.store = KeyStore(folder)
        bundle = SimpleNamespace(organisation=SimpleNamespace(spec={"currency": "EUR"}))

        async def current() -> Any:
            return SimpleNamespace(bundle=bundle)

        desk = SimpleNamespace(
            db=world.db,
            key_store=self.store,
            clock=system_clock,
            new_id=world.ids.new,
            snapshots=SimpleNamespace(current=current),
        )
        self.desk = cast("Desk", desk)
        self.caller = Caller(world.key, KEY_HASH, world.tenant, "claims", {})

    def keys(self, call: UUID) -> CallKeys:
        subject = f"subject/{self.world.tenant}/team/claims"
        return CallKeys.derive(self.store, self.world.tenant, month_of(call), subject, call)

    def sealed(self, call: UUID, field: str, content: bytes) -> commands.Sealed:
        made = self.keys(call).seal(field, content)
        return commands.Sealed(
            field, made.tenant_key, made.subject_key, made.nonce, made.ciphertext
        )

    async def admitted(self, dialect_name: str = "openai.responses", **fields: Any) -> str:
        """A call that waits for a worker; the name of its response."""
        row = {name: fields.pop(name) for name in ("run", "user_ref") if name in fields}
        stream = fields.get("stream", False)
        admission = self.world.admission(dialect=dialect_name, stream=stream, **row)
        call = admission.asked.call
        request = self.sealed(call, "request", exchange.encode_request(parsed(**fields)))
        await commands.admit(self.world.db, replace(admission, request=request))
        return call_name(call, "resp_")

    async def finished(
        self, name: str, outcome: Outcome, state: str = "completed", code: str = ""
    ) -> None:
        """End it with this outcome."""
        call = parse_call_name(name)
        await self.started(call)
        answer = self.sealed(call, "answer", pack_outcome(outcome))
        last = {"becomes": "succeeded" if state == "completed" else "failed"}
        finish = self.world.finish(call, state, code=code, answer=answer, attempt=last)
        await commands.finish_call(self.world.db, finish)

    async def started(self, call: UUID) -> None:
        assert isinstance(
            await commands.start_attempt(self.world.db, self.world.start(call)), commands.Started
        )

    async def answered(self, **fields: Any) -> str:
        """A call that gave ANSWER, plain or streamed."""
        name = await self.admitted(**fields)
        call, request = parse_call_name(name), parsed(**fields)
        body = CODEC.encode_answer(ANSWER, call=call, model="m", created=1, request=request)
        await self.finished(name, Outcome(200, responses.JSON, {}, body))
        return name

    async def told(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            (await responses.read(self.desk, self.caller, name)).body
        )
        return found

    def of_team(self, team: str, tenant: str = "") -> Caller:
        return replace(self.caller, team=team, tenant=tenant or self.caller.tenant)


@pytest.fixture
def office(world: World, tmp_path: Path) -> Office:
    return Office(world, tmp_path)


async def refused(office: Office, caller: Caller, name: str) -> str:
    """What is said to whom may not come back to it; "" where it was told."""
    try:
        await responses.find(office.desk, caller, name)
    except NotFound as error:
        return f"{error.details['code']}: {error.message.replace(name, 'x')}"
    return ""


async def test_only_its_own_team_comes_back_to_it(office: Office) -> None:
    name = await office.answered()
    assert await refused(office, office.caller, name) == ""
    said = {
        await refused(office, office.of_team("underwriting"), name),
        await refused(office, office.of_team("claims", "another"), name),
        await refused(office, office.caller, name.replace("resp_", "msg_")),
        await refused(office, office.caller, "resp_" + "0" * 32),
        await refused(office, office.caller, "resp_zzz"),
        await refused(office, office.caller, await office.admitted("openai.chat")),
        await refused(office, office.caller, await office.answered(store=False)),
    }
    assert said == {GONE}


async def test_erased_is_gone(office: Office) -> None:
    name = await office.answered()
    assert office.store.destroy(f"subject/{office.world.tenant}/team/claims")
    assert await refused(office, office.caller, name) == GONE
    # also when a key of the same name was made since
    office.keys(parse_call_name(name))
    assert await refused(office, office.caller, name) == GONE


async def test_where_it_stands(office: Office) -> None:
    name = await office.admitted(background=True, metadata={"a": "b"})
    call = parse_call_name(name)
    told = await office.told(name)
    assert (told["id"], told["status"], told["output"]) == (name, "queued", [])
    assert (told["model"], told["metadata"], told["background"]) == (
        "claims-triage",
        {"a": "b"},
        True,
    )
    await office.started(call)
    assert (await office.told(name))["status"] == "in_progress"
    # held for a person: its caller keeps asking
    draft = office.sealed(call, "answer", b"a draft")
    hold = office.world.finish(call, "held", attempt={}, answer=replace(draft, field="draft"))
    await hold_call(office.world.db, hold, opening(office.world, call))
    assert await office.world.state(call) == "held"
    told = await office.told(name)
    assert (told["status"], told["output"]) == ("in_progress", [])


async def test_a_plain_answer_is_told_byte_for_byte(office: Office) -> None:
    name = await office.answered()
    outcome = await responses.read(office.desk, office.caller, name)
    expected = CODEC.encode_answer(
        ANSWER, call=parse_call_name(name), model="m", created=1, request=parsed()
    )
    assert (outcome.status, outcome.body) == (200, expected)
    assert outcome.headers["x-mandate-cost"] == "0.00 EUR"


async def test_a_stream_is_told_as_what_it_ended_with(office: Office) -> None:
    name = await office.admitted(stream=True)
    call = parse_call_name(name)
    write = CODEC.writer(call, "m", include_usage=True, created=1, request=parsed())
    body = write(exchange.Chunk(text="Grüße")) + write.end()
    await office.finished(name, Outcome(200, "text/event-stream", {}, body))
    told = await office.told(name)
    assert (told["id"], told["status"]) == (name, "completed")
    assert told["output"][0]["content"][0]["text"] == "Grüße"


async def test_failures_are_told_as_responses(office: Office) -> None:
    refusals: list[tuple[int, dict[str, Any], str]] = [
        (502, {"message": "gpt: server_error", "code": "upstream_failed"}, "server_error"),
        (400, {"message": "no such thing", "code": None}, "invalid_prompt"),
        (429, {"message": "none left", "code": "insufficient_quota"}, "rate_limit_exceeded"),
    ]
    for status, said, code in refusals:
        name = await office.admitted()
        body = json.dumps({"error": said | {"rules": ["r"]}}).encode()
        await office.finished(name, Outcome(status, responses.JSON, {}, body), "failed", "x")
        told = await office.told(name)
        assert (told["status"], told["output"]) == ("failed", [])
        assert told["error"] == {
            "code": code,
            "message": said["message"],
            "mandate_code": said["code"],
            "rules": ["r"],
        }


async def test_a_call_that_ended_without_an_answer_says_why(office: Office) -> None:
    name = await office.admitted()
    call = parse_call_name(name)
    await commands.finish_call(
        office.world.db,
        office.world.finish(
            call,
            "failed",
            code="deadline_exceeded",
            worker=None,
            attempt={"becomes": "voided", "worker": None},
        ),
    )
    told = await office.told(name)
    assert told["status"] == "failed"
    assert told["error"]["mandate_code"] == "deadline_exceeded"
    denial = office.world.denial(dialect="openai.responses")
    await commands.deny(office.world.db, denial)
    told = await office.told(call_name(denial.asked.call, "resp_"))
    assert (told["status"], told["error"]["mandate_code"]) == ("failed", "no-permit")


async def test_cancelled_is_told_and_not_told_twice(office: Office) -> None:
    name = await office.admitted()
    for _ in range(2):
        outcome = await responses.cancel(office.desk, office.caller, name)
        assert json.loads(outcome.body)["status"] == "cancelled"
    call = parse_call_name(name)
    kinds = ["call.admitted", "attempt.voided", "call.cancelled"]
    assert await office.world.kinds(call) == kinds
    # another team's: nothing happens
    other = await office.admitted()
    with pytest.raises(NotFound):
        await responses.cancel(office.desk, office.of_team("underwriting"), other)
    assert await office.world.kinds(parse_call_name(other)) == ["call.admitted"]


async def gone_on(office: Office, name: str, run: str = "") -> tuple[list[str], str, str]:
    """What the next call says, in order, and its run: as the caller names it, or the commitment it goes on from."""
    request = parsed(previous_response_id=name, input="go")
    whole, options = await responses.go_on(office.desk, office.caller, request, Options(run=run))
    said = [message.parts[0] for message in CODEC.conversation(whole).messages]
    return [part.text for part in said if isinstance(part, Text)], options.run, options.run_ref


async def test_the_next_call_has_it_all_and_the_same_run(office: Office) -> None:
    name = await office.answered(run="r-1")
    assert await gone_on(office, name) == (["hello", "Grüße", "go"], "", "r-1")
    assert await gone_on(office, name, "mine") == (["hello", "Grüße", "go"], "mine", "")


async def test_what_was_said_for_a_user_goes_on_under_that_users_key(office: Office) -> None:
    tenant = office.world.tenant
    ref = commit_user(office.store, tenant, "ada")
    name = await office.answered(user_ref=subject_of_user(tenant, ref))
    for named in ({}, {"user": "ada"}, {"safety_identifier": "ada"}):
        request = parsed(previous_response_id=name, input="go", **named)
        _, options = await responses.go_on(office.desk, office.caller, request, Options())
        assert options.user_ref == ref
    theirs = parsed(previous_response_id=name, input="go", user="mallory")
    with pytest.raises(InvalidRequest, match="was said for another user; name the same one"):
        await responses.go_on(office.desk, office.caller, theirs, Options())
    # of nobody in particular: anybody may go on
    nobody = await office.answered()
    request = parsed(previous_response_id=nobody, input="go", user="mallory")
    _, options = await responses.go_on(office.desk, office.caller, request, Options())
    assert options.user_ref == ""


async def test_nobody_goes_on_from_what_has_no_answer(office: Office) -> None:
    running, failed = await office.admitted(), await office.admitted()
    body = b'{"error":{"message":"no"}}'
    await office.finished(failed, Outcome(502, responses.JSON, {}, body), "failed", "x")
    theirs = await office.answered(store=False)
    expected: list[tuple[str, type[MandateError], str]] = [
        (running, Conflict, "has not ended yet"),
        (failed, InvalidRequest, "has no answer to go on from"),
        (theirs, NotFound, "there is no response"),
    ]
    for name, kind, words in expected:
        with pytest.raises(kind, match=words):
            await gone_on(office, name)


async def test_what_the_model_was_given_is_listed(office: Office) -> None:
    name = await office.answered(input=[{"role": "user", "content": "a", "id": "mine"}])
    found = json.loads(await responses.input_items(office.desk, office.caller, name))
    item = {"type": "message", "role": "user", "content": "a", "id": "mine"}
    assert found == {
        "object": "list",
        "data": [item],
        "has_more": False,
        "first_id": "mine",
        "last_id": "mine",
    }


async def test_only_a_stream_is_followed(office: Office) -> None:
    plain, streamed = await office.answered(), await office.admitted(stream=True)
    with pytest.raises(InvalidRequest, match="was not asked for as a stream"):
        await responses.ticket(office.desk, office.caller, plain, 9)
    found = await responses.ticket(office.desk, office.caller, streamed, 9)
    assert (found.call, found.stream, found.keeps_running) == (
        parse_call_name(streamed),
        True,
        True,
    )


def event(number: int) -> bytes:
    return b'event: e\ndata: {"type":"e","sequence_number":%d}\n\n' % number


@pytest.mark.parametrize("cut", [1, 7, 60, 1000])
def test_events_that_the_caller_has_are_dropped_wherever_the_stream_is_cut(cut: int) -> None:
    body = CODEC.keep_alive() + b"".join(map(event, range(5)))
    after = After(2)
    got = b"".join(after(body[at : at + cut]) for at in range(0, len(body), cut)) + after.end()
    assert got == CODEC.keep_alive() + event(3) + event(4)
    refusal = After(2)
    assert refusal(b'{"error":1}') + refusal.end() == b'{"error":1}'
