"""Writing a change request: a new one from YAML, more documents in it, and one document's text."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from audit.ui.request import principal_of
from controlplane.kernel.errors import MandateError, NotFound
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.bundles import access as documents
from policies.bundles.models import Document
from policies.bundles.past import some_at
from policies.bundles.published import Published, published
from policies.changes import access, commands
from policies.changes.commands import MAX_TEXT, NewChange
from policies.changes.models import ChangeRequest, Edit
from policies.changes.seen import DELETED, Overtaken, digest
from policies.changes.texts import named
from policies.documents.document import Identity
from policies.ui.changes import NO_TENANT, edit_url
from policies.ui.others import other
from policies.ui.people import sentence

_SAMPLE = """\
apiVersion: mandate/v1
kind: Permission
metadata: {{name: my-rule{tenant}}}
spec:
  effect: permit
  on: call
  when: 'team.name == "claims"'
"""


class NewForm(forms.Form):
    """What the change is, where, and its first documents."""

    title = forms.CharField(max_length=200, error_messages={"required": "say what the change is"})
    reason = forms.CharField(max_length=4000, required=False)
    tenant = forms.ChoiceField(required=False)
    publish_at = forms.DateTimeField(required=False, input_formats=["%Y-%m-%dT%H:%M"])
    documents = forms.CharField(max_length=MAX_TEXT, required=False, strip=False)

    def __init__(self, places: list[tuple[str, str]], **given: Any) -> None:  # noqa: ANN401 - Django's own
        super().__init__(**given)
        self.places = places
        self.fields["tenant"].choices = places  # type: ignore[attr-defined]  # a ChoiceField, which the stub does not see


class TextForm(forms.Form):
    """The YAML of one document or more."""

    documents = forms.CharField(max_length=MAX_TEXT, strip=False)


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """`/change-requests/new/`: begin one; `?kind=…&tenant=…&name=…` begins with a published document."""
    principal = principal_of(request)
    found = published()
    places = _places(principal, found)
    if not places:
        access.require_draft(principal, ORGANISATION)
    form = NewForm(places, initial=_initial(request, principal, found, places))
    if request.method == "POST":
        form = NewForm(places, data=request.POST)
        if form.is_valid():
            row = _begin(principal, form)
            if row is not None:
                messages.success(request, "The draft is there. Check it, then hand it in.")
                return redirect("change", row.id)
    context = {"form": form, "places": places}
    return render(request, "policies/change_new.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest, change: UUID) -> HttpResponse:
    """`/change-requests/<id>/edits/`: put more documents into it."""
    principal = principal_of(request)
    row = access.editable(principal, change)
    form = TextForm(request.POST if request.method == "POST" else None)
    overtaken: Overtaken | None = None
    if request.method == "POST" and form.is_valid():
        try:
            text, seen = form.cleaned_data["documents"], request.POST.get("seen", "")
            found = commands.put_texts(principal, row.id, text, seen)
        except Overtaken as error:
            overtaken = error
        except MandateError as error:
            form.add_error("documents", sentence(error.message))
        else:
            _told(request, found)
            return redirect("change", row.id)
    context = {
        "change": row,
        "form": form,
        "sample": _sample(row.tenant),
        "seen": access.get(principal, change).digest,
        "other": other(overtaken, request.POST.get("documents", "")) if overtaken else None,
    }
    status = 409 if overtaken else 422 if form.errors else 200
    return render(request, "policies/change_add.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, change: UUID, kind: str, tenant: str, name: str) -> HttpResponse:
    """`/change-requests/<id>/edits/<kind>/<tenant or ->/<name>/`: one document's text in this change request."""
    principal = principal_of(request)
    row = access.editable(principal, change)
    identity = _identity(kind, tenant, name)
    found = row.edits.filter(kind=identity[0], tenant=identity[1], name=name).first()
    if found is None and _astray(row, identity):
        raise NotFound(f"this change request does not edit {named(identity)}")
    overtaken: Overtaken | None = None
    if request.method == "POST":
        try:
            done = _edited(request, principal, row, identity)
        except Overtaken as error:
            done, overtaken = None, error
        if done is not None:
            return done
        found = row.edits.filter(kind=identity[0], tenant=identity[1], name=name).first()
    # of another place only what was typed is shown, never what is published there
    before = None if _astray(row, identity) else some_at(row.base, [identity]).get(identity)
    stored = found.source if found and not found.deletes else None if found else before
    text = request.POST.get("documents") or (found.source if found else before) or ""
    context = {
        "seen": DELETED if found and found.deletes else digest(stored),
        "other": other(overtaken, text) if overtaken else None,
        "change": row,
        "edit": found,
        "name": named(identity) if identity[0] else name,
        "published": before,
        "text": text,
        "lines": max(14, min(40, text.count("\n") + 3)),
        "problems": found.problems if found else [],
    }
    status = 409 if overtaken else 200
    return render(request, "policies/change_edit.html", context, status=status)


