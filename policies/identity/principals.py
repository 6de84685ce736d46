"""A member as a Principal: the person's row joined with the role grants of a bundle. Called by `controlplane/middleware.py` alone."""

from collections import defaultdict

from controlplane.kernel.principal import Principal
from policies.engine.bundle import Bundle
from policies.identity.models import Membership, User


def principal_of(user: User, bundle: Bundle) -> Principal:
    """What the person may do under this bundle. Somebody who is no member any more holds nothing and belongs nowhere."""
    roles: defaultdict[str, set[str]] = defaultdict(set)
    teams: frozenset[tuple[str, str]] = frozenset()
    if user.is_active:
        for grant in bundle.grants:
            if grant.spec["member"].lower() == user.email:
                roles[grant.tenant].update(grant.spec["roles"])
        teams = frozenset(
            Membership.objects.filter(
                user=user, team__archived_at=None, tenant__archived_at=None
            ).values_list("tenant__slug", "team__slug")
        )
    return Principal(
        kind="member",
        id=user.email,
        name=user.name or user.email,
        roles={tenant: frozenset(held) for tenant, held in roles.items()},
        teams=teams,
    )
