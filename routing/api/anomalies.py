"""`/api/v1/anomalies/`: spend that broke its pattern, and the cap of one click. As on the page, for whom the page is."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import CURSOR, ApiView, given, page
from controlplane.kernel.clock import to_text
from controlplane.kernel.ids import call_name
from controlplane.kernel.money import format_nano
from policies.bundles.published import published
from routing.anomalies import access, capping
from routing.anomalies.models import Anomaly

# ruff: noqa: N815 - the API spells its names in camelCase, as documents do


class CapWanted(serializers.Serializer[Any]):
    """`limit`: what the key may spend more (exact decimal, the organisation's currency), for so many hours."""

    limit = serializers.CharField(max_length=40)
    hours = serializers.IntegerField(min_value=1, max_value=capping.MOST_HOURS)


class CapSerializer(serializers.Serializer[Any]):
    """The cap that was set: the Budget's name, by whom, until when; `endedAt` once it is gone."""

    budget = serializers.CharField()
    by = serializers.CharField()
    until = serializers.DateTimeField(allow_null=True)
    endedAt = serializers.DateTimeField(allow_null=True)


class AnomalySerializer(serializers.Serializer[Any]):
    """One pattern that broke. `spent`: of the ten minutes in which it was found; `cost`: since it broke."""

    id = serializers.UUIDField()
    tenant = serializers.CharField()
    team = serializers.CharField()
    key = serializers.CharField()
    route = serializers.CharField()
    owner = serializers.CharField(allow_blank=True)
    foundAt = serializers.DateTimeField()
    endedAt = serializers.DateTimeField(allow_null=True)
    firstCall = serializers.CharField()
    calls = serializers.IntegerField()
    spent = serializers.CharField()
    usual = serializers.CharField()
    threshold = serializers.CharField()
    cost = serializers.CharField()
    currency = serializers.CharField()
    cap = CapSerializer(allow_null=True)


class AnomalyList(serializers.Serializer[Any]):
    """Anomalies, newest first."""

    items = AnomalySerializer(many=True)
    next = serializers.CharField(allow_null=True)


class Anomalies(ApiView):
    """What broke its pattern."""

    @extend_schema(operation_id="anomalies_list", responses=AnomalyList, parameters=[*CURSOR])
    def get(self, request: Request) -> Response:
        """List the anomalies of the tenants whose money one reads, and of the own teams."""
        access.require_read(self.principal)
        currency = published().currency
        rows = access.visible(self.principal)
        return Response(page(request, rows, lambda some: [_shown(row, currency) for row in some]))


class OneAnomaly(ApiView):
    """One of them."""

    @extend_schema(operation_id="anomalies_read", responses=AnomalySerializer)
    def get(self, request: Request, anomaly: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """What it cost so far, and its cap."""
        return Response(_shown(access.one(self.principal, anomaly), published().currency))


class CapAnomaly(ApiView):
    """One call that caps its key."""

    @extend_schema(
        operation_id="anomalies_cap", request=CapWanted, responses={201: AnomalySerializer}
    )
    def post(self, request: Request, anomaly: UUID) -> Response:
        """Publish a budget on its key alone, at once and flagged; it goes by itself. 409 where it is capped already."""
        said = given(request, CapWanted)
        row = capping.cap(self.principal, anomaly, said["limit"], said["hours"])
        return Response(_shown(row, published().currency), status=201)


def _shown(row: Anomaly, currency: str) -> dict[str, object]:
    cap = {
        "budget": row.cap,
        "by": row.cap_by,
        "until": to_text(row.cap_until) if row.cap_until else None,
        "endedAt": to_text(row.cap_ended_at) if row.cap_ended_at else None,
    }
    return {
        "id": str(row.id),
        "tenant": row.tenant,
        "team": row.team,
        "key": row.key,
        "route": row.route,
        "owner": row.owner,
        "foundAt": to_text(row.found_at),
        "endedAt": to_text(row.ended_at) if row.ended_at else None,
        "firstCall": call_name(row.first_call),
        "calls": row.calls,
        "spent": format_nano(row.spent_nano),
        "usual": format_nano(row.usual_nano),
        "threshold": format_nano(row.threshold_nano),
        "cost": format_nano(row.cost_nano),
        "currency": currency,
        "cap": cap if row.cap else None,
    }
