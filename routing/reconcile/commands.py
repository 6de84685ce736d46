"""Bring in what a provider counted or billed: compared with the ledger as it stands, kept as it was compared, with its entry.

The import changes no figure of the ledger. What finance takes from it is an adjustment, which another of finance decides on.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db import IntegrityError, transaction
from psycopg.errors import UniqueViolation

from audit.log.append import append
from audit.log.entry import build
from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.money import MAX_NANO, format_nano
from controlplane.kernel.principal import Principal
from policies.bundles.published import Governed, Published, published
from policies.bundles.snapshot import bundle_at
from policies.engine.bundle import Bundle
from policies.engine.pricing import rate_on
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.reconcile import access
from routing.reconcile.classing import Compared, compare, nano_of, sums, written
from routing.reconcile.figures import Account, ours
from routing.reconcile.models import Invoice
from routing.reconcile.reading import Billed, read

MOST_LINES: Final = 5_000
LONGEST_DAYS: Final = 400


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
    provider = _provider(found, file)
    lines = read(file.data, file.form)
    first, last = min(line.day for line in lines), max(line.day for line in lines)
    if (last - first).days > LONGEST_DAYS:
        raise InvalidRequest(f"a file is about at most {LONGEST_DAYS} days")
    bundle, account = bundle_at(found.revision), Account.of(found, provider)
    compared = compare(
        [(_named(line, account), _nano(bundle, line)) for line in lines],
        ours(account, first, last),
        lambda day, model: account.price(bundle, day, model),
    )
    if len(compared) > MOST_LINES:
        raise InvalidRequest(f"that is more than {MOST_LINES} days and models; import fewer days")
    if sum(abs(line.billed_nano) for line in compared) > MAX_NANO:
        raise InvalidRequest("that is more money than there can be")
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
        digest=hashlib.sha256(file.data).hexdigest(),
        imported_by=principal.actor,
        lines=[written(line) for line in compared],
    )
    _keep(row, compared)
    return row


def _provider(found: Published, file: File) -> Governed:
    for one in found.of("Provider"):
        if (one.tenant, one.name) == (file.tenant, file.provider):
            return one
    raise NotFound(f'there is no provider "{file.provider[:80]}"')


def _named(line: Billed, account: Account) -> Billed:
    name = account.named(line.model)
    return Billed(line.day, name, line.kind, line.usage, line.amount, line.currency, line.at)


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
        raise Conflict("this file was imported before; what came out then is kept") from None
