"""Set a legal hold on what people name: a user's id, a use case, a call. Whether it is there is asked here, in every app."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from audit.retention import access, commands
from audit.retention.commands import NewHold
from audit.retention.models import Hold
from audit.vault.keys import find_user
from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.ids import parse_call_name
from controlplane.kernel.principal import Principal
from policies.bundles.published import published
from routing.calls.models import Call
from routing.reports.content import store


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTarget:
    """What to hold, as a person says it: `name` is a use case's, or a user's id as callers send it, which is not kept."""

    kind: str
    tenant: str = ""
    name: str = ""
    call: UUID | None = None
    reason: str


def target_of(said: Mapping[str, str]) -> NewTarget:
    """What a form or a body says. Raises InvalidRequest for what is no call."""
    kind, tenant, name, reason = (said[key] for key in ("kind", "tenant", "name", "reason"))
    if kind != "call":
        return NewTarget(kind=kind, tenant=tenant, name=name, reason=reason)
    try:
        call = parse_call_name(name)
    except ValueError:
        raise InvalidRequest(f'"{name[:60]}" is no call') from None
    return NewTarget(kind="call", tenant=tenant, call=call, reason=reason)


def held(principal: Principal, target: NewTarget) -> Hold:
    """Set it. Raises Forbidden, NotFound where there is no such thing, InvalidRequest."""
    access.require_hold(principal, target.tenant)
    found, name = published(), target.name
    match target.kind:
        case "tenant":
            exists = found.exists("Tenant", "", target.tenant)
        case "use-case":
            exists = found.exists("UseCase", target.tenant, name)
        case "call":
            calls = Call.objects.filter(tenant=target.tenant)
            exists = target.call is not None and calls.filter(pk=target.call).exists()
        case "subject":
            key = find_user(store(), target.tenant, name) if name and target.tenant else ""
            exists, name = bool(key), key or "unknown"
        case _:
            exists = True
    wanted = NewHold(
        kind=target.kind, tenant=target.tenant, name=name, call=target.call, reason=target.reason
    )
    return commands.set_hold(principal, wanted, exists=exists)
