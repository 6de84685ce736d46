"""`/api/v1/`: documents, bundles and stops."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import MOST_ROWS, ApiView, limit_of
from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import InvalidRequest, NotFound
from policies.api.once import KEY, answered
from policies.bundles import access
from policies.bundles.models import Bundle, Document
from policies.bundles.published import Governed, published
from policies.changes.seen import digest
from policies.stops import read
from policies.stops.commands import NewStop, lift_stop, set_stop
from policies.stops.models import KINDS, Stop
from policies.stops.targets import exists
from policies.stops.visible import get, visible

TENANT = OpenApiParameter("tenant", str, description="empty or absent: the organisation's own")


class DocumentHead(serializers.Serializer[Any]):
    """What tells one document from another."""

    kind = serializers.CharField()
    tenant = serializers.CharField(allow_blank=True)
    name = serializers.CharField()


class DocumentBody(DocumentHead):
    """One published document: its spec with every default, and the YAML as it was written."""

    revision = serializers.IntegerField()
    spec = serializers.DictField()
    source = serializers.CharField()  # type: ignore[assignment] # DRF's metaclass takes fields off the class
    digest = serializers.CharField(help_text="of `source`: what an edit that begins from it names")


class DocumentList(serializers.Serializer[Any]):
    """Every document that one may read."""

    items = DocumentHead(many=True)
    revision = serializers.IntegerField()


class BundleSerializer(serializers.Serializer[Any]):
    """One published revision."""

    revision = serializers.IntegerField()
    digest = serializers.CharField()
    engine = serializers.IntegerField()
    actor = serializers.CharField()
    flagged = serializers.BooleanField()
    publishedAt = serializers.DateTimeField()  # noqa: N815 - the API's spelling


class BundleList(serializers.Serializer[Any]):
    """Revisions, newest first."""

    items = BundleSerializer(many=True)


class StopScope(serializers.Serializer[Any]):
    """What a stop stops. `name` is empty for `everything` only."""

    kind = serializers.ChoiceField(choices=KINDS)
    tenant = serializers.CharField(allow_blank=True, required=False, default="")
    name = serializers.CharField(allow_blank=True, required=False, default="")


class StopWanted(serializers.Serializer[Any]):
    """A stop to set."""

    scope = StopScope()
    reason = serializers.CharField(max_length=200)
    until = serializers.DateTimeField(required=False, allow_null=True, default=None)


class StopSerializer(serializers.Serializer[Any]):
    """One kill switch; `liftedAt` is null while it is on."""

    id = serializers.UUIDField()
    scope = StopScope()
    reason = serializers.CharField()
    actor = serializers.CharField()
    setAt = serializers.DateTimeField()  # noqa: N815 - the API's spelling
    until = serializers.DateTimeField(allow_null=True)
    liftAskedBy = serializers.CharField(allow_blank=True)  # noqa: N815 - the API's spelling
    liftedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815 - the API's spelling
    liftedBy = serializers.CharField(allow_blank=True)  # noqa: N815 - the API's spelling


class StopList(serializers.Serializer[Any]):
    """The stops that are on, or with `state=lifted` the newest that were."""

    items = StopSerializer(many=True)


class Lifted(serializers.Serializer[Any]):
    """`asked`: another member must confirm; `lifted`: it is off."""

    outcome = serializers.ChoiceField(choices=["asked", "lifted"])


class Documents(ApiView):
    """What is published."""

    @extend_schema(
        operation_id="documents_list",
        responses=DocumentList,
        parameters=[OpenApiParameter("kind", str), TENANT],
    )
    def get(self, request: Request) -> Response:
        """List the documents that one may read."""
        found, kind, tenant = (
            published(),
            request.query_params.get("kind"),
            request.query_params.get("tenant"),
        )
        items = [
            _head(document)
            for document in access.documents(self.principal, found)
            if (not kind or document.kind == kind) and (tenant is None or document.tenant == tenant)
        ]
        return Response({"items": items, "revision": found.revision})


class OneDocument(ApiView):
    """One published document."""

    @extend_schema(operation_id="documents_read", responses=DocumentBody, parameters=[TENANT])
    def get(self, request: Request, kind: str, name: str) -> Response:
        """Read one document; another tenant's is 404."""
        tenant = request.query_params.get("tenant", "")
        one = access.document(self.principal, published(), kind, tenant, name)
        head = Document.objects.filter(kind=kind, tenant=tenant, name=name).first()
        if head is None:
            raise NotFound(f'there is no {kind} "{name}"')
        text = {"source": head.source, "digest": digest(head.source), "revision": head.revision}
        return Response({**_head(one), "spec": dict(one.spec), **text})


