"""What was imported, for pages, API and command line."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db.models import QuerySet

from controlplane.kernel.errors import NotFound
from policies.engine.pricing import UsageCounts
from routing.reconcile.classing import CLASSES, CREDITED, TAXED, Theirs
from routing.reconcile.models import Invoice


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One day and model. Tokens are input, cached, written and output; None where the file does not say them.

    `billed_tiers` are those of other service tiers than the ordinary one, `tiers` those that another price has to do with.
    """

    day: date
    model: str
    billed_nano: int
    ledger_nano: int
    attempts: int
    billed_tokens: tuple[int, ...] | None
    ledger_tokens: tuple[int, ...]
    classes: tuple[tuple[str, int], ...]
    billed_tiers: Mapping[str, tuple[int, ...]] | None = None
    tiers: tuple[str, ...] = ()

    @property
    def theirs(self) -> Theirs | None:
        """As it was compared."""
        if self.billed_tokens is None:
            return None
        said = self.billed_tiers
        tiers = None if said is None else {n: UsageCounts(*used) for n, used in said.items()}
        return Theirs(UsageCounts(*self.billed_tokens), tiers)

    @property
    def difference_nano(self) -> int:
        """What was billed above the ledger; below zero for less."""
        return self.billed_nano - self.ledger_nano

    @property
    def usage_nano(self) -> int:
        """What was billed for usage: without credits and taxes."""
        beside = dict(self.classes)
        return self.billed_nano - beside.get(CREDITED, 0) - beside.get(TAXED, 0)


def one_invoice(rows: "QuerySet[Invoice]", identity: UUID) -> Invoice:
    """One of these. Raises NotFound."""
    found = rows.filter(pk=identity).first()
    if found is None:
        raise NotFound(f'there is no invoice "{identity}"')
    return found


def lines(row: Invoice) -> Iterator[InvoiceLine]:
    """Its lines as they were compared, by day and model."""
    for line in row.lines:
        # what was imported before service tiers were compared says nothing of them
        billed, at_tiers = line["billedTokens"], line.get("billedTiers")
        yield InvoiceLine(
            day=date.fromisoformat(line["day"]),
            model=line["model"],
            billed_nano=line["billed"],
            ledger_nano=line["ledger"],
            attempts=line["attempts"],
            billed_tokens=None if billed is None else tuple(billed),
            ledger_tokens=tuple(line["ledgerTokens"]),
            classes=tuple(
                (name, line["classes"][name]) for name in CLASSES if name in line["classes"]
            ),
            billed_tiers=None
            if at_tiers is None
            else {name: tuple(used) for name, used in at_tiers.items()},
            tiers=tuple(line.get("tiers", ())),
        )


def sums(row: Invoice) -> dict[str, int]:
    """What each class comes to."""
    found: Counter[str] = Counter()
    for line in lines(row):
        found.update(dict(line.classes))
    return {name: found[name] for name in CLASSES if found[name]}
