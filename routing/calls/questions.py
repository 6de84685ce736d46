"""The texts of the hot path's statements. Each is prepared once a connection; SQL functions take rows, not twenty arguments."""

from typing import Final


def composite(name: str, types: str) -> str:
    """`ROW(…)::name` with a typed place for every field; bytes travel in binary."""
    places = (f"%{'b' if kind == 'bytea' else 's'}::{kind}" for kind in types.split())
    return f"ROW({', '.join(places)})::{name}"


def composites(name: str, types: str) -> str:
    """An array of `ROW(…)::name` from an array for every field, so that one statement takes any number of rows.

    A field that is an array itself comes as text, for its array has to be one of equal lengths.
    """
    kinds = types.split()
    given = (f"%{'b' if kind == 'bytea' else 's'}::{_flat(kind)}[]" for kind in kinds)
    fields = (f"c{n}::{kind}" for n, kind in enumerate(kinds))
    names = ", ".join(f"c{n}" for n in range(len(kinds)))
    return f"ARRAY(SELECT ROW({', '.join(fields)})::{name} FROM unnest({', '.join(given)}) AS t ({names}))"  # noqa: S608 - constants


def _flat(kind: str) -> str:
    return "text" if kind.endswith("[]") else kind


def select(function: str, columns: str, *arguments: str) -> str:
    """`SELECT columns FROM function(arguments)`; all three are constants of this module."""
    return f"SELECT {columns} FROM {function}({', '.join(arguments)})"  # noqa: S608 - constants


_ADMISSION: Final = (
    (
        "routing_ask",
        "uuid uuid bigint bigint interval smallint boolean bytea bytea bytea text text text text text text text text",
    ),
    ("routing_reservation", "bigint bigint[] bigint[] boolean[] text text text timestamptz"),
    ("routing_decided", "smallint text text bytea bytea"),
    ("routing_sealed", "text smallint text text bytea bytea"),
    ("routing_entry", "uuid bytea"),
)
ASK, RESERVATION, DECIDED, SEALED, ENTRY = (composite(*row) for row in _ADMISSION)
START_ROW: Final = composite("routing_start", "uuid uuid bigint bigint smallint boolean")
SETTLEMENT: Final = composite(
    "routing_settlement", "bigint smallint text text text text int int int int text"
)
ENDING: Final = composite("routing_ending", "uuid uuid bigint bigint text text")

NO_RESERVATION: Final = (None,) * 8
NO_DECISION: Final = (None,) * 5
NO_SEALED: Final = (None,) * 6
NO_ENTRY: Final = (None,) * 2
NO_SETTLEMENT: Final = (None,) * 11
NOT_DECIDED: Final = (None,) * 2
"""Revision and stop epoch of an ending that rests on no decision."""

ADMIT: Final = select(
    "admit",
    "answer, revision, stop_epoch, call, moment, left_nano",
    ASK,
    RESERVATION,
    DECIDED,
    SEALED,
    ENTRY,
)
ADMIT_TOGETHER: Final = select(
    "admit_together", "places, moment", *(composites(*row) for row in _ADMISSION)
)
DENY: Final = select("deny", "answer, revision, stop_epoch, call", ASK, DECIDED, ENTRY)
PEEKED: Final = (
    *("state", "code", "tenant", "team", "key", "route", "dialect", "run", "user_ref", "stream"),
    *(
        "relayed",
        "released",
        "worker",
        "reply_to",
        "revision",
        "stop_epoch",
        "admitted_at",
        "deadline_at",
    ),
    *("reserved_at", "cancel_at", "moment", "attempts", "lost_retries"),
)
TRIED: Final = (
    *("tried_state", "tried_model", "tried_model_tenant"),
    *("tried_provider", "tried_nano", "tried_error"),
)
PEEK: Final = select(
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
START: Final = select(
    "start_attempt",
    "answer, revision, stop_epoch, moment, left_nano, state, attempt_state",
    START_ROW,
    RESERVATION,
    DECIDED,
    ENTRY,
)
SETTLE: Final = select("settle_attempt", "answer, state", "%s::uuid", "%s::uuid", SETTLEMENT, ENTRY)
WEIGH: Final = select(
    "weigh_call", "weigh_call", "%s::uuid", "%s::uuid", "%s::bigint", DECIDED, SEALED
)
CLAIM: Final = "SELECT claim(%s::uuid, %s::uuid)"
FINISH: Final = select(
    "finish_call",
    "answer, state, cost_nano, left_nano, revision, stop_epoch",
    ENDING,
    SETTLEMENT,
    ENTRY,
    SEALED,
    ENTRY,
    DECIDED,
)
CANCEL: Final = select(
    "cancel_call", "answer, state", "%s::uuid", "%s::text", "%s::boolean", ENTRY, ENTRY
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
SWEEP_FIND: Final = select(
    "sweep_find",
    "call, tenant, state, worker, lost, overdue, cancelled, relayed, lost_retries, waiting, stream, "
    "reply_to, dialect, open_nos, open_states",
    "%s::interval",
    "%s::int",
)
SWEEP: Final = select(
    "sweep_call",
    "answer, state",
    ENDING,
    *("%s::interval", "%s::smallint[]", "%s::text[]", "%s::uuid[]", "%b::bytea[]"),
    ENTRY,
)
RECONCILE_FIND: Final = select(
    "reconcile_find", "call, tenant, no, reserved_nano, unknown_at", "%s::interval", "%s::int"
)
