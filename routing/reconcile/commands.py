"""Bring in what a provider counted or billed: compared with the ledger as it stands, kept as it was compared, with its entry.

An import settles the unknown attempts that the file names, and changes no other figure of the ledger. What finance takes from it
is an adjustment, which another of finance decides on; or, by one click, what is left of a day for its unknown attempts.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from psycopg.errors import UniqueViolation

from audit.log.append import append
from audit.log.entry import build
from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.money import MAX_NANO, format_nano
from controlplane.kernel.principal import Principal
from policies.bundles.published import published
from policies.bundles.snapshot import bundle_at
from policies.engine.bundle import Bundle
from policies.engine.pricing import rate_on
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.closing.commands import propose_adjustments
from routing.ledger.access import require_settle
from routing.ledger.commands import MOST_REASON
from routing.reconcile import access, settling
from routing.reconcile.classing import Compared, compare, nano_of, sums, written
from routing.reconcile.figures import Account, ours
from routing.reconcile.models import Invoice
from routing.reconcile.proposing import proposals
from routing.reconcile.read import one_invoice as read_one
from routing.reconcile.reading import Billed, read

MOST_LINES: Final = 5_000
LONGEST_DAYS: Final = 400
_AGAIN: Final = "this file was imported before; what came out then is kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of a provider's account; `tenant` is whose provider it is, "" the organisation's. `name` is what it is called."""

    tenant: str
    provider: str
    form: str
    name: str
    data: bytes


def import_invoice(principal: Principal, file: File) -> Invoice:
    """Compare it with the ledger and keep what came out.

    Raises Forbidden, NotFound, InvalidRequest with the place of what is wrong: nothing is kept then. Conflict for the same again.
    """
    access.require_import(principal, file.tenant)
    found = published()
    account = Account.find(found, file.tenant, file.provider)
    if account is None:
        raise NotFound(f'there is no provider "{file.provider[:80]}"')
    lines = read(file.data, file.form)
    first, last = min(line.day for line in lines), max(line.day for line in lines)
    if (last - first).days > LONGEST_DAYS:
        raise InvalidRequest(f"a file is about at most {LONGEST_DAYS} days")
    if last > mandate_now().astimezone(UTC).date():
        raise InvalidRequest(f"{last} is yet to come; a file is about days that have begun, in UTC")
    bundle = bundle_at(found.revision)
    billed = [(_named(line, account), _nano(bundle, line)) for line in lines]

    def beside() -> list[Compared]:
        own = ours(account, first, last)
        found = compare(billed, own, lambda day, model: account.price(bundle, day, model))
        return _possible(found)

    compared = beside()
    _require_new(file)
    if settling.settle(
        principal, settling.named(account, billed, f"{_title(file.name)}, by request")
    ):
        compared = beside()
    row = Invoice(
        id=new_id(),
        entry=new_id(),
        imported_at=mandate_now(),
        first=first,
        last=last,
        billed_nano=sum(line.billed_nano for line in compared),
        ledger_nano=sum(line.ledger_nano for line in compared),
        tenant=file.tenant,
        provider=file.provider,
        form=file.form,
        name=_title(file.name),
        digest=_digest(file),
        imported_by=principal.actor,
        lines=[written(line) for line in compared],
    )
    _keep(row, compared)
    return row


def settle_explained(principal: Principal, invoice: UUID, day: date, model: str) -> int:
    """Settle the unknown attempts of a day and model at what the file leaves for them; how many.

    Raises Forbidden, NotFound, and Conflict where it leaves nothing that is exact, by now.
    """
    row, account, bundle = _opened(principal, invoice)
    found = next(
        (e for e in settling.explained(row, account, bundle) if (e.day, e.model) == (day, model)),
        None,
    )
    if found is None:
        raise Conflict(
            "what this file says does not exactly explain an unknown attempt of that day"
        )
    for attempt in found.attempts:
        require_settle(principal, attempt.call)
    reason = f"{row.name}: what is left of {day.isoformat()} for {model}"[:MOST_REASON]
    return settling.settle(principal, settling.resolutions(found, reason))


def propose_differences(principal: Principal, invoice: UUID) -> int:
    """Propose another price, lost usage and credits as adjustments, for another of finance to decide on; how many were new.

    Raises Forbidden, NotFound, Conflict where the provider is no more. What was proposed before, also from another import or by
    a job, is not proposed again.
    """
    row, account, bundle = _opened(principal, invoice)
    found = list(proposals(row, account, bundle))
    return propose_adjustments(found, actor=principal.actor)


def _opened(principal: Principal, invoice: UUID) -> tuple[Invoice, Account, Bundle]:
    """An import to act on. Raises Forbidden, NotFound, Conflict."""
    row = read_one(access.invoices(principal), invoice)
    access.require_import(principal, row.tenant)
    found = published()
    account = Account.find(found, row.tenant, row.provider)
    if account is None:
        raise Conflict(f'the provider "{row.provider}" is no more; propose an adjustment by hand')
    return row, account, bundle_at(found.revision)


def _possible(compared: list[Compared]) -> list[Compared]:
    """Raises InvalidRequest for more than can be kept."""
    if len(compared) > MOST_LINES:
        raise InvalidRequest(f"that is more than {MOST_LINES} days and models; import fewer days")
    if sum(abs(line.billed_nano) for line in compared) > MAX_NANO:
        raise InvalidRequest("that is more money than there can be")
    return compared


def _digest(file: File) -> str:
    return hashlib.sha256(file.data).hexdigest()


def _require_new(file: File) -> None:
    """Raises Conflict before anything is settled; the table's own constraint says so again."""
    known = Invoice.objects.filter(tenant=file.tenant, provider=file.provider, digest=_digest(file))
    if known.exists():
        raise Conflict(_AGAIN)


def _named(line: Billed, account: Account) -> Billed:
    name = account.named(line.model)
    return replace(line, model=name)


def _nano(bundle: Bundle, line: Billed) -> int | None:
    if line.amount is None:
        return None
    rate = rate_on(bundle, line.currency, line.day.isoformat())
    if rate is None:
        day = line.day.isoformat()
        raise InvalidRequest(f"{line.at}: there is no exchange rate for {line.currency} on {day}")
    return nano_of(line.amount, rate)


def _title(name: str) -> str:
    shown = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    return shown[:200] or "a file"


def _keep(row: Invoice, compared: Sequence[Compared]) -> None:
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            append(
                build(
                    "invoice.imported",
                    id=row.entry,
                    at=row.imported_at,
                    actor=row.imported_by,
                    tenant=row.tenant,
                    subject=f"provider:{row.provider}",
                    data={
                        "provider": row.provider,
                        "form": row.form,
                        "digest": row.digest,
                        "first": row.first.isoformat(),
                        "last": row.last.isoformat(),
                        "billed": format_nano(row.billed_nano),
                        "ledger": format_nano(row.ledger_nano),
                        "classes": {
                            name: format_nano(nano) for name, nano in sums(compared).items()
                        },
                    },
                )
            )
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        raise Conflict(_AGAIN) from None
