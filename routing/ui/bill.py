"""The price lines of a call, as its page shows them."""

from dataclasses import dataclass

from audit.ui.words import count
from controlplane.kernel.money import format_nano
from policies.ui.documents import document_url
from routing.reports.bill import Bill, BillLine, bills
from routing.reports.why import Why


@dataclass(frozen=True, slots=True)
class LineRow:
    """One line."""

    what: str
    tokens: str
    price: str
    amount: str


@dataclass(frozen=True, slots=True)
class BillRow:
    """One attempt's. `note` says where the lines are not what was booked."""

    no: int
    model: str
    url: str
    since: str
    revision: int
    rate: str
    lines: tuple[LineRow, ...]
    amount: str
    note: str
    served: str = ""
    """The service tier, where the provider named another than the ordinary one: `flex, × 0.5`, `priority, no price known`."""


def bill_rows(found: Why) -> list[BillRow]:
    """One for each attempt that has a bill."""
    return [_row(bill, found.currency) for bill in bills(found)]


def _row(bill: Bill, currency: str) -> BillRow:
    price = bill.price
    foreign = price.currency != currency
    return BillRow(
        no=bill.no,
        model=bill.model,
        url=document_url("Model", bill.model_tenant, bill.model),
        since=price.since,
        revision=bill.revision,
        rate=f"1 {price.currency} = {price.rate} {currency}" if foreign else "",
        lines=tuple(_line(line, price.currency, currency) for line in bill.lines),
        amount=_exact(bill.booked_nano, currency),
        note=_note(bill, currency),
        served=_served(bill),
    )


def _served(bill: Bill) -> str:
    if bill.factor:
        return f"{bill.service_tier}, × {bill.factor}"
    return f"{bill.service_tier}, no price known" if bill.unpriced else bill.service_tier


def _line(line: BillLine, priced: str, currency: str) -> LineRow:
    return LineRow(
        what=line.what,
        tokens=count(line.tokens),
        price=f"{line.per_million} {priced}",
        amount=_exact(line.nano, currency),
    )


def _note(bill: Bill, currency: str) -> str:
    if bill.explained:
        return ""
    how = f", by {bill.basis}" if bill.basis else ""
    return f"The lines come to {_exact(bill.nano, currency)}; booked was {_exact(bill.booked_nano, currency)}{how}."


def _exact(nano: int, currency: str) -> str:
    """To the last nano unit: what it is added up from is the point of the page."""
    return f"{format_nano(nano)} {currency}"
