"""The pages that edit one document: its form and its YAML, saved into a change request. Nothing here takes effect by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from audit.ui.request import principal_of
from controlplane.kernel.errors import InvalidRequest, MandateError, NotFound, Unavailable
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.bundles import access as documents_access
from policies.bundles.models import Document
from policies.bundles.ownership import OwnedByGit, refuse_git
from policies.bundles.published import Published, published
from policies.bundles.read import heads
from policies.changes import access
from policies.changes.commands import NewChange, draft, put_text
from policies.changes.models import OPEN, ChangeRequest
from policies.changes.seen import NOTHING, Overtaken, digest, require_published
from policies.checking.client import check_sources
from policies.documents.document import Identity
from policies.documents.fields import NEVER_LITERAL
from policies.documents.kinds import KINDS
from policies.documents.problems import InvalidDocuments, Problem
from policies.engine.schema import PLACES, type_text
from policies.forms.controls import Control, Known, controls, first_in, walk
from policies.forms.form import Filled, NoForm, blank, control_of, opened, posted, problems_of
from policies.forms.rows import added, operated
from policies.forms.shapes import normal
from policies.forms.words import KIND_SENTENCES
from policies.ui.documents import NO_TENANT, document_url
from policies.ui.others import Other, other
from policies.ui.owning import kept, patched
from policies.ui.people import sentence

FORM, AS_YAML = "form", "yaml"
_DRAFTS = 30


@dataclass(slots=True)
class Page:
    """What one request shows: the document as text and, where a form can show it, as form."""

    request: HttpRequest
    principal: Principal
    found: Published
    kind: str
    identity: Identity | None
    change: ChangeRequest | None = None
    text: str = ""
    filled: Filled | None = None
    problems: Sequence[Problem] = ()
    tab: str = FORM
    title: str = ""
    focus: bool = False
    added: str = ""
    seen: str = NOTHING
    other: Other | None = None
    flat: dict[str, list[str]] = field(default_factory=dict)

    @property
    def here(self) -> str:
        """Its address, with the change request it saves to."""
        if self.identity is None:
            path = reverse("document-new-kind", args=[self.kind])
        else:
            kind, tenant, name = self.identity
            path = reverse("document-edit", args=[kind, tenant or NO_TENANT, name])
        return f"{path}?{urlencode({'change': self.change.id})}" if self.change else path


@require_safe
def kinds(request: HttpRequest) -> HttpResponse:
    """`/documents/new/`: a menu of kinds with a sentence each."""
    principal = principal_of(request)
    _require_writer(principal)
    change = _change(request, principal)
    query = f"?{urlencode({'change': change.id})}" if change else ""
    told = [
        (kind, KIND_SENTENCES[kind], reverse("document-new-kind", args=[kind]) + query)
        for kind in KINDS
    ]
    return render(request, "policies/forms/kinds.html", {"kinds": told})


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, kind: str) -> HttpResponse:
    """`/documents/new/<kind>/`."""
    principal = principal_of(request)
    _require_writer(principal)
    if kind not in KINDS:
        raise NotFound(f'there is no kind "{kind}"')
    page = Page(request, principal, published(), kind, None, _change(request, principal))
    if request.method == "POST":
        return _post(page)
    places = {principal_tenant for principal_tenant, _ in _places(page)}
    tenant = "" if "" in places else min(places, default="")
    page.filled = blank(kind, tenant=tenant)
    page.text = page.filled.text
    page.flat = page.filled.flat
    return _render(page)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, kind: str, tenant: str, name: str) -> HttpResponse:
    """`/documents/<kind>/<tenant or ->/<name>/edit/`: the published text, or that of the change request in `?change=`."""
    principal = principal_of(request)
    identity = kind, "" if tenant == NO_TENANT else tenant, name
    page = Page(request, principal, published(), kind, identity, _change(request, principal))
    text = _stored(page, identity)
    page.seen = digest(text)
    access.require_draft(principal, page.change.tenant if page.change else _tenant_of(page))
    if request.method == "POST":
        return _post(page)
    page.tab = AS_YAML if request.GET.get("tab") == AS_YAML else FORM
    _open(page, text)
    page.focus = bool(page.problems)
    return _render(page)


def _post(page: Page) -> HttpResponse:
    told = page.request.POST.get("do", "save")
    typed = page.request.POST.get("view") == AS_YAML
    page.title = page.request.POST.get("title", "")
    page.seen = page.request.POST.get("seen", page.seen)
    text = normal(page.request.POST.get("text", ""))
    page.tab = AS_YAML if typed else FORM
    if typed:
        page.text = text
    else:
        flat = {key: [normal(v) for v in values] for key, values in page.request.POST.lists()}
        if told not in (FORM, AS_YAML, "save"):
            page.text, page.flat, page.added = text, operated(flat, told), added(flat, told)
            return _render(page)
        page.filled = posted(page.kind, text, flat)
        page.text, page.flat = page.filled.text, flat
    if told == "save":
        return _save(page)
    page.tab = AS_YAML if told == AS_YAML or (typed and told == "check") else FORM
    page.focus = told != "check"
    _open(page, page.text)
    return _render(page)


def _open(page: Page, text: str) -> None:
    """The text in both views, with everything that is wrong with it; a text that no form shows stays a text."""
    page.text = text
    try:
        page.filled = opened(text)
        page.flat = page.filled.flat
    except NoForm as error:
        page.filled, page.tab, page.problems = None, AS_YAML, error.problems
        return
    page.problems = page.filled.problems or _conditions(text)
    if page.filled.kind != page.kind:
        page.problems = [Problem("", 1, 1, "kind", f'must stay "{page.kind}"')]
        page.filled, page.tab = None, AS_YAML


def _conditions(text: str) -> Sequence[Problem]:
    try:
        check_sources([("<form>", text)])
    except InvalidDocuments as error:
        return error.problems
    except Unavailable:
        return ()
    return ()


def _save(page: Page) -> HttpResponse:
    _, problems = problems_of(page.text)
    page.problems, page.focus = problems, True
    try:
        identity = page.identity or _named(page, problems)
        if any(NEVER_LITERAL in problem.message for problem in problems):
            raise InvalidRequest("a literal secret is not saved: write its name instead")
        if page.change is None:
            require_published(identity, page.seen)
            refuse_git(heads([identity]))
        change = _target(page, identity)
        put_text(page.principal, change.id, identity, page.text, page.seen)
    except OwnedByGit:
        return patched(page.request, identity, page.text)
    except Overtaken as error:
        page.other, page.seen, page.problems = other(error, page.text), error.theirs.digest, ()
        return _render(page, status=409)
    except MandateError as error:
        messages.error(page.request, sentence(error.message))
        return _render(page, status=422 if isinstance(error, InvalidRequest) else error.status)
    wrong = list(problems) or list(_conditions(page.text))
    if wrong:
        count = f"{len(wrong)} thing{'s are' if len(wrong) > 1 else ' is'}"
        messages.warning(page.request, f"Saved to the draft. {count} not right yet.")
    else:
        messages.success(page.request, f"Saved to the draft “{change.title}”.")
    page.identity, page.change = identity, change
    extra = "&tab=yaml" if page.tab == AS_YAML else ""
    return redirect(page.here + extra)


def _named(page: Page, problems: Sequence[Problem]) -> Identity:
    """What a new document is called, also where something else in it is wrong."""
    document, _ = problems_of(page.text)
    if document is not None:
        kind, tenant, name = document.identity
    else:
        try:
            flat = opened(page.text).flat
        except NoForm as error:
            raise InvalidRequest("say in the text which document this is") from error
        kind, (tenant, name) = (
            page.kind,
            (_only(flat, "metadata.tenant"), _only(flat, "metadata.name")),
        )
    if not name or any(problem.path.startswith("metadata.name") for problem in problems):
        raise InvalidRequest("give the document a name first")
    if page.found.exists(kind, tenant, name):
        raise InvalidRequest(f'there is a {kind} "{name}" already; change that one')
    return kind, tenant, name


def _only(flat: dict[str, list[str]], name: str) -> str:
    return (flat.get(name) or [""])[-1]


def _target(page: Page, identity: Identity) -> ChangeRequest:
    """The change request that was chosen, or a new one."""
    if page.change:
        return page.change
    kind, tenant, name = identity
    place = ORGANISATION if access.may_draft(page.principal, ORGANISATION) else tenant
    verb = "Change" if page.found.exists(kind, tenant, name) else "Add"
    title = page.title.strip() or f"{verb} {kind} {name}"
    return draft(page.principal, NewChange(title=title, tenant=place))


def _change(request: HttpRequest, principal: Principal) -> ChangeRequest | None:
    told = request.POST.get("change") or request.GET.get("change")
    if not told:
        return None
    try:
        return access.editable(principal, UUID(told))
    except ValueError as error:
        raise NotFound(f'there is no change request "{told[:40]}"') from error


def _stored(page: Page, identity: Identity) -> str:
    """The text in the change request, else the published one. Raises NotFound."""
    kind, tenant, name = identity
    if page.change:
        found = page.change.edits.filter(kind=kind, tenant=tenant, name=name).first()
        if found and not found.deletes:
            return str(found.source)
    documents_access.document(page.principal, page.found, kind, tenant, name)
    head = Document.objects.filter(kind=kind, tenant=tenant, name=name).first()
    return str(head.source) if head else ""


def _tenant_of(page: Page) -> str:
    tenant = page.identity[1] if page.identity else ""
    return ORGANISATION if access.may_draft(page.principal, ORGANISATION) else tenant


def _require_writer(principal: Principal) -> None:
    if not access.drafts_somewhere(principal):
        access.require_draft(principal, ORGANISATION)


def _render(page: Page, status: int = 200) -> HttpResponse:
    tree: tuple[Control, ...] = ()
    if page.tab == FORM:
        errors: dict[str, list[str]] = {}
        names = page.filled.names if page.filled else {}
        for problem in page.problems:
            errors.setdefault(control_of(names, problem.path), []).append(problem.message)
        tree = controls(page.kind, page.flat, errors, _known(page))
    identity = page.identity
    exists = identity is not None and page.found.exists(*identity)
    context: dict[str, Any] = {
        "kind": page.kind,
        "name": identity[2] if identity else "",
        "sentence": KIND_SENTENCES[page.kind],
        "tab": page.tab,
        "here": page.here,
        "back": document_url(*identity) if identity and exists else reverse("documents"),
        "document_url": document_url(*identity) if identity and exists else "",
        "text": page.text,
        "lines": min(max(page.text.count("\n") + 4, 14), 40),
        "controls": tree,
        "problems": _told(page, tree),
        "focus": page.focus,
        "focus_id": first_in(tree, page.added),
        "change": page.change,
        "drafts": [] if page.change else _drafts(page),
        "title": page.title,
        "take_out_url": _take_out(page),
        "seen": page.seen,
        "other": page.other,
        "variables": _variables(tree),
        "keeping": kept(identity),
    }
    return render(page.request, "policies/forms/edit.html", context, status=status)


def _take_out(page: Page) -> str:
    if not (page.change and page.identity):
        return ""
    kind, tenant, name = page.identity
    return reverse("change-edit", args=[page.change.id, kind, tenant or NO_TENANT, name])


def _told(page: Page, tree: Sequence[Control]) -> list[dict[str, object]]:
    names = page.filled.names if page.filled else {}
    by_name = {control.name: control for control in walk(tree)}
    lines = page.text.split("\n")
    told = []
    for problem in page.problems:
        control = by_name.get(control_of(names, problem.path))
        line = lines[problem.line - 1] if 0 < problem.line <= len(lines) else ""
        told.append(
            {
                "line": problem.line,
                "column": problem.column,
                "path": problem.path,
                "message": problem.message,
                "control": control.id if control else "",
                "label": control.label if control else "",
                "excerpt": excerpt(line, problem.column),
            }
        )
    return told


def excerpt(line: str, column: int) -> str:
    """A line with a mark below the place of an error."""
    return f"{line}\n{' ' * (column - 1)}^" if line.strip() else ""


def _variables(tree: Sequence[Control]) -> list[tuple[str, list[dict[str, str]]]]:
    places = dict.fromkeys(control.place for control in walk(tree) if control.place)
    return [
        (
            place,
            [{"name": d.name, "type": type_text(d.type), "about": d.about} for d in PLACES[place]],
        )
        for place in places
    ]


def _drafts(page: Page) -> list[ChangeRequest]:
    tenant = page.identity[1] if page.identity else None
    rows = access.visible(page.principal).filter(state__in=OPEN).order_by("-updated_at")[:_DRAFTS]
    return [
        row
        for row in rows
        if access.may_draft(page.principal, row.tenant) and (tenant is None or row.tenant in ("", tenant))
    ]  # fmt: skip


def _places(page: Page) -> list[tuple[str, str]]:
    if not KINDS[page.kind].tenanted:
        return []
    organisation = [("", page.found.organisation_name)]
    tenants = [(d.name, str(d.spec.get("displayName") or d.name)) for d in page.found.of("Tenant")]
    everywhere = access.may_draft(page.principal, ORGANISATION)
    return [
        (tenant, label)
        for tenant, label in [*organisation, *tenants]
        if everywhere or access.may_draft(page.principal, tenant)
    ]


def _known(page: Page) -> Known:
    """What the document may refer to: what this person sees, and what the same change request brings."""
    references: dict[str, set[str]] = {}
    for document in documents_access.documents(page.principal, page.found):
        references.setdefault(document.kind, set()).add(document.name)
        if document.kind == "Tenant":
            references.setdefault("team", set()).update(document.spec.get("teams") or [])
    if page.change:
        for kind, name in page.change.edits.filter(deletes=False).values_list("kind", "name"):
            references.setdefault(kind, set()).add(name)
    return Known(
        references={kind: sorted(names) for kind, names in references.items()},
        tenants=_places(page),
        data_classes=page.found.organisation.get("dataClasses") or (),
        fixed=page.identity is not None,
    )
