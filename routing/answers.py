"""The answer of a call that has ended, read from its row and the vault: for callers who missed it or ask again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import msgspec

from audit.vault.keys import CallKeys, Erased
from audit.vault.keys import Sealed as VaultRow
from audit.vault.store import KeyStore
from controlplane.kernel.errors import (
    BudgetExhausted,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    HeldForReview,
    MandateError,
    NotFound,
    Unavailable,
    UpstreamFailed,
)
from controlplane.kernel.money import format_nano
from policies.engine.weigh import Weighed
from routing.calls import commands
from routing.calls.pool import Database
from routing.relay import Outcome, unpack_outcome

NOT_ACCEPTED: Final[Mapping[str, str]] = {
    "response": "not_accepted", "failure": "not_accepted", "tool": "tool_forbidden",
}  # fmt: skip
"""The code of a call whose answer is shown to nobody, by the stage that decided so."""


@dataclass(frozen=True, slots=True)
class Money:
    """What the commit of a call's end tells: its cost, and the least a hard budget has left where one binds."""

    cost_nano: int
    currency: str
    left_nano: int | None = None

    def headers(self) -> dict[str, str]:
        """As every complete answer carries them: exact decimal, space, currency."""
        told = {"x-mandate-cost": f"{format_nano(self.cost_nano)} {self.currency}"}
        if self.left_nano is not None:
            told["x-mandate-budget-left"] = f"{format_nano(self.left_nano)} {self.currency}"
        return told


def complete(outcome: Outcome, model: str, money: Money) -> Outcome:
    """The outcome with what only the commit of the call's end knows; a stream's headers went out before."""
    told = {"x-mandate-model": model, **outcome.headers, **money.headers()}
    return msgspec.structs.replace(outcome, headers=told)


async def stored(db: Database, store: KeyStore, call: UUID, currency: str) -> Outcome | None:
    """What the caller gets; None while the call runs. Raises the MandateError of a call that ended without an answer."""
    found = await commands.outcome(db, call)
    if found is None:
        raise NotFound(f'there is no call "call_{call.hex}"')
    if found.answer is not None and found.ended:
        outcome = unpack_outcome(_unseal(store, call, found.answer))
        return complete(outcome, found.model, Money(found.cost_nano, currency))
    if found.ended or found.state == "held":
        raise failure(found.state, found.code, call)
    return None


def _unseal(store: KeyStore, call: UUID, sealed: commands.Sealed) -> bytes:
    row = VaultRow(
        call,
        sealed.field,
        sealed.no,
        sealed.tenant_key,
        sealed.subject_key,
        sealed.nonce,
        sealed.ciphertext,
    )
    try:
        return CallKeys.recall(store, call, sealed.tenant_key, sealed.subject_key).unseal(row)
    except Erased as error:
        raise NotFound("the answer of this call was erased", call=call) from error


def failure(state: str, code: str, call: UUID, weighed: Weighed | None = None) -> MandateError:
    """The error for a call that ended as `state` with `code` and has no answer of its own, and what was weighed last."""
    if weighed is not None and code == NOT_ACCEPTED["tool"]:
        return _tool_forbidden(weighed, call)
    made, message = _FAILURES.get((state, code)) or _FAILURES.get((state, "")) or _UNKNOWN
    # an exhausted budget has a code that the SDKs' users already check
    told = {} if made in (BudgetExhausted, HeldForReview) else {"code": code}
    if made is HeldForReview:
        told = {"poll": f"/api/v1/calls/call_{call.hex}/"}
    return made(message.format(call=f"call_{call.hex}", code=code), call=call, **told)


def _tool_forbidden(weighed: Weighed, call: UUID) -> MandateError:
    """The error for an answer that asks for a tool which a rule forbids: it names the rule and whom to ask."""
    rules = tuple(dict.fromkeys(rule.name for rule in weighed.determining))
    message = f"{weighed.message} (rule {', '.join(rules)}; ask {weighed.owner})"
    return Forbidden(
        message, call=call, code=NOT_ACCEPTED["tool"], rules=rules, owner=weighed.owner
    )


_STOPPED = (Forbidden, "an administrator stopped this while it ran")
_UNKNOWN = (Unavailable, "the call has no answer yet; try again")
_FAILURES: Mapping[tuple[str, str], tuple[type[MandateError], str]] = {
    ("held", ""): (
        HeldForReview,
        "a person decides about this call first; ask GET /api/v1/calls/{call}/ with this key, or send its Idempotency-Key again",
    ),
    ("denied", ""): (Forbidden, "this call was denied; GET /api/v1/calls/{call}/ says why"),
    ("cancelled", ""): (Conflict, "this call was cancelled"),
    ("cancelled", "stopped"): _STOPPED,
    ("failed", "stopped"): _STOPPED,
    ("failed", "deadline_exceeded"): (
        DeadlineExceeded,
        "the call's deadline passed before an answer came",
    ),
    ("failed", "policy_changed"): (
        Forbidden,
        "a policy change before the model started denies this call",
    ),
    ("failed", "not_redactable"): (
        Forbidden,
        "what must be redacted here cannot be: in an encoded attachment, or where it is the name of a member",
    ),
    ("failed", "tool_forbidden"): (
        Forbidden,
        "the answer asks for a tool that it may not have; GET /api/v1/calls/{call}/ says why",
    ),
    ("failed", "no_headroom"): (BudgetExhausted, "no money is left for another attempt"),
    ("failed", "not_accepted"): (
        UpstreamFailed,
        "no answer passed the checks of this route, so none is shown; GET /api/v1/calls/{call}/ says why",
    ),
    ("failed", "review_rejected"): (Forbidden, "a reviewer turned this call down"),
    ("failed", "review_overdue"): (Forbidden, "nobody decided about this call in time"),
    ("failed", "worker_lost"): (
        UpstreamFailed,
        "the worker of this call was lost; the model may have been billed",
    ),
    ("failed", ""): (UpstreamFailed, "no model of this route answered ({code})"),
}
