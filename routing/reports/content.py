"""Open a call's prompt and answer, for whoever may, with a reason; the view is an entry before anything is shown."""

import json
from dataclasses import dataclass
from functools import cache
from uuid import UUID

import msgspec
from django.db import connection, transaction

from audit.log import append
from audit.log.entry import build
from audit.retention.read import erased_on
from audit.vault.keys import Erased, month_of
from audit.vault.opening import open_store
from audit.vault.read import open_content, open_part
from audit.vault.seal import Tampered
from audit.vault.store import KeyStore
from controlplane.kernel.clock import system_clock
from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.principal import Principal
from policies.order.ids import new_id
from routing.beside.read import runs_among
from routing.calls.access import require_open
from routing.calls.models import Call
from routing.dialects.base import Dialect
from routing.dialects.registry import dialect
from routing.exchange import decode_request
from routing.relay import Outcome, unpack_outcome
from routing.reviews import drafts
from routing.reviews.steps import OVERDUE, REJECTED

FIELDS = (("request", "Prompt"), ("answer", "Answer"))
OK = 200


@dataclass(frozen=True, slots=True)
class Opened:
    """One field of the vault: its text, or why there is none."""

    name: str
    note: str
    text: str
    empty: str = ""


@cache
def store() -> KeyStore:
    """The keys of content, as Django code of this process reads them."""
    return open_store()


def open_call(principal: Principal, call: Call, reason: str) -> list[Opened]:
    """Decrypt both fields. Raises Forbidden, and InvalidRequest without a reason; then nothing is decrypted."""
    require_open(principal, call)
    if not reason.strip():
        raise InvalidRequest("say why you look: the reason stands in the log")
    with transaction.atomic():
        append.append(
            build(
                "content.viewed",
                id=new_id(),
                at=system_clock(),
                actor=principal.actor,
                tenant=call.tenant,
                call=call.id,
                subject=call.route,
                data={"fields": [field for field, _ in FIELDS], "reason": reason.strip()},
            )
        )
    return opened(call)


def opened(call: Call) -> list[Opened]:
    """Both fields, for whoever asked `require_open` and appended an entry about it."""
    return [_open(call, field, name) for field, name in FIELDS]


def own_answer(call: Call) -> object | None:
    """The answer of an ended call in its caller's dialect, for the API key of its own team; None where there is none.

    What a person turned down carries the refusal, with the reason. A stream is told as the plain answer that it came to.
    """
    if call.state != "completed" and call.code not in (REJECTED, OVERDUE):
        return None
    # INVARIANT: the answer of a shadow run reaches no caller
    if runs_among([call.id]):
        return None
    try:
        with connection.cursor() as cursor:
            found = open_content(store(), cursor, call.id, "answer")
    except (Erased, Tampered):
        return None
    if found is None:
        return None
    text = _plain(call, found).decode("utf-8", "replace")
    try:
        parsed: object = json.loads(text)
    except ValueError:
        return text
    return parsed


def delivered(call: UUID) -> tuple[Dialect, Outcome] | None:
    """The answer that the caller of a call got, to compare it or to decide on it again: shown to nobody.

    None where there is none, and where it cannot be read (any more).
    """
    row = Call.objects.filter(pk=call).first()
    if row is None:
        return None
    try:
        with connection.cursor() as cursor:
            found = open_content(store(), cursor, call, "answer")
        outcome = None if found is None else unpack_outcome(found)
    except (Erased, Tampered, msgspec.MsgspecError, ValueError):
        return None
    if outcome is None or outcome.status != OK:
        return None
    return dialect(row.dialect), outcome


def weighed_text(call: UUID, no: int) -> str | None:
    """What an answer said that was weighed under a number, to weigh it again: shown to nobody. None where it is gone."""
    try:
        with connection.cursor() as cursor:
            found = open_part(store(), cursor, call, "weighed", no)
    except (Erased, Tampered):
        return None
    return None if found is None else found.decode("utf-8", "replace")


def _plain(call: Call, found: bytes) -> bytes:
    try:
        outcome = unpack_outcome(found)
    except (msgspec.MsgspecError, ValueError):
        return found
    return drafts.plain(dialect(call.dialect), outcome, call.route, call.id)


def _open(call: Call, field: str, name: str) -> Opened:
    try:
        with connection.cursor() as cursor:
            found = open_content(store(), cursor, call.id, field)
    except Erased:
        return _erased(call, name)
    except Tampered:
        return Opened(name, "unreadable", "", "What is stored does not decrypt: it was changed.")
    if found is None:
        return Opened(
            name,
            "none",
            "",
            "Nothing is stored: a denied request's content never is, and a failed call has no answer.",
        )
    text = _readable(field, found)
    return Opened(name, f"{len(found):,} bytes, decrypted just now", text)


def _erased(call: Call, name: str) -> Opened:
    """Which of its two keys went, and when, stands in a row of its own; an entry says by whom and on what basis."""
    at = erased_on((f"tenant/{call.tenant}/{month_of(call.id)}", call.user_ref))
    when = f"erased on {at:%-d %B %Y}" if at else "erased"
    gone = "Its keys were destroyed: nobody can read it again. The proofs still hold."
    return Opened(name, when, "", gone)


def _body(field: str, found: bytes) -> bytes:
    """What was sent over the wire, out of how the vault keeps it."""
    try:
        return decode_request(found).raw if field == "request" else unpack_outcome(found).body
    except (msgspec.MsgspecError, ValueError):
        return found


def _readable(field: str, found: bytes) -> str:
    text = _body(field, found).decode("utf-8", "replace")
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
