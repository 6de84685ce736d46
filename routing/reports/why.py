"""Why a call went as it went: everything its page and `explain/` show, from the record, the bundle it names, and the log.

The decision itself is not stored, only its facts and its digest: it is made again here, and the page says when
the digest differs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from audit.log import read as log_read
from audit.log.read import Line
from controlplane.kernel.errors import MandateError
from policies.bundles.snapshot import bundle_at
from policies.decisions.models import Decision as Record
from policies.engine.bundle import Bundle
from policies.engine.decision import Decision
from policies.engine.explain import Trace, trace
from policies.engine.facts import Facts, decode
from routing.calls.models import Attempt, Call
from routing.ledger.models import LedgerWindow
from routing.reports.story import Told, latency
from routing.reports.weighed import STAGES, Weighing, weighings


@dataclass(frozen=True, slots=True)
class Stage:
    """One decision record, made again. `error` says why it could not be, and then nothing else is there."""

    no: int
    name: str
    revision: int
    digest: str
    facts: Facts | None
    trace: Trace | None
    error: str = ""

    @property
    def decision(self) -> Decision | None:
        """What was decided."""
        return self.trace.decision if self.trace else None

    @property
    def identical(self) -> bool:
        """Whether it came out as recorded."""
        return self.decision is not None and self.decision.digest.hex() == self.digest


@dataclass(frozen=True, slots=True)
class Paid:
    """What one budget window paid for the call, in nano units."""

    budget: str
    tenant: str
    subject: str
    amount_nano: int


@dataclass(frozen=True, slots=True)
class Totals:
    """All attempts together."""

    latency: timedelta
    tokens_input: int
    tokens_output: int
    reserved_nano: int
    cost_nano: int


@dataclass(frozen=True, slots=True)
class Why:
    """One call explained. Stages in the order in which they were decided; the last one is what ran.

    `weighings` say what happened with each answer that was checked.
    """

    call: Call
    attempts: Sequence[Attempt]
    stages: Sequence[Stage]
    weighings: Sequence[Weighing]
    entries: Sequence[Line]
    paid: Sequence[Paid]
    totals: Totals
    currency: str

    @property
    def last(self) -> Stage | None:
        """The stage whose decision was carried out."""
        return self.stages[-1] if self.stages else None

    @property
    def told(self) -> Told:
        """For the sentence."""
        decision = self.last.decision if self.last else None
        return Told(self.call, self.attempts, decision, self.currency)


def why(call: Call, currency: str) -> Why:
    """Explain a call that its reader may see."""
    attempts = list(Attempt.objects.filter(call=call.id).order_by("no"))
    records = list(Record.objects.filter(call=call.id).order_by("no"))
    return Why(
        call=call,
        attempts=attempts,
        stages=[_stage(record) for record in records if record.stage not in STAGES],
        weighings=weighings(records),
        entries=log_read.of_call(call.id),
        paid=_paid(attempts),
        totals=_totals(call, attempts),
        currency=currency,
    )


def _stage(record: Record) -> Stage:
    digest = bytes(record.digest).hex()
    try:
        facts = decode(bytes(record.facts))
        bundle = _bundle(record.revision)
    except MandateError as error:
        return Stage(record.no, record.stage, record.revision, digest, None, None, error.message)
    return Stage(
        no=record.no,
        name=record.stage,
        revision=record.revision,
        digest=digest,
        facts=facts,
        trace=trace(bundle, facts),
    )


@lru_cache(maxsize=4)
def _bundle(revision: int) -> Bundle:
    """A revision never changes, so a few stay compiled."""
    return bundle_at(revision)


def _paid(attempts: Sequence[Attempt]) -> list[Paid]:
    """What each window was charged. A window takes part in every attempt that names it."""
    amounts: dict[int, int] = {}
    for attempt in attempts:
        cost = attempt.posted_nano + attempt.overrun_nano
        for window in attempt.windows if cost else ():
            amounts[window] = amounts.get(window, 0) + cost
    windows: Mapping[int, LedgerWindow] = LedgerWindow.objects.in_bulk(list(amounts))
    rows = [windows[identity] for identity in amounts if identity in windows]
    return [
        Paid(row.budget, row.tenant, row.subject, amounts[row.id])
        for row in sorted(rows, key=lambda row: (row.rank, row.id))
    ]


def _totals(call: Call, attempts: Sequence[Attempt]) -> Totals:
    return Totals(
        latency=sum((latency(a) or timedelta() for a in attempts), timedelta()),
        tokens_input=sum(a.tokens_input or 0 for a in attempts),
        tokens_output=sum(a.tokens_output or 0 for a in attempts),
        reserved_nano=sum(a.reserved_nano for a in attempts if a.state != "voided"),
        cost_nano=call.cost_nano,
    )
