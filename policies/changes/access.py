"""Who may see, write, approve and end a change request. Every rule takes a Principal; commands ask here again."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import Q, QuerySet

from controlplane.kernel.errors import Forbidden, NotFound
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.bundles.read import Published
from policies.bundles.rules import glass_roles, may_help, roles_at
from policies.changes.models import ChangeRequest, Edit, Glass
from policies.changes.read import Standing, missing_words
from policies.changes.refusals import (
    ApprovalsMissing,
    ApprovedAlready,
    NoMember,
    NotForGlass,
    OrganisationNeedsTwo,
    OwnChange,
    OwnGlass,
    RoleMissing,
    RoleRemoved,
)


def visible(principal: Principal) -> "QuerySet[ChangeRequest]":
    """The change requests that exist for a principal: all, for who has a role in the organisation; else those of own tenants."""
    own = _tenants(principal)
    if own is None:
        return ChangeRequest.objects.all()
    return ChangeRequest.objects.filter(Q(tenant__in=sorted(own)))


def sees(principal: Principal, tenant: str) -> bool:
    """Whether the change requests of a tenant, or the organisation's own, are among those."""
    own = _tenants(principal)
    return own is None or tenant in own


def _tenants(principal: Principal) -> set[str] | None:
    if principal.kind == "key":
        return set()
    if principal.roles.get(ORGANISATION):
        return None
    # INVARIANT: the organisation's own change requests may be about any tenant, so they are for its people alone
    return {*principal.roles, *(tenant for tenant, _ in principal.teams)} - {ORGANISATION}


def get(principal: Principal, change: UUID) -> ChangeRequest:
    """One change request. Raises NotFound, also for one of another tenant."""
    row = visible(principal).filter(pk=change).first()
    if row is None:
        raise NotFound(f'there is no change request "{change}"')
    return row


def get_with_edits(principal: Principal, change: UUID) -> tuple[ChangeRequest, list[Edit]]:
    """The same with its edits by kind, tenant and name, in one query where there are any. Raises NotFound."""
    edits = Edit.objects.select_related("change").filter(
        change__in=visible(principal).filter(pk=change)
    )
    found = list(edits.order_by("kind", "tenant", "name"))
    return (found[0].change, found) if found else (get(principal, change), [])


def editable(principal: Principal, change: UUID) -> ChangeRequest:
    """One that this principal may write to. Raises NotFound, Forbidden."""
    row = get(principal, change)
    require_draft(principal, row.tenant)
    return row


def may_draft(principal: Principal, tenant: str) -> bool:
    """An author or admin there, or a developer in the own tenant."""
    if principal.kind == "key":
        return False
    if principal.holds("author", tenant) or principal.holds("admin", tenant):
        return True
    own = "developer" in principal.roles.get(tenant, ()) or any(
        place == tenant for place, _ in principal.teams
    )
    return tenant != ORGANISATION and own and principal.holds("developer", tenant)


def require_draft(principal: Principal, tenant: str) -> None:
    """Raises NotFound for a tenant that does not exist for this principal, else Forbidden."""
    if may_draft(principal, tenant):
        return
    known = principal.roles.get(ORGANISATION) or principal.roles.get(tenant)
    if tenant and not known and not any(place == tenant for place, _ in principal.teams):
        raise NotFound(f'there is no tenant "{tenant}"')
    place = f'of tenant "{tenant}"' if tenant else "of the organisation"
    raise Forbidden(
        f"a change request {place} is written by its authors, admins"
        f"{' or developers' if tenant else ''}; {principal.name} is none of them"
    )


def drafts_somewhere(principal: Principal) -> bool:
    """Whether there is any place in which this principal may write a change request."""
    places = {*principal.roles, *(tenant for tenant, _ in principal.teams)}
    return any(may_draft(principal, place) for place in places)


def may_withdraw(principal: Principal, change: ChangeRequest) -> bool:
    """Who wrote it, or an admin there."""
    return principal.actor == change.author or principal.holds("admin", change.tenant)


def require_withdraw(principal: Principal, change: ChangeRequest) -> None:
    """Raises Forbidden."""
    if not may_withdraw(principal, change):
        raise Forbidden("a change request is withdrawn by who wrote it, or by an admin")


def approves(principal: Principal, role: str, tenant: str) -> bool:
    """Whether a role that something needs is held there."""
    return principal.kind == "member" and principal.holds(role, tenant)


def approves_somewhere(principal: Principal, roles: Collection[str]) -> bool:
    """Whether one of these roles is held in any place."""
    return principal.kind == "member" and principal.tenants_with(*roles) != frozenset()


def wrote(principal: Principal, found: Standing) -> bool:
    """Whether this principal wrote or last edited it, where that is in the way: the one place that says so."""
    return not found.alone and principal.actor in found.writers


