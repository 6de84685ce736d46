"""The pages of documents: the list, and one document with its text, its history and where it is used. Read only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from audit.ui.filters import Filters, read_filters
from audit.ui.request import principal_of
from controlplane.kernel.principal import Principal
from policies.bundles import access, ownership
from policies.bundles.models import Document
from policies.bundles.past import versions
from policies.bundles.published import Governed, Published, published
from policies.bundles.read import published_documents
from policies.bundles.uses import uses
from policies.changes import access as changes
from policies.changes.texts import named
from policies.documents.document import Identity
from policies.ui.analysis import published_findings
from policies.ui.owning import drift_patch, keeping_of
from policies.ui.people import names, person

NO_TENANT = "-"
_HISTORY_ROWS = 20


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """One line of the list."""

    kind: str
    tenant: str
    name: str
    summary: str
    origin: str
    revision: int
    by: str
    url: str
    drift: str = ""

    @property
    def origin_words(self) -> str:
        """Where the document is kept."""
        return "a folder in Git, by policy apply" if self.origin == "git" else "the console"


@dataclass(frozen=True, slots=True)
class Version:
    """One step of a document's history."""

    revision: int
    what: str
    by: str
    at: datetime
    number: int
    change: UUID | None
    title: str


@dataclass(frozen=True, slots=True)
class UseRow:
    """One document that refers to this one."""

    name: str
    path: str
    line: int
    url: str


@require_safe
def documents(request: HttpRequest) -> HttpResponse:
    """`/documents/`: everything published that this member may read, by kind."""
    principal = principal_of(request)
    found = published()
    seen = list(access.documents(principal, found))
    names = sorted({document.kind for document in seen})
    tenants = sorted({document.tenant for document in seen if document.tenant})
    filters = read_filters(
        request,
        [
            ("kind", "Kind", "all", [(name, name) for name in names]),
            (
                "tenant",
                "Belongs to",
                "anyone",
                [(NO_TENANT, "organisation"), *((t, t) for t in tenants)],
            ),
        ],
    )
    chosen = [document for document in seen if _matches(document, filters)]
    heads = {(d.kind, d.tenant, d.name): d for d in Document.objects.all()}
    rows = [
        _row(document, heads.get((document.kind, document.tenant, document.name)))
        for document in chosen
    ]
    groups = [(kind, list(of_kind)) for kind, of_kind in groupby(rows, key=lambda row: row.kind)]
    return render(
        request,
        "policies/documents.html",
        {
            "bundle": _bundle(found),
            "filters": filters,
            "groups": groups,
            "findings": published_findings(principal),
            "may_draft": changes.drafts_somewhere(principal),
        },
    )


@require_safe
def document(request: HttpRequest, kind: str, tenant: str, name: str) -> HttpResponse:
    """`/documents/<kind>/<tenant or ->/<name>/`."""
    principal = principal_of(request)
    place = "" if tenant == NO_TENANT else tenant
    one = access.document(principal, published(), kind, place, name)
    head = Document.objects.filter(kind=kind, tenant=place, name=name).first()
    row = _row(one, head)
    text = head.source if head else ""
    context = {
        "document": row,
        "lines": text.rstrip("\n").split("\n"),
        "history": _history(principal, (kind, place, name)),
        "uses": _uses(principal, published(), (kind, place, name)),
        "may_propose": changes.may_draft(principal, place),
        "keeping": keeping_of(head) if head else None,
        "drift_patch": drift_patch(head) if head else "",
        "may_keep": access.may_keep(principal, place),
        "at": (kind, tenant, name),
    }
    return render(request, "policies/document.html", context)


def document_url(kind: str, tenant: str, name: str) -> str:
    """The address of a document's page."""
    return reverse("document", args=[kind, tenant or NO_TENANT, name])


def _bundle(found: Published) -> Mapping[str, Any] | None:
    if not found.revision:
        return None
    return {
        "revision": found.revision,
        "published_at": found.published_at,
        "by": person(found.actor, names()),
    }


