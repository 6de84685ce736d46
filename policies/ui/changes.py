"""The pages of change requests: the list, one with its differences, checks and approvals, and what may be done to it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from audit.log import read as log
from audit.log.kinds import KINDS, Group
from audit.log.models import Entry
from audit.ui.filters import Filters, Page, page_of, read_filters
from audit.ui.request import principal_of
from controlplane.kernel.ids import uuid7_time
from controlplane.kernel.principal import Principal
from policies.bundles.read import Published, published_documents
from policies.bundles.rules import Need, organisation
from policies.changes import access, compare, publishing, replays, words
from policies.changes.checks import ANALYSIS, TESTS, TITLES
from policies.changes.models import APPROVAL, DRAFT, OPEN, SCHEDULED, ChangeRequest, Edit
from policies.changes.read import Standing, after_of, conflicts, standing
from policies.changes.texts import document_of, named
from policies.documents.document import Document, Identity
from policies.documents.kinds import KINDS as DOCUMENT_KINDS
from policies.documents.problems import InvalidDocuments
from policies.ui.analysis import analysis_shown, tests_shown
from policies.ui.people import names, people, person, sentence
from policies.ui.publishing import Looking, parts
from policies.ui.replays import card

NO_TENANT = "-"
STATE_WORDS = {
    "draft": ("draft", "", "document"),
    "checks": ("fails its checks", "bad", "cross-circle"),
    "approval": ("waits for approval", "info", "clock"),
    "scheduled": ("scheduled", "info", "clock"),
    "published": ("published", "ok", "check"),
    "withdrawn": ("withdrawn", "", "close"),
}
_HISTORY = 60


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One line of the list."""

    id: UUID
    title: str
    tenant: str
    by: str
    state: tuple[str, str, str]
    count: int
    at: datetime
    revision: int | None
    flagged: bool


@dataclass(frozen=True, slots=True)
class EditShown:
    """One edited document: its difference, its meaning, and what is wrong with its text."""

    edit: Edit
    name: str
    url: str
    lines: Sequence[compare.Line]
    story: words.Story | None

    @property
    def pairs(self) -> list[tuple[compare.Line | None, compare.Line | None]]:
        """The difference side by side."""
        return compare.pairs(self.lines)


@dataclass(frozen=True, slots=True)
class CheckShown:
    """One check with its problems."""

    title: str
    ok: bool
    told: str
    problems: Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class NeedShown:
    """What one kind needs and still misses."""

    kind: str
    count: int
    roles: str
    missing: int


@dataclass(frozen=True, slots=True)
class Happened:
    """One entry of its history."""

    title: str
    by: str
    at: datetime
    reason: str
    id: UUID


@require_safe
def changes(request: HttpRequest) -> HttpResponse:
    """`/change-requests/`: those that one may see, newest first."""
    principal = principal_of(request)
    seen = access.visible(principal)
    tenants = sorted(set(seen.values_list("tenant", flat=True)))
    filters = read_filters(
        request,
        [
            (
                "state",
                "State",
                "all",
                [("open", "open"), *((state, told[0]) for state, told in STATE_WORDS.items())],
            ),
            (
                "tenant",
                "Of",
                "anyone",
                [(t or NO_TENANT, t or "the organisation") for t in tenants],
            ),
        ],
    )
    page = _rows(request, seen, filters)
    context = {"page": page, "filters": filters, "may_draft": access.drafts_somewhere(principal)}
    return render(request, "policies/changes.html", context)


@require_safe
def change(request: HttpRequest, change: UUID) -> HttpResponse:
    """`/change-requests/<id>/`: what it changes, in words and line by line, and how far it is."""
    principal = principal_of(request)
    row, edits = access.get_with_edits(principal, change)
    context = shown(principal, row, edits) | {"side": request.GET.get("view") == "side"}
    return render(request, "policies/change.html", context)


def shown(principal: Principal, row: ChangeRequest, edits: Sequence[Edit]) -> dict[str, Any]:
    """Everything that the page of one change request shows."""
    base = published_documents()
    known, active = people()
    found = standing(base, row, edits, members=active)
    clashes = set(conflicts(base, row, edits)) if row.open else set()
    roles = publishing.roles_of(principal, base, row.tenant)
    refusal = access.refusal(principal, found, roles)
    writes = access.may_draft(principal, row.tenant)
    checks = list(row.checks.order_by("id"))
    beyond = {c.kind: c.found for c in checks}
    entries = _entries(row)
    look = Looking(principal, row, base, edits, found, known, _may_have_shadow(entries))
    replay = card(principal, row, base.revision, may=replays.may_begin(principal, row, found, base))
    steps = parts(look, replay.found, clashes=bool(clashes))
    return {
        **steps,
        "change": row,
        "state": STATE_WORDS[row.state],
        "author": person(row.author, known),
        "last_editor": person(row.last_editor, known),
        "edits": [_edit(base, row, edit) for edit in edits],
        "organisation_moved": sorted(i for i in clashes if i[0] == "Organisation"),
        "checks": [
            CheckShown(TITLES[c.kind], c.ok, c.told, [tuple(p) for p in c.problems]) for c in checks
        ],
        "analysis": analysis_shown(beyond.get(ANALYSIS, {})),
        "tests": tests_shown(beyond.get(TESTS, {})),
        "needs": _needs(found),
        "missing": sum(need.count for need in found.missing),
        "given": [(person(a.actor, known), ", ".join(a.roles), a) for a in found.given],
        "alone": found.alone,
        "refusal": refusal and sentence(refusal),
        "may_approve": row.state == APPROVAL and not (refusal or clashes or steps["blocked"]),
        "may_write": writes and row.open,
        "may_submit": writes and row.state == DRAFT and bool(edits),
        "may_return": row.state in ("checks", APPROVAL, SCHEDULED) and (writes or not refusal),
        "may_publish": row.state == APPROVAL and not (found.missing or clashes or steps["blocked"]),
        "may_withdraw": row.open and access.may_withdraw(principal, row),
        "conflicts": [named(identity) for identity in sorted(clashes)],
        "history": _history(entries, known),
        "replay": replay,
    }


