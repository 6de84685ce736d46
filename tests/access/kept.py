"""Legal holds, erasures and a data subject of the tenant: those that are used up are made anew."""

import secrets
from collections.abc import Callable
from uuid import UUID

from audit.retention.commands import (
    NewErasure,
    NewHold,
    ask_erasure,
    confirm_erasure,
    set_hold,
)
from audit.retention.models import Hold
from audit.vault.keys import commit_user, subject_of_team, subject_of_user
from controlplane.kernel.principal import Principal
from routing.reports.content import store


def makers(tess: Principal, tenant: str, call: UUID) -> dict[str, Callable[[], str]]:
    """`hold` on one call, `forgotten` a team whose content can be erased, `erasure` one that waits; "ann" was erased."""

    def forgotten() -> str:
        team = f"gone-{secrets.token_hex(4)}"
        store().get_or_create(subject_of_team(tenant, team))
        return team

    def asked(kind: str, key: str) -> UUID:
        wanted = NewErasure(kind=kind, tenant=tenant, key=key, basis="a request")
        return ask_erasure(tess, wanted, store()).id

    def hold() -> str:
        found = Hold.objects.filter(lifted_at=None, lift_asked_by="", call=call).first()
        if found is None:
            wanted = NewHold(kind="call", tenant=tenant, call=call, reason="an inquiry")
            found = set_hold(tess, wanted, exists=True)
        return str(found.pk)

    ann = subject_of_user(tenant, commit_user(store(), tenant, "ann"))
    store().get_or_create(ann)
    confirm_erasure(tess, asked("user", ann), store(), single_operator=True)
    return {
        "hold": hold,
        "forgotten": forgotten,
        "erasure": lambda: str(asked("team", subject_of_team(tenant, forgotten()))),
    }
