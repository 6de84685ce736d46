"""A response that is come back to: gone on from, read, followed, cancelled. Only by the team whose call it was.

Everything stands in the call's row and in the vault: nothing of it is held in memory, and any process may answer.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, NoReturn
from uuid import UUID

import msgspec

from audit.log.entry import Entry, build
from audit.vault.keys import CallKeys, Erased, commit_user, subject_of_user
from audit.vault.seal import Tampered
from controlplane.kernel.errors import Conflict, InvalidRequest, MandateError, NotFound
from controlplane.kernel.ids import call_name, parse_call_name, uuid7_time
from policies.identity.authentication import Caller
from routing import answers
from routing.calls import commands
from routing.dialects.openai_responses.request import continued, items_of
from routing.dialects.openai_responses.state import encoded_state, failed_by, final_of, head
from routing.dialects.received import part_of
from routing.dialects.spliced import ENCODER
from routing.exchange import CallRequest
from routing.gathering import THREAD_FROM, Desk, Options, unsealed
from routing.relay import Outcome
from routing.ticket import Ticket, answer_headers

DIALECT = "openai.responses"
JSON = "application/json"
CANCEL_SECONDS = 5.0
LOOK_SECONDS = 0.1
_OPEN = {"admitted": "queued", "running": "in_progress", "held": "in_progress"}


@dataclass(frozen=True, slots=True)
class Response:
    """A call of this dialect, as it stands. `request` is None where the call was denied: then nothing of it was stored."""

    row: commands.Kept
    request: CallRequest | None

    @property
    def begun(self) -> dict[str, Any]:
        """The response without an answer."""
        created = int(uuid7_time(self.row.call).timestamp())
        return head(self.row.call, self.row.route, created, self.request)


async def find(desk: Desk, caller: Caller, name: str) -> Response:
    """The response of that name. Raises NotFound: unknown, another team's, erased, or not to be read again."""
    try:
        call = parse_call_name(name)
    except ValueError:
        _unknown(name)
    row = await commands.kept(desk.db, call)
    if row is None or (row.tenant, row.team) != (caller.tenant, caller.team):
        _unknown(name)
    if row.dialect != DIALECT or call_name(call, "resp_") != name:
        _unknown(name)
    try:
        request = None if row.request is None else await _opened(desk, row, row.request)
    except (Erased, Tampered):
        _unknown(name)
    if request is not None and not request.kept:
        _unknown(name)
    return Response(row, request)


def _unknown(name: str) -> NoReturn:
    """The words are the same whatever the reason is, so that they tell another team nothing."""
    raise NotFound(f'there is no response "{name[:80]}"', code="response_not_found")


async def _opened(desk: Desk, row: commands.Kept, sealed: commands.Sealed) -> CallRequest:
    keys = CallKeys.recall(desk.key_store, row.call, sealed.tenant_key, sealed.subject_key)
    return await unsealed(keys, sealed)


async def go_on(
    desk: Desk, caller: Caller, request: CallRequest, options: Options
) -> tuple[CallRequest, Options]:
    """The request with all that went before it, in the same run. Raises NotFound, Conflict, InvalidRequest, TooLarge."""
    try:
        earlier = await find(desk, caller, request.previous)
        outcome = await _answer_of(desk, earlier)
    except NotFound:
        raise NotFound(
            f'there is no response "{request.previous[:80]}" to go on from',
            code="previous_response_not_found",
            param="previous_response_id",
        ) from None
    before = earlier.request or request
    if len(before.raw) + len(outcome.body) > THREAD_FROM:
        whole = await asyncio.to_thread(continued, request, before, outcome.body)
    else:
        whole = continued(request, before, outcome.body)
    run_ref = "" if options.run else earlier.row.run or ""
    user_ref = _same_user(desk, earlier.row, request)
    return whole, replace(options, run_ref=run_ref, user_ref=user_ref)


def _same_user(desk: Desk, row: commands.Kept, request: CallRequest) -> str:
    """The earlier call's user, or "" where it had none. Raises InvalidRequest for another one.

    INVARIANT: what was said for one user is sealed under that user's key, also as a copy: one key erases all of it.
    """
    ref = row.user_ref.removeprefix(subject_of_user(row.tenant, ""))
    if ref == row.user_ref:
        return ""
    named = request.outline.user
    if named and commit_user(desk.key_store, row.tenant, named) != ref:
        raise InvalidRequest(
            f'"{request.previous}" was said for another user; name the same one, or none'
        )
    return ref


async def _answer_of(desk: Desk, found: Response) -> Outcome:
    """Raises NotFound where it was erased, Conflict while it runs, InvalidRequest where there is none."""
    name = call_name(found.row.call, "resp_")
    if not found.row.ended:
        raise Conflict(f'"{name}" has not ended yet; go on from it when it has')
    if found.row.state != "completed" or found.request is None:
        raise InvalidRequest(f'"{name}" has no answer to go on from')
    return await _ended(desk, found)


