"""A member's row joined with the published RoleGrants: what that person may do right now."""

from collections.abc import Iterable

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import OuterRef, QuerySet
from django.db.models.functions import JSONObject

from controlplane.kernel.errors import Unauthenticated
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.bundles.published import Governed, Published
from policies.identity import credentials
from policies.identity.models import Membership, User

_KEY = "SELECT hash, tenant, team FROM policies_api_key WHERE id = %s AND key_stands(id, hash)"


def principal_for(user: User, found: Published) -> Principal:
    """The Principal of a member under a revision. A person without a grant may sign in and do nothing."""
    whole = user if hasattr(user, "teams") else with_teams(User.objects.filter(pk=user.pk)).get()
    known: list[dict[str, str]] = getattr(whole, "teams", [])
    return Principal(
        kind="member",
        id=user.email,
        name=user.name or user.email,
        roles=roles_of(user.email, found.of("RoleGrant")),
        teams=frozenset((team["tenant"], team["name"]) for team in known),
    )


def with_teams(users: QuerySet[User]) -> QuerySet[User]:
    """People with the teams they belong to now, each in the query that finds the person: `teams`."""
    joined = Membership.objects.filter(
        user=OuterRef("pk"), team__archived_at=None, tenant__archived_at=None
    )
    pair = JSONObject(tenant="tenant__slug", name="team__slug")
    return users.annotate(teams=ArraySubquery(joined.values_list(pair)))


def principal_of_key(presented: str) -> Principal:
    """The Principal of an API key: no role, its own team. Raises Unauthenticated, never saying why."""
    refused = Unauthenticated("this API key is unknown, expired or revoked; show one of your team")
    public = credentials.public_id(presented, credentials.KEY_PREFIX)
    if public is None:
        raise refused
    with connection.cursor() as cursor:
        cursor.execute(_KEY, [public])
        row = cursor.fetchone()
    kept = bytes(row[0]) if row else bytes(32)
    pepper = credentials.read_pepper(settings.MANDATE_KEYS_DIR)
    if not credentials.matches(pepper, presented, kept) or row is None:
        raise refused
    return Principal(
        kind="key", id=public, name=f"key {public}", teams=frozenset({(row[1], row[2])})
    )


def roles_of(email: str, grants: Iterable[Governed]) -> dict[str, frozenset[str]]:
    """The roles that the grants give to an address, by tenant."""
    roles: dict[str, frozenset[str]] = {}
    for grant in grants:
        if str(grant.spec.get("member", "")).lower() == email.lower():
            place = grant.tenant or ORGANISATION
            roles[place] = roles.get(place, frozenset()) | frozenset(grant.spec.get("roles", ()))
    return roles
