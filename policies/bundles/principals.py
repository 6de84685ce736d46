"""A member's row joined with the published RoleGrants: what that person may do right now."""

from collections.abc import Iterable

from controlplane.kernel.principal import ORGANISATION, Principal
from policies.bundles.published import Governed, Published
from policies.identity.models import Membership, User


def principal_for(user: User, found: Published) -> Principal:
    """The Principal of a member under a revision. A person without a grant may sign in and do nothing."""
    return Principal(
        kind="member",
        id=user.email,
        name=user.name or user.email,
        roles=roles_of(user.email, found.of("RoleGrant")),
        teams=frozenset(
            Membership.objects.filter(
                user=user, team__archived_at=None, tenant__archived_at=None
            ).values_list("tenant__slug", "team__slug")
        ),
    )


def roles_of(email: str, grants: Iterable[Governed]) -> dict[str, frozenset[str]]:
    """The roles that the grants give to an address, by tenant."""
    roles: dict[str, frozenset[str]] = {}
    for grant in grants:
        if str(grant.spec.get("member", "")).lower() == email.lower():
            place = grant.tenant or ORGANISATION
            roles[place] = roles.get(place, frozenset()) | frozenset(grant.spec.get("roles", ()))
    return roles
