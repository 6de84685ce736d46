"""The pages of what was published: revisions, what each changed, versions of one document, and the way back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from audit.ui.request import principal_of
from controlplane.kernel.errors import MandateError, NotFound
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.bundles import access
from policies.bundles.models import Bundle
from policies.bundles.past import Version, number_at, sources_at, versions
from policies.bundles.published import Published, at_revision, published
from policies.changes import access as changes
from policies.changes import compare, publishing, words
from policies.changes.texts import document_of, named
from policies.documents.document import Document, Identity
from policies.documents.problems import InvalidDocuments
from policies.ui.changes import NO_TENANT
from policies.ui.people import names, person, sentence

ROWS = 50
MOST = 10**15


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One published revision."""

    revision: int
    digest: str
    by: str
    at: datetime
    flagged: bool
    change: UUID | None
    title: str
    in_force: bool


@dataclass(frozen=True, slots=True)
class ChangedShown:
    """How one document differs between two revisions."""

    identity: Identity
    name: str
    lines: Sequence[compare.Line]
    story: words.Story | None


@require_safe
def revisions(request: HttpRequest) -> HttpResponse:
    """`/revisions/`: every bundle, newest first."""
    principal = principal_of(request)
    before = request.GET.get("before", "")
    rows = Bundle.objects.order_by("-revision").defer("text", "checked")
    if before.isascii() and before.isdigit() and len(before) < 16:
        rows = rows.filter(revision__lt=int(before))
    found = list(rows[: ROWS + 1])
    shown = list(_rows(principal, found[:ROWS]))
    context = {
        "rows": shown,
        "older": shown[-1].revision if len(found) > ROWS else None,
        "paged": bool(before),
        "may_roll_back": changes.may_draft(principal, ORGANISATION),
    }
    return render(request, "policies/revisions.html", context)


@require_safe
def revision(request: HttpRequest, revision: int) -> HttpResponse:
    """`/revisions/<revision>/`: what it changed over the one before."""
    principal = principal_of(request)
    found = at_revision(revision) if revision <= MOST else None
    row = Bundle.objects.filter(revision=min(revision, MOST)).defer("text", "checked").first()
    if found is None or row is None:
        raise NotFound(f"revision {revision} was never published")
    before = at_revision(revision - 1)
    seen = _seen(principal, found) | (_seen(principal, before) if before else set())
    old, new = sources_at(revision - 1), sources_at(revision)
    shown = [
        _changed(identity, old.get(identity), new.get(identity), found.currency)
        for identity in sorted(seen)
        if old.get(identity) != new.get(identity)
    ]
    (head,) = _rows(principal, [row])
    context = {
        "row": head,
        "changed": shown,
        "may_roll_back": changes.may_draft(principal, ORGANISATION) and not head.in_force,
    }
    return render(request, "policies/revision.html", context)


@require_POST
def rollback(request: HttpRequest, revision: int) -> HttpResponse:
    """`/revisions/<revision>/rollback/`: hand in its documents as a new change request."""
    principal = principal_of(request)
    changes.require_draft(principal, ORGANISATION)
    try:
        row = publishing.rollback(
            principal, min(revision, MOST), str(request.POST.get("reason", ""))
        )
    except MandateError as error:
        messages.error(request, sentence(error.message))
        return redirect("revisions")
    messages.success(request, f"Handed in: back to revision {revision}.")
    return redirect("change", row.id)


@require_safe
def version(request: HttpRequest, kind: str, tenant: str, name: str, number: int) -> HttpResponse:
    """`/documents/<kind>/<tenant or ->/<name>/versions/<number>/`: one version and what it changed."""
    principal = principal_of(request)
    identity = (kind, "" if tenant == NO_TENANT else tenant, name)
    every = list(versions(identity))
    at = next((i for i, one in enumerate(every) if one.number == number), None)
    if at is None:
        access.document(principal, published(), *identity)
        raise NotFound("there is no such version")
    found = _reader_of(principal, identity, _held_in(every[at]))
    one, older = every[at], every[at + 1] if at + 1 < len(every) else None
    old = _text(older)
    new = None if one.what == "deleted" else one.source
    brought = changes.visible(principal).filter(published_revision=one.revision).first()
    context = {
        "identity": identity,
        "name": named(identity),
        "version": one,
        "by": person(one.actor, names()),
        "changed": _changed(identity, old, new, found.currency),
        "lines": one.source.rstrip("\n").split("\n"),
        "brought": brought,
        "newer": every[at - 1].number if at else None,
        "older": older.number if older else None,
        "tenant": tenant,
    }
    return render(request, "policies/version.html", context)


@require_safe
def document_at(
    request: HttpRequest, kind: str, tenant: str, name: str, revision: int
) -> HttpResponse:
    """`/documents/<kind>/<tenant or ->/<name>/at/<revision>/`: to the version in force then; the line stays."""
    identity = (kind, "" if tenant == NO_TENANT else tenant, name)
    _reader_of(principal_of(request), identity, revision)
    number = number_at(identity, min(revision, MOST))
    if number is None:
        raise NotFound(f"{named(identity)} was not in force in revision {revision}")
    return redirect("version", kind, tenant, name, number)


def _held_in(version: Version) -> int:
    """A revision in which the document was there: of what was deleted, the one before."""
    return version.revision - (version.what == "deleted")


def _reader_of(principal: Principal, identity: Identity, revision: int) -> Published:
    """What is in force now, or was then, as far as it holds the document. Raises NotFound, also for another tenant's."""
    found = published()
    if found.exists(*identity) or revision > MOST:
        access.document(principal, found, *identity)
        return found
    then = at_revision(revision) or found
    access.document(principal, then, *identity)
    return then


def _text(found: Version | None) -> str | None:
    return found.source if found is not None and found.what != "deleted" else None


def _rows(principal: Principal, found: Sequence[Bundle]) -> Iterator[RevisionRow]:
    known, now = names(), published().revision
    brought = {
        row.published_revision: row
        for row in changes.visible(principal).filter(
            published_revision__in=[bundle.revision for bundle in found]
        )
    }
    for bundle in found:
        change = brought.get(bundle.revision)
        yield RevisionRow(
            revision=bundle.revision,
            digest=bytes(bundle.digest).hex(),
            by=person(bundle.actor, known),
            at=bundle.published_at,
            flagged=bundle.flagged,
            change=change.id if change else None,
            title=change.title if change else "",
            in_force=bundle.revision == now,
        )


def _seen(principal: Principal, found: Published) -> set[Identity]:
    return {(d.kind, d.tenant, d.name) for d in access.documents(principal, found)}


def _changed(identity: Identity, old: str | None, new: str | None, currency: str) -> ChangedShown:
    before, after = _read(identity, old), _read(identity, new)
    story = words.story(identity, before, after, currency) if before or after else None
    return ChangedShown(identity, named(identity), compare.lines(old, new), story)


def _read(identity: Identity, text: str | None) -> Document | None:
    """The document of an old text; None where this release no longer reads it."""
    if text is None:
        return None
    try:
        return document_of(identity, text)
    except InvalidDocuments:
        return None
