"""`/api/v1/sessions/`: where one is signed in to the console."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import ApiView
from controlplane.kernel.clock import to_text
from policies.bundles.published import moment
from policies.identity import sessions
from policies.identity.members import end_session
from policies.identity.models import Session, User

_MOST = 100


class SessionSerializer(serializers.Serializer[Any]):
    """One session of the console; `lastUsedAt` is right to five minutes."""

    id = serializers.UUIDField()
    device = serializers.CharField()
    address = serializers.CharField(allow_blank=True)
    createdAt = serializers.DateTimeField()  # noqa: N815 - the API's spelling
    lastUsedAt = serializers.DateTimeField()  # noqa: N815 - the API's spelling


class SessionList(serializers.Serializer[Any]):
    """The hundred that were used last."""

    items = SessionSerializer(many=True)


class Sessions(ApiView):
    """One's own sessions."""

    @extend_schema(operation_id="sessions_list", responses=SessionList)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """List one's own sessions, latest used first."""
        user = User.objects.get(email=self.principal.id)
        return Response({"items": [_shown(row) for row in sessions.of(user, moment())[:_MOST]]})


class EndSession(ApiView):
    """The end of a session."""

    @extend_schema(operation_id="sessions_end", request=None, responses={204: None})
    def post(self, request: Request, session: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """End one of one's own sessions; another's is 404."""
        end_session(self.principal, User.objects.get(email=self.principal.id), session)
        return Response(status=204)


def _shown(row: Session) -> dict[str, object]:
    return {
        "id": row.public,
        "device": sessions.device(row.agent),
        "address": row.address,
        "createdAt": to_text(row.created_at),
        "lastUsedAt": to_text(row.last_used_at),
    }
