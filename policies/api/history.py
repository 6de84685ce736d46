"""`/api/v1/bundles/{revision}/…`, a document's history and uses, and the schema of each kind."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import MOST_ROWS, ApiView, limit_of
from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import InvalidRequest, NotFound
from policies.api import shapes
from policies.api.changes import TENANT, Said, body
from policies.api.once import KEY, answered
from policies.bundles import access
from policies.bundles.past import sources_at, versions
from policies.bundles.published import Published, at_revision, published
from policies.bundles.read import published_documents
from policies.bundles.uses import uses
from policies.changes import compare, publishing
from policies.changes.access import visible
from policies.changes.texts import file_name
from policies.documents.document import Identity
from policies.documents.kinds import KINDS, json_schema

MOST_REVISION = 10**15


class BundleHead(serializers.Serializer[Any]):
    """One revision, with the change request that brought it where the asker may see it."""

    revision = serializers.IntegerField()
    digest = serializers.CharField()
    engine = serializers.IntegerField()
    actor = serializers.CharField()
    flagged = serializers.BooleanField()
    publishedAt = serializers.DateTimeField()  # noqa: N815 - the API's spelling
    change = serializers.UUIDField(allow_null=True)


class Changed(serializers.Serializer[Any]):
    """How one document differs between two revisions."""

    kind = serializers.CharField()
    tenant = serializers.CharField(allow_blank=True)
    name = serializers.CharField()
    what = serializers.ChoiceField(choices=["created", "changed", "deleted"])
    diff = serializers.CharField()


class BundleDiff(serializers.Serializer[Any]):
    """Everything that one may see and that differs."""

    # `from` is a word of Python
    revision = serializers.IntegerField()
    items = Changed(many=True)


class UseSerializer(serializers.Serializer[Any]):
    """A document that refers to another, and where."""

    kind = serializers.CharField()
    tenant = serializers.CharField(allow_blank=True)
    name = serializers.CharField()
    path = serializers.CharField()
    line = serializers.IntegerField()


class UseList(serializers.Serializer[Any]):
    """Where a document is used."""

    items = UseSerializer(many=True)


class OneBundle(ApiView):
    """One revision."""

    @extend_schema(operation_id="bundles_read", responses=BundleHead)
    def get(self, request: Request, revision: int) -> Response:  # noqa: ARG002 - DRF's signature
        """Read what is known of a revision."""
        found = _revision(revision)
        row = visible(self.principal).filter(published_revision=revision).first()
        return Response(
            {
                "revision": found.revision,
                "digest": found.digest,
                "engine": found.engine,
                "actor": found.actor,
                "flagged": found.flagged,
                "publishedAt": to_text(found.published_at) if found.published_at else None,
                "change": str(row.id) if row else None,
            }
        )


class Rollback(ApiView):
    """Going back."""

    @extend_schema(
        operation_id="bundles_rollback",
        request=Said,
        responses={201: shapes.ChangeBody},
        parameters=[KEY],
    )
    def post(self, request: Request, revision: int) -> Response:
        """Hand in a new change request whose content is this revision's documents."""
        asked = Said(data=request.data)
        asked.is_valid(raise_exception=True)

        def work() -> tuple[int, Any]:
            row = publishing.rollback(
                self.principal, _number(revision), asked.validated_data["reason"]
            )
            return 201, body(self.principal, row.id)

        return answered(request, self.principal, work)


class Diff(ApiView):
    """What differs between two revisions."""

    @extend_schema(
        operation_id="bundles_diff",
        responses=BundleDiff,
        parameters=[OpenApiParameter("from", int, description="by default the revision before")],
    )
    def get(self, request: Request, revision: int) -> Response:
        """Compare the documents that one may see, as their authors wrote them."""
        after = _revision(revision)
        text = request.query_params.get("from", str(revision - 1))
        if not text.isascii() or not text.isdigit() or len(text) > 15:
            raise InvalidRequest(f'"{text[:20]}" is no revision')
        before = int(text)
        first = _revision(before) if before else None
        seen = set(_seen(self, after)) | set(_seen(self, first) if first else ())
        old, new = sources_at(before), sources_at(revision)
        items = [
            _changed(identity, old.get(identity), new.get(identity))
            for identity in sorted(seen)
            if old.get(identity) != new.get(identity)
        ]
        return Response({"revision": revision, "items": items})


class History(ApiView):
    """A document's history."""

    @extend_schema(
        operation_id="documents_history",
        responses=shapes.VersionList,
        parameters=[TENANT, OpenApiParameter("limit", int, description=f"at most {MOST_ROWS}")],
    )
    def get(self, request: Request, kind: str, name: str) -> Response:
        """List its versions, newest first, each with its text and its difference to the one before."""
        tenant = request.query_params.get("tenant", "")
        access.document(self.principal, published(), kind, tenant, name)
        found = list(versions((kind, tenant, name)))
        brought = dict(
            visible(self.principal)
            .filter(published_revision__in=[v.revision for v in found])
            .values_list("published_revision", "id")
        )
        older = [*found[1:], None]
        items = [
            shapes.version(one, before, _hex(brought.get(one.revision)))
            for one, before in zip(found, older, strict=True)
        ]
        return Response({"items": items[: limit_of(request)]})


class Uses(ApiView):
    """Where a document is used."""

    @extend_schema(operation_id="documents_uses", responses=UseList, parameters=[TENANT])
    def get(self, request: Request, kind: str, name: str) -> Response:
        """List what refers to it, of what one may see."""
        tenant, found = request.query_params.get("tenant", ""), published()
        access.document(self.principal, found, kind, tenant, name)
        seen = {(d.kind, d.tenant, d.name) for d in access.documents(self.principal, found)}
        items = [
            dict(zip(("kind", "tenant", "name"), use.identity, strict=True))
            | {"path": use.path, "line": use.line}
            for use in uses(published_documents().documents, (kind, tenant, name))
            if use.identity in seen
        ]
        return Response({"items": items})


class Schema(ApiView):
    """The JSON Schema of one kind of document."""

    @extend_schema(operation_id="schemas_read", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, kind: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Read it, for editors and pipelines."""
        if kind not in KINDS:
            raise NotFound(f"there is no such kind; known: {', '.join(KINDS)}")
        return Response(json_schema(kind))


def _number(revision: int) -> int:
    if revision > MOST_REVISION:
        raise NotFound("that revision was never published")
    return revision


def _revision(revision: int) -> Published:
    found = at_revision(_number(revision))
    if found is None:
        raise NotFound(f"revision {revision} was never published")
    return found


def _seen(view: ApiView, found: Published) -> list[Identity]:
    return [(d.kind, d.tenant, d.name) for d in access.documents(view.principal, found)]


def _changed(identity: Identity, old: str | None, new: str | None) -> dict[str, Any]:
    kind, tenant, name = identity
    what = "created" if old is None else "deleted" if new is None else "changed"
    diff = compare.text(old, new, file_name(identity))
    return {"kind": kind, "tenant": tenant, "name": name, "what": what, "diff": diff}


def _hex(found: UUID | None) -> str | None:
    return str(found) if found else None