class Bundles(ApiView):
    """Published revisions."""

    @extend_schema(
        operation_id="bundles_list",
        responses=BundleList,
        parameters=[
            OpenApiParameter("limit", int, description=f"at most {MOST_ROWS}"),
            OpenApiParameter("before", int, description="only revisions below this one"),
        ],
    )
    def get(self, request: Request) -> Response:
        """List revisions, newest first."""
        rows = Bundle.objects.order_by("-revision")
        before = request.query_params.get("before", "")
        if before:
            if not before.isascii() or not before.isdigit() or len(before) > 18:
                raise InvalidRequest(f'"{before[:20]}" is no revision')
            rows = rows.filter(revision__lt=int(before))
        return Response(
            {"items": [_bundle(row) for row in rows.defer("text", "checked")[: limit_of(request)]]}
        )


class Stops(ApiView):
    """Kill switches."""

    @extend_schema(
        operation_id="stops_list",
        responses=StopList,
        parameters=[OpenApiParameter("state", str, enum=["on", "lifted"])],
    )
    def get(self, request: Request) -> Response:
        """List the stops that one may know of."""
        lifted = request.query_params.get("state") == "lifted"
        rows = (read.past() if lifted else read.active()).filter(visible(self.principal))
        return Response({"items": [_stop(stop) for stop in rows[:MOST_ROWS]]})

    @extend_schema(
        operation_id="stops_set",
        request=StopWanted,
        responses={201: StopSerializer},
        parameters=[KEY],
    )
    def post(self, request: Request) -> Response:
        """Set a stop; it binds at its commit."""
        asked = StopWanted(data=request.data)
        asked.is_valid(raise_exception=True)
        scope = asked.validated_data["scope"]
        wanted = NewStop(
            kind=scope["kind"],
            tenant=scope["tenant"],
            name=scope["name"],
            reason=asked.validated_data["reason"],
            until=asked.validated_data["until"],
        )
        there = exists(wanted.kind, wanted.tenant, wanted.name)
        return answered(
            request,
            self.principal,
            lambda: (201, _stop(set_stop(self.principal, wanted, exists=there))),
        )


class LiftStop(ApiView):
    """Lifting takes two."""

    @extend_schema(operation_id="stops_lift", request=None, responses=Lifted)
    def post(self, request: Request, stop: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """Ask for a stop's lifting, or confirm what another asked."""
        get(self.principal, stop)
        done = lift_stop(self.principal, stop, single_operator=published().single_operator)
        return Response({"outcome": done.value})


def _head(document: Governed) -> dict[str, object]:
    return {"kind": document.kind, "tenant": document.tenant, "name": document.name}


def _bundle(row: Bundle) -> dict[str, object]:
    return {
        "revision": row.revision,
        "digest": bytes(row.digest).hex(),
        "engine": row.engine,
        "actor": row.actor,
        "flagged": row.flagged,
        "publishedAt": to_text(row.published_at),
    }


def _stop(stop: Stop) -> dict[str, object]:
    return {
        "id": str(stop.id),
        "scope": stop.scope,
        "reason": stop.reason,
        "actor": stop.actor,
        "setAt": to_text(stop.set_at),
        "until": to_text(stop.until) if stop.until else None,
        "liftAskedBy": stop.lift_asked_by,
        "liftedAt": to_text(stop.lifted_at) if stop.lifted_at else None,
        "liftedBy": stop.lifted_by,
    }
