"""The page of tenants and their teams, and their archiving."""

from dataclasses import dataclass
from itertools import groupby

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from audit.ui.request import principal_of
from controlplane.kernel.errors import Conflict, InvalidRequest
from controlplane.kernel.principal import ORGANISATION
from policies.bundles.published import moment, published
from policies.identity import access, commands, read
from policies.identity.models import Tenant
from policies.identity.read import TeamRow
from policies.ui.documents import document_url
from policies.ui.people import sentence


@dataclass(frozen=True, slots=True)
class TenantRow:
    """One tenant as the page shows it."""

    tenant: Tenant
    title: str
    region: str
    cost_centre: str
    document: str
    teams: tuple[TeamRow, ...]
    may_archive_teams: bool


@require_safe
def tenants(request: HttpRequest) -> HttpResponse:
    """`/tenants/`: one's own, with a role in the organisation all."""
    principal, found = principal_of(request), published()
    rows = read.teams(principal, moment())
    of_tenant = {name: tuple(teams) for name, teams in groupby(rows, key=lambda row: row.tenant)}
    documents = {document.name: document for document in found.of("Tenant")}
    shown = []
    for tenant in read.tenants(principal):
        document = documents.get(tenant.slug)
        spec = document.spec if document else {}
        shown.append(
            TenantRow(
                tenant,
                str(spec.get("displayName") or tenant.slug),
                str(spec.get("region") or ""),
                str(spec.get("costCentre") or ""),
                document_url("Tenant", "", tenant.slug) if document else "",
                of_tenant.get(tenant.slug, ()),
                access.may_archive(principal, tenant.slug),
            )
        )
    context = {"rows": shown, "may_archive": access.may_archive(principal, ORGANISATION)}
    return render(request, "policies/tenants.html", context)


@require_POST
def archive_tenant(request: HttpRequest, tenant: str) -> HttpResponse:
    """`/tenants/<tenant>/archive/`."""
    principal = principal_of(request)
    read.tenant(principal, tenant)
    try:
        commands.archive_tenant(principal, tenant, request.POST.get("reason", ""))
    except (Conflict, InvalidRequest) as error:
        messages.error(request, sentence(error.message))
    else:
        messages.success(request, f"{tenant} is out of use; its keys open nothing any more.")
    return redirect("tenants")


@require_POST
def archive_team(request: HttpRequest, tenant: str, team: str) -> HttpResponse:
    """`/tenants/<tenant>/<team>/archive/`."""
    principal = principal_of(request)
    read.tenant(principal, tenant)
    try:
        commands.archive_team(principal, tenant, team, request.POST.get("reason", ""))
    except (Conflict, InvalidRequest) as error:
        messages.error(request, sentence(error.message))
    else:
        messages.success(
            request, f"{tenant} / {team} is out of use; its keys open nothing any more."
        )
    return redirect("tenants")
