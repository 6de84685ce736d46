"""`/api/v1/change-requests/{id}/shadow/`: a draft that decides beside the bundle in force."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import ApiView
from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import NotFound
from controlplane.kernel.ids import call_name
from controlplane.kernel.principal import Principal
from policies.changes import access, shadows
from policies.changes.models import Shadow


class Hours(serializers.Serializer[Any]):
    """For how long."""

    hours = serializers.IntegerField(min_value=1, max_value=shadows.MOST_HOURS)


COUNTED = ("calls", "denied", "held", "permitted", "rerouted", "altered", "undecidable")


class ShadowCounts(serializers.Serializer[Any]):
    """What would have been different, of the calls that came in since."""

    calls = serializers.IntegerField()
    denied = serializers.IntegerField()
    held = serializers.IntegerField()
    permitted = serializers.IntegerField()
    rerouted = serializers.IntegerField()
    altered = serializers.IntegerField()
    undecidable = serializers.IntegerField()


class ShadowSample(serializers.Serializer[Any]):
    """One call that would have been different, in words without content."""

    call = serializers.CharField()
    tenant = serializers.CharField()
    route = serializers.CharField()
    kind = serializers.CharField()
    before = serializers.CharField()
    after = serializers.CharField()
    rule = serializers.CharField(allow_blank=True)


class ShadowBody(serializers.Serializer[Any]):
    """One shadow: `told` says why it ended."""

    running = serializers.BooleanField()
    actor = serializers.CharField()
    base = serializers.IntegerField()
    content = serializers.CharField()
    startedAt = serializers.DateTimeField()  # noqa: N815 - the API's spelling
    until = serializers.DateTimeField()
    endedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815 - the API's spelling
    told = serializers.CharField(allow_blank=True)
    counts = ShadowCounts()
    samples = ShadowSample(many=True)


class ShadowOf(ApiView):
    """The newest shadow of a change request."""

    @extend_schema(operation_id="change_requests_shadow", responses=ShadowBody)
    def get(self, request: Request, change: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """What it found so far, of what one may see."""
        found = shadows.newest(access.get(self.principal, change))
        if found is None:
            raise NotFound("no draft of this change request decided beside the bundle in force yet")
        return Response(_body(self.principal, found))

    @extend_schema(
        operation_id="change_requests_shadow_start", request=Hours, responses={201: ShadowBody}
    )
    def post(self, request: Request, change: UUID) -> Response:
        """Begin one, for some hours. No caller notices."""
        asked = Hours(data=request.data)
        asked.is_valid(raise_exception=True)
        found = shadows.start(self.principal, change, asked.validated_data["hours"])
        return Response(_body(self.principal, found), status=201)

    @extend_schema(operation_id="change_requests_shadow_stop", responses=ShadowBody)
    def delete(self, request: Request, change: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """End the one that runs; what it found stays."""
        return Response(_body(self.principal, shadows.stop(self.principal, change)))


def _body(principal: Principal, row: Shadow) -> dict[str, Any]:
    found = shadows.seen(principal, row)
    return {
        "running": row.running,
        "actor": row.actor,
        "base": row.base,
        "content": row.content,
        "startedAt": to_text(row.started_at),
        "until": to_text(row.until),
        "endedAt": to_text(row.ended_at) if row.ended_at else None,
        "told": row.told,
        "counts": {name: getattr(found.counts, name) for name in COUNTED},
        "samples": [
            {
                "call": call_name(UUID(bytes=one.call)),
                "tenant": one.tenant,
                "route": one.route,
                "kind": one.kind,
                "before": one.before,
                "after": one.after,
                "rule": one.rule,
            }
            for one in found.samples
        ],
    }
