"""What a tenant's closing of months has: a statement that was prepared, adjustments that wait, and somebody else's export."""

import hashlib
import secrets
from collections.abc import Callable

from controlplane.kernel.principal import Principal
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.closing.adjusting import Proposal
from routing.closing.commands import propose_adjustments
from routing.closing.models import Adjustment, Statement
from routing.exports import commands as exports
from routing.exports.asks import Ask
from routing.reconcile.models import Invoice

_BODY = (
    b'{"accrued":[],"adjustments":[],"budgets":[],"currency":"EUR","cutOff":"2026-11-02T08:00:00.000Z","lines":[],'
    b'"log":{"size":0},"open":[],"policy":{"revision":1},"starts":"2026-09-30T22:00:00.000Z","timeZone":"Europe/Berlin",'
    b'"totals":{"attempts":0,"calls":0,"denied":0},"until":"2026-10-31T23:00:00.000Z"}'
)


def makers(tess: Principal, tenant: str) -> dict[str, Callable[[], str]]:
    """{statement}, {invoice} and {export} stay; {adjustment} is made anew, {fresh} is a reference that nobody used."""

    def adjustment() -> str:
        wanted = Proposal(
            tenant=tenant,
            corrects="2026-10",
            kind="credit",
            amount_nano=-1,
            occurrence=f"credit:{secrets.token_hex(6)}",
        )
        propose_adjustments([wanted], actor="job:prices")
        return str(Adjustment.objects.get(tenant=tenant, occurrence=wanted.occurrence).pk)

    row = Statement(
        id=new_id(),
        cut_off_at=mandate_now(),
        spent_nano=0,
        accrued_nano=0,
        adjusted_nano=0,
        tenant=tenant,
        period="2026-10",
        digest=hashlib.sha256(_BODY).hexdigest(),
        prepared_by="member:x@acme.example",
        entry=new_id(),
        body=_BODY,
    )
    row.save(force_insert=True)
    invoice = Invoice(
        id=new_id(),
        entry=new_id(),
        imported_at=mandate_now(),
        first="2026-10-01",
        last="2026-10-31",
        billed_nano=2,
        ledger_nano=1,
        tenant=tenant,
        provider="vendor",
        form="csv",
        name="october.csv",
        digest=secrets.token_hex(32),
        imported_by="member:x@acme.example",
        lines=[],
    )
    invoice.save(force_insert=True)
    asked = exports.begin(tess, Ask(what="calls", tenant=tenant, first="2026-11"))
    return {
        "statement": lambda: str(row.pk),
        "invoice": lambda: str(invoice.pk),
        "export": lambda: str(asked.pk),
        "adjustment": adjustment,
        "fresh": lambda: secrets.token_hex(6),
    }