async def _ended(desk: Desk, found: Response) -> Outcome:
    """What it ended with. Raises the MandateError of a call that ended without an answer."""
    currency = (await desk.snapshots.current()).bundle.organisation.spec["currency"]
    outcome = await answers.stored(desk.db, desk.key_store, found.row.call, currency)
    assert outcome is not None, "it had ended"  # noqa: S101  # for the type checker: an ended call is told or raised
    return outcome


async def read(desk: Desk, caller: Caller, name: str) -> Outcome:
    """The response as it stands, whatever became of it. Raises NotFound."""
    return await _told(desk, await find(desk, caller, name))


async def _told(desk: Desk, found: Response) -> Outcome:
    row, headers = found.row, answer_headers(found.row.call)
    if row.state in _OPEN:
        return Outcome(200, JSON, headers, encoded_state(found.begun, _OPEN[row.state]))
    if row.state == "cancelled" and row.code != "stopped":
        return Outcome(200, JSON, headers, encoded_state(found.begun, "cancelled"))
    try:
        outcome = await _ended(desk, found)
    except NotFound:
        raise
    except MandateError as error:
        return Outcome(200, JSON, headers, encoded_state(found.begun, "failed", error))
    final = final_of(outcome.body)
    if final is None:
        told = failed_by(found.begun, outcome.status, outcome.body)
    else:
        told = outcome.body if outcome.body[:1] == b"{" else ENCODER.encode(final)
    return Outcome(200, JSON, {**headers, **outcome.headers}, told)


async def input_items(desk: Desk, caller: Caller, name: str) -> bytes:
    """What the model was given, oldest first, with all that it went on from. Raises NotFound."""
    found = await find(desk, caller, name)
    items: list[dict[str, Any]] = []
    if found.request is not None:
        given = items_of({"input": part_of(found.request, "input")})
        items = [
            {"type": "message", **item, "id": item.get("id") or f"item_{found.row.call.hex}_{at}"}
            for at, item in enumerate(given)
        ]
    ends = {"first_id": items[0]["id"], "last_id": items[-1]["id"]} if items else {}
    return ENCODER.encode({"object": "list", "data": items, "has_more": False, **ends})


async def cancel(desk: Desk, caller: Caller, name: str) -> Outcome:
    """End the call, or ask its worker to, and tell the response as it stands then. One that had ended is told as it is."""
    found = await find(desk, caller, name)
    if not found.row.ended:
        void_entry = _entry(desk, caller, found.row, "attempt.voided", no=1)
        entry = _entry(desk, caller, found.row, "call.cancelled")
        wanted = commands.Cancel(call=found.row.call, void_entry=void_entry, entry=entry)
        await commands.cancel_call(desk.db, wanted)
        await _wait_ended(desk, found.row.call)
    return await read(desk, caller, name)


async def _wait_ended(desk: Desk, call: UUID) -> None:
    """Give a worker that was asked the time to end it."""
    until = asyncio.get_running_loop().time() + CANCEL_SECONDS
    while asyncio.get_running_loop().time() < until:
        row = await commands.kept(desk.db, call)
        if row is None or row.ended:
            return
        await asyncio.sleep(LOOK_SECONDS)


def _entry(desk: Desk, caller: Caller, row: commands.Kept, kind: str, **more: int) -> Entry:
    return build(
        kind,
        id=desk.new_id(),
        at=desk.clock(),
        actor=f"key:{caller.key_id}",
        tenant=row.tenant,
        call=row.call,
        subject=row.route,
        data={"reason": "cancelled", **more},
    )


async def ticket(desk: Desk, caller: Caller, name: str, seconds: float) -> Ticket:
    """What following the stream of a response needs. Raises NotFound, and InvalidRequest where there is no stream."""
    found = await find(desk, caller, name)
    row, sealed = found.row, found.row.request
    if not row.stream or sealed is None:
        raise InvalidRequest(f'"{name}" was not asked for as a stream; read it without "stream"')
    keys = CallKeys.recall(desk.key_store, row.call, sealed.tenant_key, sealed.subject_key)
    return Ticket(
        call=row.call,
        frames_key=keys.frames,
        deadline=desk.clock() + timedelta(seconds=seconds),
        stream=True,
        keeps_running=True,
        tenant=row.tenant,
        key=row.key,
        duplicate=True,
        headers=answer_headers(row.call),
    )


class After:
    """Drops the events of a stream up to the one with this number; what is no event passes."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._rest = b""

    def __call__(self, data: bytes) -> bytes:
        """What is left of these bytes for the caller; a piece of an event waits for its end."""
        *whole, self._rest = (self._rest + data).split(b"\n\n")
        return b"".join(block + b"\n\n" for block in whole if not self._had(block))

    def end(self) -> bytes:
        """What waited."""
        rest, self._rest = self._rest, b""
        return rest

    def _had(self, block: bytes) -> bool:
        _, found, data = block.partition(b"\ndata: ")
        if not found:
            return False
        told: Mapping[str, Any] = msgspec.json.decode(data)
        number = told.get("sequence_number")
        return type(number) is int and number <= self._number
