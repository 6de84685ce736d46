"""Members as others see them: the row joined with the published RoleGrants and the teams, narrowed to one's own tenants."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import Q, QuerySet

from controlplane.kernel.errors import NotFound
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.bundles.published import Governed, Published
from policies.identity import access
from policies.identity.models import Membership, User


@dataclass(frozen=True, slots=True)
class Grant:
    """Roles that one RoleGrant document gives; `tenant` "" is the whole organisation."""

    tenant: str
    document: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """A member, with what of their roles and teams the asker may know."""

    user: User
    grants: tuple[Grant, ...] = ()
    teams: tuple[tuple[str, str], ...] = field(default=())

    @property
    def active(self) -> bool:
        """Whether the person may sign in."""
        return self.user.is_active


def visible(principal: Principal, found: Published) -> QuerySet[User]:
    """Oneself, and everybody with a role or a team in one's own tenants; with a role in the organisation: everybody."""
    own = access.own_tenants(principal)
    if own is None:
        return User.objects.all()
    granted = {_email(grant) for grant in found.of("RoleGrant") if grant.tenant in own}
    return User.objects.filter(
        Q(email=principal.id) | Q(email__in=granted) | Q(memberships__tenant__slug__in=own)
    ).distinct()


def people(principal: Principal, found: Published, users: Iterable[User]) -> list[Person]:
    """The members of a page, in its order; two queries."""
    rows = list(users)
    own = access.own_tenants(principal)
    grants: dict[str, list[Grant]] = {}
    for grant in found.of("RoleGrant"):
        roles = tuple(str(role) for role in grant.spec.get("roles", ()))
        grants.setdefault(_email(grant), []).append(Grant(grant.tenant, grant.name, roles))
    teams: dict[object, list[tuple[str, str]]] = {}
    joined = Membership.objects.filter(user__in=rows).order_by("tenant__slug", "team__slug")
    for user, tenant, team in joined.values_list("user_id", "tenant__slug", "team__slug"):
        teams.setdefault(user, []).append((tenant, team))
    return [
        Person(
            row,
            tuple(g for g in grants.get(row.email, ()) if _shown(principal, own, row, g.tenant)),
            tuple(t for t in teams.get(row.pk, ()) if _shown(principal, own, row, t[0])),
        )
        for row in rows
    ]


def person(principal: Principal, found: Published, email: str) -> Person:
    """One member by address. Raises NotFound, also for whom one may not see."""
    users = list(visible(principal, found).filter(email=email.strip().lower())[:1])
    if not users:
        raise NotFound(f'there is no member "{email[:100]}"')
    return people(principal, found, users)[0]


def routes_of(found: Published, tenant: str) -> tuple[Governed, ...]:
    """The routes that keys of a tenant may call: its own and the organisation's, by name."""
    named: dict[str, Governed] = {}
    for place in (ORGANISATION, tenant):
        named |= {route.name: route for route in found.of("Route") if route.tenant == place}
    return tuple(named[name] for name in sorted(named))


def _shown(principal: Principal, own: frozenset[str] | None, row: User, tenant: str) -> bool:
    return own is None or tenant in own or row.email == principal.id


def _email(grant: Governed) -> str:
    return str(grant.spec.get("member", "")).lower()
