"""`/api/v1/notifications/`: what Notification documents sent, what waits, and what was given up."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import CURSOR, ApiView, page
from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import InvalidRequest
from policies.documents.money import EVENTS
from routing.notifications import access, commands
from routing.notifications.models import STATES, Delivery

# ruff: noqa: N815 - the API spells its names in camelCase, as documents do

_ASKED = {"state": STATES, "event": EVENTS}


class DeliverySerializer(serializers.Serializer[Any]):
    """One delivery. `told` is a webhook's body; `error` is why the last try failed; `failed` means that no more follow.

    Without `notification` it went to the owner of what it is about.
    """

    id = serializers.UUIDField()
    tenant = serializers.CharField(allow_blank=True)
    notification = serializers.CharField(allow_blank=True)
    event = serializers.ChoiceField(choices=EVENTS)
    way = serializers.ChoiceField(choices=["email", "webhook"])
    target = serializers.CharField()
    state = serializers.ChoiceField(choices=STATES)
    tries = serializers.IntegerField()
    error = serializers.CharField(allow_blank=True)
    madeAt = serializers.DateTimeField()
    nextAt = serializers.DateTimeField(allow_null=True)
    sentAt = serializers.DateTimeField(allow_null=True)
    told = serializers.DictField()


class DeliveryList(serializers.Serializer[Any]):
    """Deliveries, newest first."""

    items = DeliverySerializer(many=True)
    next = serializers.CharField(allow_null=True)


class Notifications(ApiView):
    """Deliveries."""

    @extend_schema(
        operation_id="notifications_list",
        responses=DeliveryList,
        parameters=[
            *CURSOR,
            *(OpenApiParameter(name, str, enum=words) for name, words in _ASKED.items()),
        ],
    )
    def get(self, request: Request) -> Response:
        """List the deliveries of the Notifications that one may see the fate of, newest first."""
        rows = access.readable(self.principal)
        for name, words in _ASKED.items():
            if asked := request.query_params.get(name):
                if asked not in words:
                    raise InvalidRequest(f'"{asked[:40]}" is no {name}; use {", ".join(words)}')
                rows = rows.filter(**{name: asked})
        return Response(page(request, rows, lambda found: [_shown(row) for row in found]))


class NotificationRepeat(ApiView):
    """A delivery that was given up, once more."""

    @extend_schema(operation_id="notifications_repeat", request=None, responses=DeliverySerializer)
    def post(self, request: Request, delivery: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """Send a delivery that was given up again, at once and then as often as a new one."""
        return Response(_shown(commands.repeat(self.principal, delivery)))


def _shown(row: Delivery) -> dict[str, object]:
    return {
        "id": str(row.id),
        "tenant": row.tenant,
        "notification": row.document,
        "event": row.event,
        "way": row.way,
        "target": row.target,
        "state": row.state,
        "tries": row.tries,
        "error": row.error,
        "madeAt": to_text(row.made_at),
        "nextAt": to_text(row.next_at) if row.state == "waiting" else None,
        "sentAt": to_text(row.sent_at) if row.sent_at else None,
        "told": row.told,
    }