def _matches(document: Governed, filters: Filters) -> bool:
    kind, tenant = filters.values.get("kind"), filters.values.get("tenant")
    if kind and document.kind != kind:
        return False
    if tenant and document.tenant != ("" if tenant == NO_TENANT else tenant):
        return False
    wanted = filters.q.lower()
    return not wanted or wanted in document.name.lower() or wanted in str(document.spec).lower()


def _row(document: Governed, head: Document | None) -> DocumentRow:
    return DocumentRow(
        kind=document.kind,
        tenant=document.tenant,
        name=document.name,
        summary=summary_of(document),
        origin=head.origin if head else "",
        revision=head.revision if head else 0,
        by=person(head.actor) if head else "",
        drift=_drift(head),
        url=document_url(document.kind, document.tenant, document.name),
    )


def _drift(head: Document | None) -> str:
    """The commit that what is published differs from; nothing where it does not."""
    if head is None or not head.place or not ownership.drifted(head):
        return ""
    return ownership.place_of(head.place).commit[:10] or "the folder"


def summary_of(document: Governed) -> str:
    """What the document says, in one line."""
    writer = _SUMMARIES.get(document.kind)
    return writer(document.spec) if writer else ""


def _route(spec: Mapping[str, Any]) -> str:
    strategy = spec.get("strategy", {})
    models = strategy.get("models") or [strategy.get("model")]
    names = [m.get("model", "") if isinstance(m, dict) else str(m) for m in models if m]
    return f"{strategy.get('type', 'single')}: {', '.join(names)}"


def _permission(spec: Mapping[str, Any]) -> str:
    level = f"{spec.get('level', 'hard')} " if spec.get("effect") == "forbid" else ""
    return f"{level}{spec.get('effect')} on {spec.get('on')}: {spec.get('when', 'always')}"


def _budget(spec: Mapping[str, Any]) -> str:
    hard = "hard" if spec.get("hard", True) else "soft"
    return f"{spec.get('limit')} a {spec.get('period')}, {hard}, then {spec.get('onExhausted', 'deny')}"


def _model(spec: Mapping[str, Any]) -> str:
    return f"{spec.get('upstreamName')} at {spec.get('provider')}, {spec.get('tier')}"


_SUMMARIES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "Route": _route,
    "Permission": _permission,
    "Budget": _budget,
    "Model": _model,
    "Provider": lambda spec: f"{spec.get('type')} at {spec.get('baseUrl', 'its usual address')}",
    "Tenant": lambda spec: (
        f"{spec.get('region', 'no region')}; teams {', '.join(spec.get('teams', []))}"
    ),
    "UseCase": lambda spec: f"{spec.get('riskClass')} risk: {spec.get('purpose')}",
    "RoleGrant": lambda spec: f"{spec.get('member')}: {', '.join(spec.get('roles', []))}",
    "Organisation": lambda spec: (
        f"{spec.get('currency')}, {spec.get('timeZone')}, {spec.get('mode')}"
    ),
}


def _history(principal: Principal, identity: Identity) -> list[Version]:
    found = list(islice(versions(identity), _HISTORY_ROWS))
    brought = {
        row.published_revision: row
        for row in changes.visible(principal).filter(
            published_revision__in=[one.revision for one in found]
        )
    }
    known = names()
    return [
        Version(
            revision=one.revision,
            what=one.what,
            by=person(one.actor, known),
            at=one.at,
            number=one.number,
            change=brought[one.revision].id if one.revision in brought else None,
            title=brought[one.revision].title if one.revision in brought else "",
        )
        for one in found
    ]


def _uses(principal: Principal, found: Published, identity: Identity) -> list[UseRow]:
    seen = {(d.kind, d.tenant, d.name) for d in access.documents(principal, found)}
    return [
        UseRow(
            named(use.identity), use.path, use.line, f"{document_url(*use.identity)}#L{use.line}"
        )
        for use in uses(published_documents().documents, identity)
        if use.identity in seen
    ]
