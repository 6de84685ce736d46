"""What the commands take. Entries are built by `audit.log.entry`; their kinds are checked here, once."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from audit.log.entry import Entry


class WrongEntry(ValueError):
    """An entry of another kind, call or attempt than the step it is to record."""


def expect(entry: Entry, kind: str, call: UUID) -> None:
    """Raises WrongEntry unless the entry is of the kind and of the call."""
    if entry.kind != kind or entry.call != call:
        raise WrongEntry(f"{entry.kind} of {entry.call} cannot record {kind} of {call}")


def array(values: Iterable[str]) -> str:
    """As PostgreSQL writes an array of numbers or truths: one type for it, empty or not, hence one prepared statement."""
    return f"{{{','.join(values)}}}"


@dataclass(frozen=True, slots=True)
class WindowRef:
    """One ledger window as a claim on it: the limit in force (nano units) and whether it refuses."""

    id: int
    limit_nano: int
    hard: bool
    budget: str
    tenant: str = ""
    subject: str = ""
    on_exhausted: str = "deny"
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Reservation:
    """What an attempt may cost at most, and where it is held. `windows` are sorted by (rank, id), as `Windows` gives them.

    `valid_until`: when the day ends on which it was decided, limits and price with it; None: whenever.
    """

    model: str
    provider: str
    amount_nano: int
    windows: Sequence[WindowRef]
    model_tenant: str = ""
    valid_until: datetime | None = None

    def row(self) -> tuple[object, ...]:
        """The fields of SQL's routing_reservation."""
        return (
            self.amount_nano,
            array(str(w.id) for w in self.windows),
            array(str(w.limit_nano) for w in self.windows),
            array("t" if w.hard else "f" for w in self.windows),
            self.model,
            self.model_tenant,
            self.provider,
            self.valid_until,
        )


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision record: `no` counts within the call from 1; `facts` are canonical bytes."""

    no: int
    effect: str
    digest: bytes
    facts: bytes
    stage: str = "request"

    def row(self) -> tuple[object, ...]:
        """The fields of SQL's routing_decided."""
        return (self.no, self.stage, self.effect, self.digest, self.facts)


@dataclass(frozen=True, slots=True)
class Sealed:
    """Encrypted content for the vault: field `request` or `answer`."""

    field: str
    tenant_key: str
    subject_key: str
    nonce: bytes
    ciphertext: bytes
    no: int = 0

    def row(self) -> tuple[object, ...]:
        """The fields of SQL's routing_sealed."""
        return (self.field, self.no, self.tenant_key, self.subject_key, self.nonce, self.ciphertext)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """SHA-256 of the Idempotency-Key header, and of the body it came with."""

    hash: bytes
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who asks for what: the columns of the call. `revision` and `stop_epoch` are those the decision was made under."""

    call: UUID
    tenant: str
    team: str
    key: str
    key_hash: bytes
    route: str
    dialect: str
    stream: bool
    revision: int
    stop_epoch: int
    deadline_seconds: float
    user_ref: str = ""
    run: str | None = None
    reply_to: UUID | None = None
    lost_retries: int = 0
    idempotency: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """`entry` is `call.admitted`. No reservation: the call is to be held before any model."""

    asked: Asked
    decision: Decided
    entry: Entry
    request: Sealed | None = None
    reservation: Reservation | None = None

    def __post_init__(self) -> None:
        expect(self.entry, "call.admitted", self.asked.call)


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """`entry` is `call.denied`; `code` says why, for the call's row."""

    asked: Asked
    decision: Decided
    entry: Entry
    code: str

    def __post_init__(self) -> None:
        expect(self.entry, "call.denied", self.asked.call)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The start of attempt `no`; `entry` is `attempt.started`.

    Attempt 1 was reserved at admission: no `reservation` starts it as it stands, one re-prices it. Later attempts
    bring theirs. `decision` is the second `request` record after a stale answer. `relays`: a stream that passes through.
    """

    call: UUID
    worker: UUID
    no: int
    revision: int
    stop_epoch: int
    entry: Entry
    reservation: Reservation | None = None
    decision: Decided | None = None
    relays: bool = False

    def __post_init__(self) -> None:
        expect(self.entry, "attempt.started", self.call)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What was billed by; `input` without the cached ones."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """How one attempt ends: `was` → `becomes`, with the entry `attempt.<becomes>`.

    `amount_nano` is the whole bill; what is above the reservation becomes overrun. `basis`: reported | counted |
    reserve | person | none. `worker` is who runs the call; None for reconciling an unknown attempt. `service_tier` is
    the one that the provider says it served at, where it is not the ordinary one.
    """

    call: UUID
    no: int
    was: str
    becomes: str
    entry: Entry
    amount_nano: int = 0
    basis: str = "none"
    error_class: str = ""
    tokens: Tokens | None = None
    worker: UUID | None = None
    service_tier: str = ""

    def __post_init__(self) -> None:
        expect(self.entry, f"attempt.{self.becomes}", self.call)

    def row(self) -> tuple[object, ...]:
        """The fields of SQL's routing_settlement."""
        t = self.tokens
        counts = (None,) * 4 if t is None else (t.input, t.cached, t.cache_write, t.output)
        return (
            self.amount_nano,
            self.no,
            self.was,
            self.becomes,
            self.basis,
            self.error_class,
            *counts,
            self.service_tier,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighing:
    """How one answer was weighed under a revision: its record (stage `response` or `failure`), and what it said, sealed."""

    call: UUID
    worker: UUID
    revision: int
    decision: Decided
    said: Sealed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The call's end (`state` completed, failed, cancelled) or its hold (held), with its last attempt where one is open.

    `entry` is `call.<state>`. `worker` None: nobody has the call (denied again at its start). `decision` is the second
    `request` record of a call that ends because of it, made under `revision` and `stop_epoch`.
    """

    call: UUID
    worker: UUID | None
    state: str
    entry: Entry
    code: str = ""
    attempt: Settlement | None = None
    answer: Sealed | None = None
    decision: Decided | None = None
    revision: int | None = None
    stop_epoch: int | None = None

    def __post_init__(self) -> None:
        expect(self.entry, f"call.{self.state}", self.call)
        if self.decision is not None and None in {self.revision, self.stop_epoch}:
            raise ValueError("a decision that ends a call says what it was made under")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """`void_entry` (`attempt.voided`, no 1) is written only where an attempt is still reserved; its id is below the other's.

    `ask`: a worker that has the call is asked to end it; else it is left alone.
    """

    call: UUID
    void_entry: Entry
    entry: Entry
    code: str = "cancelled"
    ask: bool = True

    def __post_init__(self) -> None:
        expect(self.void_entry, "attempt.voided", self.call)
        expect(self.entry, "call.cancelled", self.call)
        if json.loads(self.void_entry.body)["data"].get("no") != 1:
            raise WrongEntry("attempt.voided says which attempt: no 1, which was reserved")
