"""Cancel a call from the console or the API: the same SQL function that the hot path uses."""

from django.db import connection

from audit.log.entry import Entry, build
from controlplane.kernel.clock import system_clock
from controlplane.kernel.errors import Conflict
from controlplane.kernel.principal import Principal
from policies.order.ids import new_id
from routing.calls.access import require_cancel
from routing.calls.models import Call
from routing.calls.questions import CANCEL
from routing.calls.steps import Cancel

_ANSWERS = {
    "cancelled": "the call is cancelled",
    "asked": "its worker is asked to end it; that takes up to a second",
    "running": "its worker is asked to end it; that takes up to a second",
}


def cancel_for(principal: Principal, call: Call) -> str:
    """End a call, or ask its worker to. Answers what happened. Raises Forbidden, Conflict when it has ended."""
    require_cancel(principal, call)
    wanted = Cancel(
        call=call.id,
        void_entry=_entry(principal, call, "attempt.voided", {"no": 1, "reason": "cancelled"}),
        entry=_entry(principal, call, "call.cancelled", {"code": "cancelled"}),
    )
    with connection.cursor() as cursor:
        cursor.execute(
            CANCEL,
            [
                wanted.call,
                wanted.code,
                wanted.ask,
                wanted.void_entry.id,
                wanted.void_entry.body,
                wanted.entry.id,
                wanted.entry.body,
            ],
        )
        word = str(cursor.fetchone()[0])
    if word not in _ANSWERS:
        raise Conflict("the call had ended before")
    return _ANSWERS[word]


def _entry(principal: Principal, call: Call, kind: str, data: dict[str, object]) -> Entry:
    return build(
        kind,
        id=new_id(),
        at=system_clock(),
        actor=principal.actor,
        tenant=call.tenant,
        call=call.id,
        subject=call.route,
        data=data,
    )
