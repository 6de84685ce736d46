"""Who keeps a document, on its pages: its origin in Git, an edit as a patch, and taking it over."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from audit.ui.request import principal_of
from controlplane.kernel.errors import Conflict
from policies.bundles import access, ownership, owning
from policies.bundles.models import Document
from policies.bundles.past import with_digest
from policies.bundles.published import published
from policies.bundles.read import heads
from policies.documents.document import Identity
from policies.folders.patch import patch
from policies.folders.repository import link
from policies.ui.people import sentence

_NO_TENANT = "-"


@dataclass(frozen=True, slots=True)
class Keeping:
    """What a page says of who keeps a document. `words` and `url` are of its line in Git; empty where it never was there."""

    locked: bool
    drifted: bool
    taken: bool
    words: str
    url: str
    commit: str


def keeping_of(head: Document) -> Keeping:
    """Read from its head row."""
    place = ownership.place_of(head.place)
    return Keeping(
        locked=ownership.locked(head),
        drifted=ownership.drifted(head),
        taken=place.taken and head.origin == ownership.CONSOLE,
        words=place.short if place.path else "",
        url=link(place.repository, place.commit, place.path, place.line),
        commit=place.commit[:10],
    )


def drift_patch(head: Document) -> str:
    """What would bring Git to what is published; empty where nothing differs, or nobody knows any more what Git had."""
    if not ownership.drifted(head):
        return ""
    place = ownership.place_of(head.place)
    theirs = with_digest((head.kind, head.tenant, head.name), place.digest)
    return patch(place, theirs, head.source) if theirs is not None else ""


def kept(identity: Identity | None) -> Keeping | None:
    """Of a published document that Git keeps; None for every other."""
    found = [row for _, row in heads([identity])] if identity else []
    return keeping_of(found[0]) if found and ownership.locked(found[0]) else None


@require_POST
def take_over(request: HttpRequest, kind: str, tenant: str, name: str) -> HttpResponse:
    """`/documents/<kind>/<tenant or ->/<name>/take-over/`."""
    principal = principal_of(request)
    identity = kind, "" if tenant == _NO_TENANT else tenant, name
    access.document(principal, published(), *identity)
    try:
        owning.take_over(principal, identity)
    except Conflict as error:
        messages.error(request, sentence(error.message))
    else:
        messages.success(
            request, "The console keeps this document now. Git does not follow by itself."
        )
    return redirect("document", kind, tenant, name)


@require_POST
def as_patch(request: HttpRequest, kind: str, tenant: str, name: str) -> HttpResponse:
    """`/documents/<kind>/<tenant or ->/<name>/patch/`: the text that was posted, as a file for `git apply`."""
    identity = kind, "" if tenant == _NO_TENANT else tenant, name
    access.document(principal_of(request), published(), *identity)
    made = _patch(identity, str(request.POST.get("text", "")).replace("\r\n", "\n"))
    if not made:
        messages.error(
            request, "There is nothing to patch: it says the same, or Git does not keep it."
        )
        return redirect("document", kind, tenant, name)
    answer = HttpResponse(made, content_type="text/x-diff; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.patch"'
    return answer


def patched(request: HttpRequest, identity: Identity, text: str) -> HttpResponse:
    """An edit of what Git keeps: nothing is saved, and the page hands out the patch."""
    kind, tenant, name = identity
    at = (kind, tenant or _NO_TENANT, name)
    context = {
        "name": name,
        "kind": kind,
        "at": at,
        "keeping": kept(identity),
        "patch": _patch(identity, text),
        "text": text,
        "download": reverse("document-patch", args=at),
    }
    return render(request, "policies/patch.html", context)


def _patch(identity: Identity, text: str) -> str:
    found = [row for _, row in heads([identity]) if ownership.locked(row)]
    if not found:
        return ""
    return patch(ownership.place_of(found[0].place), found[0].source, text)
