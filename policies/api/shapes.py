"""How change requests, revisions and versions are written as JSON, and what the schema says of them."""

from collections.abc import Iterable
from typing import Any

from rest_framework import serializers

from controlplane.kernel.clock import to_text
from policies.api.glass_shape import GlassSerializer
from policies.bundles.past import Version
from policies.bundles.rules import Need
from policies.changes import compare
from policies.changes.models import STATES, Approval, ChangeRequest, Check, Edit
from policies.changes.read import Standing
from policies.changes.seen import DELETED, digest
from policies.changes.texts import file_name

ORIGINS = ("git", "console")


class ProblemSerializer(serializers.Serializer[Any]):
    """One error at its place."""

    file = serializers.CharField()
    line = serializers.IntegerField()
    column = serializers.IntegerField()
    path = serializers.CharField(allow_blank=True)
    message = serializers.CharField()


class EditSerializer(serializers.Serializer[Any]):
    """What a change request does to one document. `problems` says why its text cannot be read."""

    kind = serializers.CharField(allow_blank=True)
    tenant = serializers.CharField(allow_blank=True)
    name = serializers.CharField()
    deletes = serializers.BooleanField()
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment] # DRF's metaclass takes fields off the class
    diff = serializers.CharField(allow_blank=True)
    digest = serializers.CharField(
        help_text="of the text; `If-Match` with it refuses a save over what another wrote since"
    )
    problems = ProblemSerializer(many=True)
    writtenBy = serializers.CharField()  # noqa: N815 - the API's spelling
    editedBy = serializers.CharField()  # noqa: N815 - the API's spelling


class CheckSerializer(serializers.Serializer[Any]):
    """The newest result of one check."""

    kind = serializers.CharField()
    ok = serializers.BooleanField()
    told = serializers.CharField(allow_blank=True)
    problems = ProblemSerializer(many=True)
    over = serializers.IntegerField(help_text="the revision it was checked over")
    checkedAt = serializers.DateTimeField()  # noqa: N815 - the API's spelling


class NeedSerializer(serializers.Serializer[Any]):
    """So many people with one of these roles, for one kind."""

    kind = serializers.CharField()
    count = serializers.IntegerField()
    roles = serializers.ListField(child=serializers.CharField())


class ApprovalSerializer(serializers.Serializer[Any]):
    """One yes. A dismissed one counts no more."""

    actor = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    reason = serializers.CharField(allow_blank=True)
    flagged = serializers.BooleanField()
    base = serializers.IntegerField()
    digest = serializers.CharField()
    replay = serializers.CharField(allow_blank=True)
    givenAt = serializers.DateTimeField()  # noqa: N815 - the API's spelling
    dismissedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815 - the API's spelling


