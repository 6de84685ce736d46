"""Who may look a data subject up, and take along what is known of one."""

from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.principal import Principal, require

LOOKERS = ("admin", "auditor")


def require_look(principal: Principal, tenant: str) -> None:
    """See which calls a person's id touches: an admin or auditor of the tenant. Raises Forbidden."""
    require(principal, *LOOKERS, tenant=tenant)


def require_export(principal: Principal, tenant: str, reason: str) -> None:
    """Take content along: an auditor of the tenant, with a reason. Raises Forbidden, InvalidRequest."""
    require(principal, "auditor", tenant=tenant)
    if not reason.strip():
        raise InvalidRequest("say why you take it along: the reason stands in the log")
