"""The texts of the hot path's statements. Each is prepared once a connection; SQL functions take rows, not twenty arguments."""

from typing import Final


def _row(name: str, types: str) -> str:
    """`ROW(…)::name` with a typed place for every field; bytes travel in binary."""
    places = (f"%{'b' if kind == 'bytea' else 's'}::{kind}" for kind in types.split())
    return f"ROW({', '.join(places)})::{name}"


def _call(function: str, columns: str, *arguments: str) -> str:
    """`SELECT columns FROM function(arguments)`; all three are constants of this module."""
    return f"SELECT {columns} FROM {function}({', '.join(arguments)})"  # noqa: S608 - constants


_ASK: Final = _row(
    "routing_ask",
    "uuid uuid bigint bigint interval smallint boolean bytea bytea bytea text text text text text text text text",
)
_RESERVATION: Final = _row(
    "routing_reservation", "bigint bigint[] bigint[] boolean[] text text text"
)
_DECIDED: Final = _row("routing_decided", "smallint text text bytea bytea")
_SEALED: Final = _row("routing_sealed", "text smallint text text bytea bytea")
_ENTRY: Final = _row("routing_entry", "uuid bytea")
_START: Final = _row("routing_start", "uuid uuid bigint bigint smallint boolean")
_SETTLEMENT: Final = _row(
    "routing_settlement", "bigint smallint text text text text int int int int"
)
_ENDING: Final = _row("routing_ending", "uuid uuid bigint bigint text text")

NO_RESERVATION: Final = (None,) * 7
NO_DECISION: Final = (None,) * 5
NO_SEALED: Final = (None,) * 6
NO_ENTRY: Final = (None,) * 2
NO_SETTLEMENT: Final = (None,) * 10
NOT_DECIDED: Final = (None,) * 2
"""Revision and stop epoch of an ending that rests on no decision."""

ADMIT: Final = _call(
    "admit",
    "answer, revision, stop_epoch, call, moment, left_nano",
    _ASK,
    _RESERVATION,
    _DECIDED,
    _SEALED,
    _ENTRY,
)
DENY: Final = _call("deny", "answer, revision, stop_epoch, call", _ASK, _DECIDED, _ENTRY)
PEEKED: Final = (
    *("state", "code", "tenant", "team", "key", "route", "dialect", "run", "user_ref", "stream"),
    *("relayed", "worker", "reply_to", "revision", "stop_epoch", "admitted_at", "deadline_at"),
    *("reserved_at", "cancel_at", "moment", "attempts", "lost_retries"),
)
TRIED: Final = (
    *("tried_state", "tried_model", "tried_model_tenant"),
    *("tried_provider", "tried_nano", "tried_error"),
)
PEEK: Final = _call(
    "peek",
    ", ".join(
        (
            *PEEKED,
            *TRIED,
            *("decision_no", "decision_revision", "decision_digest", "decision_facts"),
            *("tenant_key", "subject_key", "nonce", "ciphertext"),
        )
    ),
    "%s::uuid",
)
START: Final = _call(
    "start_attempt",
    "answer, revision, stop_epoch, moment, left_nano, state, attempt_state",
    _START,
    _RESERVATION,
    _DECIDED,
    _ENTRY,
)
SETTLE: Final = _call(
    "settle_attempt", "answer, state", "%s::uuid", "%s::uuid", _SETTLEMENT, _ENTRY
)
CLAIM: Final = "SELECT claim(%s::uuid, %s::uuid)"
FINISH: Final = _call(
    "finish_call",
    "answer, state, cost_nano, left_nano, revision, stop_epoch",
    _ENDING,
    _SETTLEMENT,
    _ENTRY,
    _SEALED,
    _ENTRY,
    _DECIDED,
)
RELEASE: Final = _call("release_call", "answer, state", "%s::uuid", "%s::interval", _ENTRY)
CANCEL: Final = _call(
    "cancel_call", "answer, state", "%s::uuid", "%s::text", "%s::boolean", _ENTRY, _ENTRY
)
OUTCOME: Final = """
    SELECT c.state, c.code, c.cost_nano, c.tenant, c.team, c.key, c.dialect, c.stream, c.user_ref,
           c.finished_at IS NOT NULL, c.deadline_at,
           coalesce((SELECT a.model FROM routing_attempt a WHERE a.call = c.id ORDER BY a.no DESC LIMIT 1), ''),
           v.tenant_key, v.subject_key, v.nonce, v.ciphertext
      FROM routing_call c LEFT JOIN vault_content v ON v.call = c.id AND v.field = 'answer' AND v.no = 0
     WHERE c.id = %s::uuid"""
KEPT: Final = """
    SELECT c.state, c.code, c.tenant, c.team, c.key, c.dialect, c.route, coalesce(c.run, ''), c.stream, c.user_ref,
           c.deadline_at, c.finished_at IS NOT NULL, v.tenant_key, v.subject_key, v.nonce, v.ciphertext
      FROM routing_call c LEFT JOIN vault_content v ON v.call = c.id AND v.field = 'request' AND v.no = 0
     WHERE c.id = %s::uuid"""
ENDED: Final = """
    SELECT id FROM routing_call
     WHERE id = ANY(%s::uuid[]) AND (finished_at IS NOT NULL OR state = 'held')"""
SWEEP_FIND: Final = _call(
    "sweep_find",
    "call, tenant, state, worker, lost, overdue, cancelled, relayed, lost_retries, waiting, stream, "
    "reply_to, dialect, open_nos, open_states",
    "%s::interval",
    "%s::int",
)
SWEEP: Final = _call(
    "sweep_call",
    "answer, state",
    _ENDING,
    *("%s::interval", "%s::smallint[]", "%s::text[]", "%s::uuid[]", "%b::bytea[]"),
    _ENTRY,
)
RECONCILE_FIND: Final = _call(
    "reconcile_find", "call, tenant, no, reserved_nano, unknown_at", "%s::interval", "%s::int"
)
