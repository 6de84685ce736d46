"""The texts of this room's statements."""

from typing import Final

from routing.calls.questions import (
    ASK,
    DECIDED,
    ENDING,
    ENTRY,
    SEALED,
    SETTLEMENT,
    composite,
    select,
)

REVIEW: Final = composite(
    "routing_review",
    "uuid uuid bigint interval smallint text text text text text text text text text text text",
)
_VERDICT: Final = composite("routing_verdict", "uuid uuid interval smallint text text text text")
_OVERDUE: Final = composite("routing_overdue", "uuid uuid timestamptz interval smallint text text")
NO_REVIEW: Final = (None,) * 16

HOLD: Final = select(
    "review_hold",
    "answer, state, cost_nano, left_nano, revision, stop_epoch",
    ENDING,
    SETTLEMENT,
    ENTRY,
    SEALED,
    ENTRY,
    DECIDED,
    REVIEW,
)
ADMIT_HELD: Final = select(
    "admit_held",
    "answer, revision, stop_epoch, call, moment",
    ASK,
    DECIDED,
    SEALED,
    ENTRY,
    ENTRY,
    REVIEW,
)
CLAIM: Final = select(
    "review_claim", "answer, until", "%s::uuid", "%s::uuid", "%s::text", "%s::interval", ENTRY
)
RETURN: Final = f"SELECT review_return(%s::uuid, %s::uuid, %s::text, {ENTRY})"
DECIDE: Final = select(
    "review_decide", "answer, outcome", _VERDICT, SEALED, SEALED, ENTRY, ENTRY, ENTRY
)
OVERDUE: Final = f"SELECT review_overdue({_OVERDUE}, {REVIEW}, {SEALED}, {ENTRY}, {ENTRY}, {ENTRY})"
SAMPLE: Final = f"SELECT review_sample({REVIEW}, {ENTRY})"
