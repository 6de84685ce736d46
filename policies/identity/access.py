"""Who may change people, keys and tokens. Every rule takes a Principal; commands ask here again."""

from controlplane.kernel.errors import Forbidden, NotFound
from controlplane.kernel.principal import ORGANISATION, Principal, require

TRY_ROLES = ("developer", "author", "admin")


def sees_tenant(principal: Principal, tenant: str) -> bool:
    """Whether the tenant exists at all for this principal."""
    return bool(
        principal.roles.get(ORGANISATION)
        or principal.roles.get(tenant)
        or any(place == tenant for place, _ in principal.teams)
    )


def require_keys(principal: Principal, tenant: str, team: str) -> None:
    """Keys: an admin, or a developer of that team. Raises NotFound for another tenant's team, else Forbidden."""
    if principal.holds("admin", tenant):
        return
    if not sees_tenant(principal, tenant):
        raise NotFound(f'there is no team "{tenant}/{team}"')
    if not (principal.holds("developer", tenant) and (tenant, team) in principal.teams):
        raise Forbidden(
            f'keys of "{tenant}/{team}" are made by its developers or an admin; {principal.name} is neither'
        )


def require_playground(principal: Principal) -> None:
    """Routes are tried by developers, authors and admins. Raises Forbidden."""
    if principal.tenants_with(*TRY_ROLES) == frozenset():
        raise Forbidden(
            f"routes are tried by developers, authors and admins; {principal.name} is none of them"
        )


def may_try(principal: Principal, tenant: str, team: str) -> bool:
    """Whether a member may call routes as this team from the console: the own team, in a role that tries routes."""
    own = principal.kind == "member" and (tenant, team) in principal.teams
    return own and any(principal.holds(role, tenant) for role in TRY_ROLES)


def require_console_key(principal: Principal, tenant: str, team: str) -> None:
    """Raises Forbidden unless the member may call routes as this team."""
    if not may_try(principal, tenant, team):
        raise Forbidden(
            f'calls of the team "{tenant}/{team}" are made by its own developers, authors and admins'
        )


def decides_for(principal: Principal, tenant: str) -> bool:
    """Whether decisions about any team of the tenant may be asked for: by its authors and admins."""
    return principal.holds("author", tenant) or principal.holds("admin", tenant)


def may_make_keys(principal: Principal, tenant: str, team: str) -> bool:
    """Whether `require_keys` would let one pass: what a page offers."""
    own = (tenant, team) in principal.teams and principal.holds("developer", tenant)
    return own or principal.holds("admin", tenant)


def require_key_maker(principal: Principal) -> None:
    """Whoever makes keys for any team at all. Raises Forbidden."""
    if principal.tenants_with("admin") == frozenset() and not key_teams(principal):
        raise Forbidden(
            f"keys are made by a team's developers or an admin; {principal.name} is neither"
        )


def key_tenants(principal: Principal) -> frozenset[str] | None:
    """The tenants all of whose keys one may read: as admin or auditor there; None for all."""
    return principal.tenants_with("admin", "auditor")


def key_teams(principal: Principal) -> frozenset[tuple[str, str]]:
    """The own teams whose keys one may read: as developer."""
    return frozenset(pair for pair in principal.teams if principal.holds("developer", pair[0]))


def may_members(principal: Principal) -> bool:
    """Whether `require_members` would let one pass."""
    return principal.holds("admin")


def may_archive(principal: Principal, tenant: str) -> bool:
    """Whether one may archive a team there; of the organisation (pass ORGANISATION): a tenant."""
    return principal.holds("admin", tenant)


def own_tenants(principal: Principal) -> frozenset[str] | None:
    """The tenants whose people one sees: where one holds a role or is in a team; None for all (a role in the organisation)."""
    if principal.roles.get(ORGANISATION):
        return None
    held = {tenant for tenant, roles in principal.roles.items() if roles}
    return frozenset(held | {tenant for tenant, _ in principal.teams})


def require_members(principal: Principal) -> None:
    """Members, memberships and passwords: an admin of the organisation. Raises Forbidden."""
    require(principal, "admin")


def require_self_or_members(principal: Principal, email: str) -> None:
    """A password and the sessions: the person's own, or by an admin of the organisation. Raises Forbidden."""
    if not (principal.kind == "member" and principal.id == email):
        require_members(principal)


def require_archive(principal: Principal, tenant: str) -> None:
    """Archiving a team: an admin there; a tenant: of the organisation (pass ORGANISATION). Raises Forbidden."""
    require(principal, "admin", tenant=tenant)


def may_end_token(principal: Principal, email: str) -> bool:
    """Whether one may revoke this person's token: the person, or an admin of the organisation."""
    return (principal.kind == "member" and principal.id == email) or principal.holds("admin")


def require_own(principal: Principal, email: str) -> None:
    """Personal tokens: the person, or whoever operates the installation. Raises Forbidden."""
    if principal.kind == "cli" or (principal.kind == "member" and principal.id == email):
        return
    raise Forbidden(f"a personal token is made by its owner; {principal.name} is not {email}")
