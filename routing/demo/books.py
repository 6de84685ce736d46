"""Finance's part of the story: the last month is closed by two people, and what came in late counts in the open one."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from policies.changes.commands import NewChange
from routing.closing import commands
from routing.closing.adjusting import CREDIT, INVOICE, Proposal
from routing.closing.models import Statement
from routing.demo import plan
from routing.demo.acting import agree, person
from routing.demo.history import Event

TENANTS: Final = ("insurance", "retail", "group")
_CENT: Final = 10**7
_GRANT: Final = """\
apiVersion: mandate/v1
kind: RoleGrant
metadata: {name: cleo-closes-months, tenant: insurance}
spec: {member: cleo@acme.example, roles: [finance]}
"""
_TWO: Final = NewChange(
    title="Cleo closes insurance's months with Finn",
    reason="Whoever prepares a statement should not be the one who closes the month with it",
)


class Books:
    """Finn prepares every tenant's month; Cleo closes insurance's, Finn retail's alone (flagged); group's waits for somebody.

    Then a provider's credit note, which counts in the month that is open, and a difference that nobody has decided on yet.
    """

    def events(self, now: datetime, zone: ZoneInfo) -> Iterator[Event]:
        """In the order of time."""
        closed = plan.closed(now, zone)
        month = f"{closed.replace(day=1) - timedelta(days=1):%Y-%m}"
        early, later = closed - timedelta(minutes=50), closed + timedelta(minutes=15)
        yield Event(early, "Ada lets Cleo close insurance's months", partial(agree, _TWO, _GRANT))
        prepared = closed - timedelta(minutes=25)
        yield Event(prepared, f"Finn prepares the statements of {month}", partial(_prepare, month))
        yield Event(
            closed, "Cleo closes insurance's month", partial(_close, "cleo", "insurance", month)
        )
        yield Event(later, "Finn closes retail's month alone", partial(_close, "finn", "retail", month))  # fmt: skip
        credit = min(_days_on(closed, 2, time(15, 10)), now - timedelta(minutes=50))
        yield Event(
            credit, "Finn enters a credit note, and Cleo accepts it", partial(_credit, month)
        )
        billed = min(_days_on(closed, 4, time(9, 20)), now - timedelta(minutes=30))
        yield Event(billed, "Finn finds an invoice too high", partial(_billed, month))


def _prepare(month: str) -> None:
    for tenant in TENANTS:
        commands.prepare(person("finn"), tenant, month)


def _close(name: str, tenant: str, month: str) -> None:
    found = _statement(tenant, month)
    commands.close(person(name), found.pk, found.digest)


def _credit(month: str) -> None:
    wanted = Proposal(
        tenant="insurance",
        corrects=month,
        kind=CREDIT,
        amount_nano=-_share(month, 8),
        occurrence="anthropic credit note CN-20417",
        provider="anthropic",
        note="Credit note for answers that were cut on the provider's side",
    )
    row = commands.propose(person("finn"), wanted)
    commands.accept(person("cleo"), row.pk)


def _billed(month: str) -> None:
    wanted = Proposal(
        tenant="insurance",
        corrects=month,
        kind=INVOICE,
        amount_nano=_share(month, 20),
        occurrence="anthropic invoice INV-88213",
        provider="anthropic",
        note="The invoice is higher than the ledger; asked the provider for its usage",
    )
    commands.propose(person("finn"), wanted)


def _share(month: str, of: int) -> int:
    """A part of insurance's month in whole cents, one at least."""
    return max(_CENT, _statement("insurance", month).spent_nano // of // _CENT * _CENT)


def _statement(tenant: str, month: str) -> Statement:
    return Statement.objects.filter(tenant=tenant, period=month).latest("pk")


def _days_on(moment: datetime, days: int, at: time) -> datetime:
    return datetime.combine(moment.date() + timedelta(days=days), at, tzinfo=moment.tzinfo)