def edit_url(row: ChangeRequest, identity: Identity) -> str:
    """The address of one edit's page."""
    kind, tenant, name = identity
    return reverse("change-edit", args=[row.id, kind or NO_TENANT, tenant or NO_TENANT, name])


def text_url(row: ChangeRequest, edit: Edit) -> str:
    """Where its text is written: its form, where there is one."""
    if not row.open or edit.deletes or edit.kind not in DOCUMENT_KINDS:
        return edit_url(row, edit.identity)
    args = [edit.kind, edit.tenant or NO_TENANT, edit.name]
    return f"{reverse('document-edit', args=args)}?change={row.id}"


def _rows(request: HttpRequest, seen: Any, filters: Filters) -> Page[ChangeRow]:  # noqa: ANN401 - a queryset
    state, tenant = filters.values.get("state"), filters.values.get("tenant")
    if state:
        seen = seen.filter(state__in=OPEN if state == "open" else (state,))
    if tenant:
        seen = seen.filter(tenant="" if tenant == NO_TENANT else tenant)
    if filters.q and "\x00" not in filters.q:
        seen = seen.filter(title__icontains=filters.q)
    known = names()

    def rows(found: Sequence[ChangeRequest]) -> list[ChangeRow]:
        counts: dict[UUID, int] = {}
        for of in Edit.objects.filter(change__in=found).values_list("change_id", flat=True):
            counts[of] = counts.get(of, 0) + 1
        return [
            ChangeRow(
                id=row.id,
                title=row.title,
                tenant=row.tenant,
                by=person(row.author, known),
                state=STATE_WORDS[row.state],
                count=counts.get(row.id, 0),
                at=row.updated_at,
                revision=row.published_revision,
                flagged=row.flagged,
            )
            for row in found
        ]

    return page_of(request, seen, rows)


def _edit(base: Published, row: ChangeRequest, edit: Edit) -> EditShown:
    after = None if edit.deletes else edit.source
    return EditShown(
        edit=edit,
        name=named(edit.identity) if edit.kind else edit.name,
        url=text_url(row, edit),
        lines=compare.lines(edit.before, after),
        story=_story(base, edit),
    )


def _story(base: Published, edit: Edit) -> words.Story | None:
    before: Document | None = None
    if edit.before is not None:
        try:
            before = document_of(edit.identity, edit.before)
        except InvalidDocuments:
            return None
    after = after_of(edit)
    if edit.problems or (before is None and after is None):
        return None
    currency = str(organisation(base.documents).get("currency", ""))
    return words.story(edit.identity, before, after, currency)


def _needs(found: Standing) -> list[NeedShown]:
    left: Mapping[str, Need] = {need.kind: need for need in found.missing}
    return [
        NeedShown(
            kind=need.kind,
            count=need.count,
            roles=" or ".join(need.roles),
            missing=left[need.kind].count if need.kind in left else 0,
        )
        for need in found.needs
    ]


def _entries(row: ChangeRequest) -> list[Entry]:
    """What the log says of it, newest first."""
    wanted = log.Filter(groups=(Group.POLICY,), subject=row.subject, since=row.created_at)
    return list(log.matching(wanted).order_by("-id")[:_HISTORY])


def _may_have_shadow(entries: Sequence[Entry]) -> bool:
    """Whether a shadow of it was ever begun; where the log is longer than what was read, perhaps."""
    return len(entries) == _HISTORY or any(entry.kind == "shadow.started" for entry in entries)


def _history(entries: Sequence[Entry], known: Mapping[str, str]) -> list[Happened]:
    bodies = [(entry, json.loads(bytes(entry.body))) for entry in entries]
    return [
        Happened(
            KINDS[entry.kind].title,
            person(said["actor"], known),
            uuid7_time(entry.id),
            str(said["data"].get("reason", "")),
            entry.id,
        )
        for entry, said in bodies
    ]
