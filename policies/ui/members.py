"""The pages of members: who is here with which roles and teams, invitations, one member."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.ui.filters import PAGE_ROWS
from audit.ui.request import principal_of
from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.principal import Principal
from policies.bundles import access as documents
from policies.bundles.people import Person, people, person, visible
from policies.bundles.published import Published, moment, published
from policies.identity import access, invitations, members, read
from policies.identity.invitations import Guest
from policies.identity.mail import mail_invitation
from policies.identity.models import Team
from policies.ui.documents import document_url
from policies.ui.people import person as called
from policies.ui.people import sentence


@dataclass(frozen=True, slots=True)
class GrantRow:
    """The roles of one RoleGrant, with its document where the reader may open it."""

    place: str
    roles: str
    url: str


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One member as the pages show it."""

    email: str
    name: str
    active: bool
    grants: tuple[GrantRow, ...]
    teams: tuple[str, ...]
    found: Person


@require_http_methods(["GET", "HEAD", "POST"])
def all_members(request: HttpRequest) -> HttpResponse:
    """`/members/`: the list; POST invites, and shows the link this once."""
    principal, found = principal_of(request), published()
    told: dict[str, object] = {}
    if request.method == "POST":
        told = _invite(request, principal, found)
    rows = visible(principal, found)
    query = request.GET.get("q", "").replace("\0", "").strip()[:100]
    if query:
        rows = rows.filter(email__icontains=query) | rows.filter(name__icontains=query)
    after = request.GET.get("after", "").replace("\0", "")
    page = list(rows.filter(email__gt=after).order_by("email")[: PAGE_ROWS + 1])
    may = access.may_members(principal)
    context = {
        "rows": [_row(principal, p, found) for p in people(principal, found, page[:PAGE_ROWS])],
        "after": page[PAGE_ROWS - 1].email if len(page) > PAGE_ROWS else "",
        "query": query,
        "may_invite": may,
        "teams": _teams() if may else [],
        "invitations": _invitations(principal) if may else [],
        **told,
    }
    status = 422 if "error" in told else 200
    return render(request, "policies/members.html", context, status=status)


@require_safe
def one_member(request: HttpRequest, email: str) -> HttpResponse:
    """`/members/<address>/`."""
    principal, found = principal_of(request), published()
    shown = person(principal, found, email)
    may = access.may_members(principal)
    joined = set(shown.teams)
    context = {
        "row": _row(principal, shown, found),
        "may_change": may,
        "oneself": principal.id == shown.user.email,
        "teams": [pair for pair in _teams() if pair not in joined] if may else [],
        "grant_yaml": _grant_yaml(shown),
    }
    return render(request, "policies/member.html", context)


@require_POST
def change_member(request: HttpRequest, email: str, what: str) -> HttpResponse:
    """`/members/<address>/<join|leave|deactivate|restore|sign-out>/`."""
    principal = principal_of(request)
    changes = {
        "join": _join,
        "leave": _leave,
        "deactivate": _deactivate,
        "restore": _restore,
        "sign-out": _sign_out,
    }
    if what not in changes:
        raise NotFound("there is no such page")
    shown = person(principal, published(), email)
    access.require_members(principal)
    try:
        messages.success(request, changes[what](principal, shown, request.POST))
    except (Conflict, InvalidRequest) as error:
        messages.error(request, sentence(error.message))
    return redirect("member", shown.user.email)


@require_POST
def withdraw(request: HttpRequest, invitation: str) -> HttpResponse:
    """`/members/invitations/<id>/withdraw/`."""
    try:
        invitations.withdraw_invitation(principal_of(request), invitation)
    except Conflict as error:
        messages.error(request, sentence(error.message))
    else:
        messages.success(request, "The invitation is withdrawn; its link opens nothing.")
    return redirect("members")


def _invite(request: HttpRequest, principal: Principal, found: Published) -> dict[str, object]:
    """Invite whom the form names; what the page then tells."""
    access.require_members(principal)
    email, name = request.POST.get("email", ""), request.POST.get("name", "")
    tenant, slash, team = request.POST.get("team", "").partition("/")
    guest = Guest(email=email, name=name, teams=((tenant, team),) if slash else ())
    try:
        made = invitations.invite(principal, guest)
    except (Conflict, InvalidRequest) as error:
        return {"error": sentence(error.message), "email": email, "name": name}
    link = request.build_absolute_uri(f"/join/{made.shown}/")
    organisation = found.organisation_name
    mailed = mail_invitation(email.strip(), link, inviter=principal.name, organisation=organisation)
    return {"link": link, "mailed": mailed, "invited": email.strip().lower()}


def _join(principal: Principal, shown: Person, form: Mapping[str, str]) -> str:
    tenant, _, team = form.get("team", "").partition("/")
    members.add_membership(principal, shown.user, tenant, team)
    return f"They belong to {tenant} / {team} now."


def _leave(principal: Principal, shown: Person, form: Mapping[str, str]) -> str:
    tenant, _, team = form.get("team", "").partition("/")
    members.end_membership(principal, shown.user, tenant, team)
    return f"They no longer belong to {tenant} / {team}."


def _deactivate(principal: Principal, shown: Person, form: Mapping[str, str]) -> str:
    members.remove_member(principal, shown.user, form.get("reason", ""))
    return "They may not sign in any more; their sessions and tokens have ended."


def _restore(principal: Principal, shown: Person, _: Mapping[str, str]) -> str:
    members.restore_member(principal, shown.user)
    return "They may sign in again; tokens that ended stay so."


def _sign_out(principal: Principal, shown: Person, _: Mapping[str, str]) -> str:
    members.end_sessions(principal, shown.user)
    return "Every session of theirs has ended."


def _row(principal: Principal, shown: Person, found: Published) -> MemberRow:
    grants = []
    for grant in shown.grants:
        document = next(
            d for d in found.of("RoleGrant") if (d.tenant, d.name) == (grant.tenant, grant.document)
        )
        readable = documents.sees(principal, document)
        url = document_url("RoleGrant", grant.tenant, grant.document) if readable else ""
        grants.append(GrantRow(grant.tenant or "the organisation", ", ".join(grant.roles), url))
    teams = tuple(f"{tenant}/{team}" for tenant, team in shown.teams)
    user = shown.user
    return MemberRow(
        user.email, user.name or user.email, user.is_active, tuple(grants), teams, shown
    )


def _teams() -> list[tuple[str, str]]:
    rows = Team.objects.filter(archived_at=None, tenant__archived_at=None)
    return list(rows.order_by("tenant__slug", "slug").values_list("tenant__slug", "slug"))


def _invitations(principal: Principal) -> list[dict[str, object]]:
    rows = list(read.invitations(principal)[:PAGE_ROWS])
    now = moment() if rows else None
    return [
        {"row": row, "by": called(row.actor), "over": now is None or row.expires_at <= now}
        for row in rows
    ]


def _grant_yaml(shown: Person) -> str:
    """What to propose so that the person gets a role."""
    name = shown.user.email.partition("@")[0].lower()
    return (
        "apiVersion: mandate/v1\nkind: RoleGrant\n"
        f"metadata: {{name: {name}}}\n"
        f"spec: {{member: {shown.user.email}, roles: [developer]}}\n"
    )