def _edited(
    request: HttpRequest, principal: Principal, row: ChangeRequest, identity: Identity
) -> HttpResponse | None:
    """What was posted: the text, its removal, or the document's deletion; None where it was refused."""
    seen = request.POST.get("seen", "")
    try:
        if "remove" in request.POST:
            commands.remove_edit(principal, row.id, identity, seen)
            messages.success(request, "Taken out of the change request. It stays as published.")
            return redirect("change", row.id)
        if "delete" in request.POST:
            commands.delete_document(principal, row.id, identity, seen)
            messages.success(request, "The change takes this document away.")
            return redirect("change", row.id)
        text = str(request.POST.get("documents", "")).replace("\r\n", "\n")
        if _astray(row, identity):
            # what it says now decides where it belongs
            found = commands.put_texts(principal, row.id, text)
            if identity not in {one.identity for one in found}:
                commands.remove_edit(principal, row.id, identity, seen)
        else:
            found = [commands.put_text(principal, row.id, identity, text, seen)]
    except Overtaken:
        raise
    except MandateError as error:
        messages.error(request, sentence(error.message))
        return None
    _told(request, found)
    if any(one.problems for one in found):
        return redirect(edit_url(row, found[0].identity))
    return redirect("change", row.id)


def _astray(row: ChangeRequest, identity: Identity) -> bool:
    """Whether a text does not say what it is of, or is of a place that this change request may not edit."""
    return not identity[0] or bool(row.tenant and identity[1] != row.tenant)


def _told(request: HttpRequest, found: list[Edit]) -> None:
    wrong = [one for one in found if one.problems]
    if wrong:
        line, column, path, told = wrong[0].problems[0]
        where = f"{named(wrong[0].identity)}, line {line}, column {column}"
        messages.error(request, f"Kept, but it cannot be read: {where}: {path} {told}")
    else:
        messages.success(request, "Saved.")


def _begin(principal: Principal, form: NewForm) -> ChangeRequest | None:
    said = form.cleaned_data
    tenant = "" if said["tenant"] == NO_TENANT else said["tenant"]
    try:
        row = commands.draft(
            principal,
            NewChange(
                title=said["title"],
                reason=said["reason"],
                tenant=tenant,
                publish_at=said["publish_at"],
            ),
        )
        if said["documents"].strip():
            commands.put_texts(principal, row.id, said["documents"])
    except MandateError as error:
        form.add_error(None, sentence(error.message))
        return None
    return row


def _places(principal: Principal, found: Published) -> list[tuple[str, str]]:
    tenants = [d.name for d in found.of("Tenant")]
    places = [(NO_TENANT, "the organisation")] if access.may_draft(principal, ORGANISATION) else []
    return places + [(t, f"tenant {t}") for t in tenants if access.may_draft(principal, t)]


def _initial(
    request: HttpRequest, principal: Principal, found: Published, places: list[tuple[str, str]]
) -> dict[str, str]:
    offered = [place for place, _ in places]
    kind, name = request.GET.get("kind", ""), request.GET.get("name", "")
    tenant = request.GET.get("tenant", NO_TENANT)
    place = tenant if tenant in offered else offered[0] if offered else NO_TENANT
    if not kind or not name:
        return {"tenant": place, "documents": _sample("" if place == NO_TENANT else place)}
    identity = _identity(kind, tenant, name)
    documents.document(principal, found, *identity)
    head = Document.objects.filter(kind=kind, tenant=identity[1], name=name).first()
    if head is None:
        raise Http404
    return {"tenant": place, "title": f"Change {kind} {name}", "documents": head.source}


def _identity(kind: str, tenant: str, name: str) -> Identity:
    if "\x00" in kind + tenant + name:
        raise NotFound("there is no such document")
    return "" if kind == NO_TENANT else kind, "" if tenant == NO_TENANT else tenant, name


def _sample(tenant: str) -> str:
    return _SAMPLE.format(tenant=f", tenant: {tenant}" if tenant else "")