def refused_approval(
    principal: Principal, found: Standing, roles: Collection[str]
) -> Forbidden | None:
    """Why this principal may not approve; None when it may."""
    if not found.alone and principal.kind != "member":
        return NoMember("in four-eyes mode a member approves, not an account on the machine")
    if not may_help(found.needs, roles):
        return RoleMissing(
            f"this is approved by the role {_wanted(found)}; {principal.name} does not hold it here"
        )
    if wrote(principal, found):
        return OwnChange("you wrote or last edited this; another person approves it")
    if any(approval.actor == principal.actor for approval in found.given):
        return ApprovedAlready("you have approved this already")
    return None


def refusal(principal: Principal, found: Standing, roles: Collection[str]) -> str:
    """The same in words; nothing when it may."""
    refused = refused_approval(principal, found, roles)
    return refused.message if refused else ""


def require_approve(principal: Principal, found: Standing, roles: Collection[str]) -> None:
    """Who holds a role that something needs, and (in four-eyes) neither wrote nor last edited it. Raises Forbidden."""
    refused = refused_approval(principal, found, roles)
    if refused:
        raise refused


def refuse_missing(found: Standing) -> None:
    """Raises ApprovalsMissing while somebody is."""
    if found.missing:
        two = any(need.kind == "Organisation" for need in found.missing)
        kind = OrganisationNeedsTwo if two else ApprovalsMissing
        raise kind(f"this still needs {missing_words(found.missing)}")


def refuse_lost(principal: Principal, found: Standing, roles: Collection[str]) -> None:
    """The approval being given, asked again under the lock. Raises RoleRemoved, or OwnChange, where it counts no more."""
    if may_help(found.needs, roles) and any(g.actor == principal.actor for g in found.given):
        return
    if wrote(principal, found):
        raise OwnChange("you wrote or last edited this; another person approves it")
    raise RoleRemoved(
        f"{principal.name} held the role that this needs when the request began, and does not hold it any more"
    )


def has_part(
    principal: Principal, change: ChangeRequest, found: Standing, roles: Collection[str]
) -> bool:
    """Whether one could write or approve it."""
    return may_draft(principal, change.tenant) or may_help(found.needs, roles)


def require_part(
    principal: Principal, change: ChangeRequest, found: Standing, roles: Collection[str]
) -> None:
    """Who could write or approve it. Raises Forbidden."""
    if not has_part(principal, change, found, roles):
        raise Forbidden(f"{principal.name} may neither write nor approve this change request")


def refused_glass(principal: Principal, base: Published, tenant: str) -> str:
    """Why this principal may not publish alone in an emergency; nothing when the base bundle lets it."""
    wanted = glass_roles(base.documents)
    if principal.kind != "member":
        return "in an emergency a member publishes alone, not an account on the machine"
    if not wanted & roles_at(base.documents, principal.id, tenant):
        who = f"the role {' or '.join(sorted(wanted))}" if wanted else "nobody"
        return f"publishing alone in an emergency is for {who}; {principal.name} may not do it here"
    return ""


def require_glass(principal: Principal, base: Published, tenant: str) -> frozenset[str]:
    """The roles by which one may publish alone. Raises NotForGlass."""
    why = refused_glass(principal, base, tenant)
    if why:
        raise NotForGlass(why)
    return glass_roles(base.documents) & roles_at(base.documents, principal.id, tenant)


def require_tightening(reasons: Collection[str]) -> None:
    """Raises NotForGlass, naming what does not only tighten."""
    if reasons:
        raise NotForGlass(f"one person alone may only tighten: {'; '.join(reasons)}")


def refused_review(
    principal: Principal, glass: Glass, found: Standing, roles: Collection[str]
) -> Forbidden | None:
    """Why this principal may not review what another published alone; None when it may."""
    if principal.kind != "member":
        return NoMember("a member reviews this, not an account on the machine")
    if principal.actor == glass.actor:
        return OwnGlass("you published this alone; another person reviews it")
    # not by `wrote`: who published alone is looked at by another, whatever the mode is by then
    if principal.actor in found.writers:
        return OwnChange("you wrote or last edited this; another person reviews it")
    if not may_help(found.needs, roles):
        return RoleMissing(
            f"this is reviewed by the role {_wanted(found)}; {principal.name} does not hold it here"
        )
    return None


def require_glass_review(
    principal: Principal, glass: Glass, found: Standing, roles: Collection[str]
) -> None:
    """Raises OwnGlass, OwnChange, RoleMissing."""
    refused = refused_review(principal, glass, found, roles)
    if refused:
        raise refused


def require_named_author(change: ChangeRequest, found: Standing) -> None:
    """What is approved from a shell says who wrote it. Raises Forbidden in four-eyes otherwise."""
    # INVARIANT: one person at one shell is never two
    if change.author.startswith("cli:") and not found.alone:
        raise Forbidden(
            f"{change.author} wrote this without saying for whom, so it is not approved from a shell: approve it in the "
            "console, or hand it in again with --as"
        )


def _wanted(found: Standing) -> str:
    """The roles that any of the needs asks for."""
    return " or ".join(sorted({role for need in found.needs if need.count for role in need.roles}))