class ChangeHead(serializers.Serializer[Any]):
    """One line of the list."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    tenant = serializers.CharField(allow_blank=True)
    state = serializers.ChoiceField(choices=STATES)
    origin = serializers.ChoiceField(choices=ORIGINS)
    base = serializers.IntegerField()
    digest = serializers.CharField()
    author = serializers.CharField()
    lastEditor = serializers.CharField()  # noqa: N815 - the API's spelling
    note = serializers.CharField(allow_blank=True)
    publishAt = serializers.DateTimeField(allow_null=True)  # noqa: N815 - the API's spelling
    heldBack = serializers.CharField(  # noqa: N815 - the API's spelling
        allow_blank=True, help_text="why it was not published when its time came"
    )
    rollbackOf = serializers.IntegerField(allow_null=True)  # noqa: N815 - the API's spelling
    revision = serializers.IntegerField(allow_null=True)
    flagged = serializers.BooleanField()
    createdAt = serializers.DateTimeField()  # noqa: N815 - the API's spelling
    updatedAt = serializers.DateTimeField()  # noqa: N815 - the API's spelling


class ChangeBody(ChangeHead):
    """One change request with its edits, checks and approvals. `refusal` says why the asker may not approve it; empty: may."""

    replay = serializers.CharField(
        allow_blank=True, help_text="the digest of its newest finished replay; an approval names it"
    )
    edits = EditSerializer(many=True)
    checks = CheckSerializer(many=True)
    needs = NeedSerializer(many=True)
    missing = NeedSerializer(many=True)
    approvals = ApprovalSerializer(many=True)
    conflicts = serializers.ListField(child=serializers.CharField())
    refusal = serializers.CharField(allow_blank=True)
    glass = GlassSerializer(allow_null=True)


class ChangeList(serializers.Serializer[Any]):
    """Change requests, newest first."""

    items = ChangeHead(many=True)
    next = serializers.CharField(allow_null=True)


class VersionSerializer(serializers.Serializer[Any]):
    """One version of a document, with the revision and, for who may see it, the change request that brought it."""

    number = serializers.IntegerField()
    revision = serializers.IntegerField()
    what = serializers.ChoiceField(choices=["created", "changed", "deleted"])
    actor = serializers.CharField()
    origin = serializers.CharField()
    at = serializers.DateTimeField()
    change = serializers.UUIDField(allow_null=True)
    source = serializers.CharField()  # type: ignore[assignment] # DRF's metaclass takes fields off the class
    diff = serializers.CharField(allow_blank=True)


class VersionList(serializers.Serializer[Any]):
    """Versions, newest first."""

    items = VersionSerializer(many=True)


def head(row: ChangeRequest) -> dict[str, Any]:
    """One line of the list."""
    return {
        "id": str(row.id),
        "title": row.title,
        "reason": row.reason,
        "tenant": row.tenant,
        "state": row.state,
        "origin": row.origin,
        "base": row.base,
        "digest": row.digest,
        "author": row.author,
        "lastEditor": row.last_editor,
        "note": row.note,
        "publishAt": to_text(row.publish_at) if row.publish_at else None,
        "heldBack": row.held_back,
        "rollbackOf": row.rollback_of,
        "revision": row.published_revision,
        "flagged": row.flagged,
        "createdAt": to_text(row.created_at),
        "updatedAt": to_text(row.updated_at),
    }


def edit(row: Edit) -> dict[str, Any]:
    """One edit, with its difference to the base."""
    file = file_name(row.identity)
    after = None if row.deletes else row.source
    return {
        "kind": row.kind,
        "tenant": row.tenant,
        "name": row.name,
        "deletes": row.deletes,
        "source": row.source,
        "diff": compare.text(row.before, after, file),
        "digest": DELETED if row.deletes else digest(row.source),
        "problems": [_problem([file, *problem]) for problem in row.problems],
        "writtenBy": row.written_by,
        "editedBy": row.edited_by,
    }


def check(row: Check) -> dict[str, Any]:
    """One check."""
    return {
        "kind": row.kind,
        "ok": row.ok,
        "told": row.told,
        "problems": [_problem(problem) for problem in row.problems],
        "over": row.base,
        "checkedAt": to_text(row.checked_at),
    }


def standing(found: Standing, every: Iterable[Approval], refusal: str) -> dict[str, Any]:
    """What is needed, given and missing."""
    return {
        "needs": [_need(need) for need in found.needs],
        "missing": [_need(need) for need in found.missing],
        "approvals": [_approval(row) for row in every],
        "refusal": refusal,
    }


def version(found: Version, older: Version | None, change: str | None) -> dict[str, Any]:
    """One version, and how it differs from the one before."""
    gone = found.what == "deleted"
    before = older.source if older is not None and older.what != "deleted" else None
    return {
        "number": found.number,
        "revision": found.revision,
        "what": found.what,
        "actor": found.actor,
        "origin": found.origin,
        "at": to_text(found.at),
        "change": change,
        "source": found.source,
        "diff": compare.text(before, None if gone else found.source, "document.yaml"),
    }


def _problem(found: list[Any]) -> dict[str, Any]:
    return dict(zip(("file", "line", "column", "path", "message"), found, strict=True))


def _need(need: Need) -> dict[str, Any]:
    return {"kind": need.kind, "count": need.count, "roles": list(need.roles)}


def _approval(row: Approval) -> dict[str, Any]:
    return {
        "actor": row.actor,
        "roles": row.roles,
        "reason": row.reason,
        "flagged": row.flagged,
        "base": row.base,
        "digest": row.digest,
        "replay": row.replay,
        "givenAt": to_text(row.given_at),
        "dismissedAt": to_text(row.dismissed_at) if row.dismissed_at else None,
    }
