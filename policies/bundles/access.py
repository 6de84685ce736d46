"""Which documents a principal may read: the organisation's, and those of one's own tenants."""

from collections.abc import Iterator

from controlplane.kernel.errors import Forbidden, NotFound
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.bundles.published import Governed, Published
from policies.documents.document import Identity


def sees(principal: Principal, document: Governed) -> bool:
    """Whether the document exists for this principal. A Tenant and what is inside it are for its own people."""
    if principal.roles.get(ORGANISATION):
        return True
    own = {*principal.roles, *(tenant for tenant, _ in principal.teams)} - {ORGANISATION}
    if document.kind == "Tenant":
        return document.name in own
    if document.tenant:
        return document.tenant in own
    if document.kind == "RoleGrant":
        return False
    # a budget's scope, or the call that a PolicyTest supposes
    about = document.spec.get("scope") or document.spec.get("given")
    named = about.get("tenant") if isinstance(about, dict) else None
    return named is None or named in own


def documents(principal: Principal, found: Published) -> Iterator[Governed]:
    """The documents of a revision that this principal may read."""
    return (document for document in found.documents if sees(principal, document))


def may_keep(principal: Principal, tenant: str) -> bool:
    """Who says whether Git or the console keeps a document: authors and admins there."""
    return principal.holds("author", tenant) or principal.holds("admin", tenant)


def require_keep(principal: Principal, identity: Identity) -> None:
    """Raises NotFound for a document of another tenant, else Forbidden."""
    _, tenant, name = identity
    known = principal.roles.get(ORGANISATION) or not tenant or principal.roles.get(tenant)
    if not known and not any(place == tenant for place, _ in principal.teams):
        raise NotFound(f'there is no document "{name}"')
    if not may_keep(principal, tenant):
        raise Forbidden(
            f"an author or admin says who keeps a document; {principal.name} is neither here"
        )


def document(principal: Principal, found: Published, kind: str, tenant: str, name: str) -> Governed:
    """One document by its exact identity. Raises NotFound, also for one of another tenant."""
    for one in found.of(kind):
        if (one.tenant, one.name) == (tenant, name) and sees(principal, one):
            return one
    raise NotFound(f'there is no {kind} "{f"{tenant}/{name}" if tenant else name}"')
