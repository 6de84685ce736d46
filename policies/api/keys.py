"""`/api/v1/keys/` and `/api/v1/tokens/`: what callers and scripts show. A secret is in one answer, once."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import CURSOR, ApiView
from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import InvalidRequest, NotFound
from controlplane.kernel.principal import Principal
from policies.api.once import SECRET_KEY, answered
from policies.api.pages import newest
from policies.bundles.people import routes_of
from policies.bundles.published import published
from policies.identity import commands, read
from policies.identity.credentials import Credential
from policies.identity.models import ApiKey, Token, User
from policies.order.lock import mandate_now

_DAYS = {"min_value": 1, "max_value": 3650, "required": False, "allow_null": True, "default": None}


class KeyWanted(serializers.Serializer[Any]):
    """A key to make. Without `routes` it may call every route of its tenant; without `days` it has no end."""

    tenant = serializers.CharField()
    team = serializers.CharField()
    name = serializers.CharField(allow_blank=True, required=False, default="", max_length=60)
    labels = serializers.DictField(
        child=serializers.CharField(allow_blank=True, max_length=63), required=False, default=dict
    )
    routes = serializers.ListField(child=serializers.CharField(), required=False, default=list)
    days = serializers.IntegerField(**_DAYS)  # type: ignore[arg-type] # a dict of its options


class KeySerializer(serializers.Serializer[Any]):
    """One key, without its secret."""

    id = serializers.CharField()
    tenant = serializers.CharField()
    team = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    labels = serializers.DictField(child=serializers.CharField())
    routes = serializers.ListField(child=serializers.CharField())
    state = serializers.ChoiceField(choices=list(read.STATES))
    createdAt = serializers.DateTimeField()  # noqa: N815 - the API's spelling
    createdBy = serializers.CharField()  # noqa: N815 - the API's spelling
    expiresAt = serializers.DateTimeField(allow_null=True)  # noqa: N815 - the API's spelling
    revokedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815 - the API's spelling
    lastUsedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815 - the API's spelling
    replaces = serializers.CharField(allow_blank=True)


class KeyMade(KeySerializer):
    """A new key; `key` is shown only now."""

    key = serializers.CharField()


class KeyList(serializers.Serializer[Any]):
    """Keys, newest first."""

    items = KeySerializer(many=True)
    next = serializers.CharField(allow_null=True)


class Overlap(serializers.Serializer[Any]):
    """How long the old key still works."""

    overlapHours = serializers.FloatField(  # noqa: N815 - the API's spelling
        min_value=0, max_value=2160, required=False, default=24.0
    )


class Reason(serializers.Serializer[Any]):
    """Why: it stands in the log."""

    reason = serializers.CharField(max_length=200)


class TokenWanted(serializers.Serializer[Any]):
    """A personal token to make."""

    name = serializers.CharField(allow_blank=True, required=False, default="", max_length=60)
    days = serializers.IntegerField(**_DAYS)  # type: ignore[arg-type] # a dict of its options


class TokenSerializer(serializers.Serializer[Any]):
    """One personal token, without its secret."""

    id = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    state = serializers.ChoiceField(choices=list(read.STATES))
    createdAt = serializers.DateTimeField()  # noqa: N815 - the API's spelling
    expiresAt = serializers.DateTimeField(allow_null=True)  # noqa: N815 - the API's spelling
    revokedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815 - the API's spelling


class TokenMade(TokenSerializer):
    """A new token; `token` is shown only now."""

    token = serializers.CharField()


class TokenList(serializers.Serializer[Any]):
    """One's own tokens, newest first."""

    items = TokenSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class Keys(ApiView):
    """API keys."""

    @extend_schema(
        operation_id="keys_list",
        responses=KeyList,
        parameters=[
            *CURSOR,
            OpenApiParameter("tenant", str),
            OpenApiParameter("team", str),
            OpenApiParameter("state", str, enum=list(read.STATES)),
        ],
    )
    def get(self, request: Request) -> Response:
        """List the keys that one may read."""
        rows, now = read.keys(self.principal), mandate_now()
        for name in ("tenant", "team"):
            if asked := plain(request, name):
                rows = rows.filter(**{name: asked})
        if state := plain(request, "state"):
            if state not in read.STATES:
                raise InvalidRequest(f'"{state[:20]}" is no state of a key')
            rows = rows.filter(read.in_state(state, now))
        return Response(newest(request, rows, lambda found: [shown_key(row, now) for row in found]))

    @extend_schema(
        operation_id="keys_create",
        request=KeyWanted,
        responses={201: KeyMade},
        parameters=[SECRET_KEY],
    )
    def post(self, request: Request) -> Response:
        """Make a key for a team: by its developers, or an admin."""
        asked = KeyWanted(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        wanted = commands.NewKey(
            tenant=given["tenant"],
            team=given["team"],
            name=given["name"],
            labels=given["labels"],
            scopes=tuple(given["routes"]),
            expires_at=ends_after(given["days"]),
            routes=frozenset(route.name for route in routes_of(published(), given["tenant"])),
        )
        return _made(request, self.principal, lambda: commands.create_key(self.principal, wanted))


class OneKey(ApiView):
    """One API key."""

    @extend_schema(operation_id="keys_read", responses=KeySerializer)
    def get(self, request: Request, key: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Read one key; another tenant's is 404."""
        return Response(shown_key(read.key(self.principal, key), mandate_now()))


class RotateKey(ApiView):
    """The next key of the same settings."""

    @extend_schema(
        operation_id="keys_rotate",
        request=Overlap,
        responses={201: KeyMade},
        parameters=[SECRET_KEY],
    )
    def post(self, request: Request, key: str) -> Response:
        """Make it; the old one ends after the overlap."""
        asked = Overlap(data=request.data)
        asked.is_valid(raise_exception=True)
        overlap = timedelta(hours=asked.validated_data["overlapHours"])
        return _made(
            request, self.principal, lambda: commands.rotate_key(self.principal, key, overlap)
        )


class RevokeKey(ApiView):
    """The end of a key."""

    @extend_schema(operation_id="keys_revoke", request=Reason, responses=KeySerializer)
    def post(self, request: Request, key: str) -> Response:
        """End a key from this commit on."""
        commands.revoke_key(self.principal, key, reason_of(request))
        return Response(shown_key(ApiKey.objects.get(pk=key), mandate_now()))


class Tokens(ApiView):
    """One's own personal tokens."""

    @extend_schema(operation_id="tokens_list", responses=TokenList, parameters=[*CURSOR])
    def get(self, request: Request) -> Response:
        """List one's own tokens."""
        rows, now = Token.objects.filter(user=self._user()), mandate_now()
        return Response(newest(request, rows, lambda found: [_token(row, now) for row in found]))

    @extend_schema(
        operation_id="tokens_create",
        request=TokenWanted,
        responses={201: TokenMade},
        parameters=[SECRET_KEY],
    )
    def post(self, request: Request) -> Response:
        """Make a token that acts with one's own roles."""
        asked = TokenWanted(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        user, ends = self._user(), ends_after(given["days"])

        def work() -> tuple[int, Any]:
            made = commands.create_token(self.principal, user, name=given["name"], expires_at=ends)
            row = Token.objects.get(pk=made.id)
            return 201, {**_token(row, mandate_now()), "token": made.shown}

        return answered(request, self.principal, work, "token")

    def _user(self) -> User:
        return User.objects.get(email=self.principal.id)


class RevokeToken(ApiView):
    """The end of a token."""

    @extend_schema(operation_id="tokens_revoke", request=None, responses=TokenSerializer)
    def post(self, request: Request, token: str) -> Response:  # noqa: ARG002 - DRF's signature
        """End a token: one's own, or as an admin another's."""
        commands.revoke_token(self.principal, token)
        return Response(_token(Token.objects.get(pk=token), mandate_now()))


def reason_of(request: Request) -> str:
    """The reason in a body. Raises DRF's ValidationError without one."""
    asked = Reason(data=request.data)
    asked.is_valid(raise_exception=True)
    return str(asked.validated_data["reason"])


def plain(request: Request, name: str) -> str:
    """A text among the query's parameters; PostgreSQL takes no zero byte."""
    text = request.query_params.get(name, "")
    if "\0" in text:
        raise NotFound(f"there is no such {name}")
    return str(text)


def ends_after(days: int | None) -> datetime | None:
    """So many days from now; none has no end."""
    return None if days is None else mandate_now() + timedelta(days=days)


def shown_key(row: ApiKey, now: datetime) -> dict[str, object]:
    """A key as the API tells it."""
    return {
        "id": row.id,
        "tenant": row.tenant,
        "team": row.team,
        "name": row.name,
        "labels": row.labels,
        "routes": row.scopes,
        "state": read.state_of(row, now),
        "createdAt": to_text(row.created_at),
        "createdBy": row.created_by,
        "expiresAt": _text(row.expires_at),
        "revokedAt": _text(row.revoked_at),
        "lastUsedAt": _text(row.last_used_at),
        "replaces": row.replaces,
    }


def _made(request: Request, principal: Principal, make: Callable[[], Credential]) -> Response:
    def work() -> tuple[int, Any]:
        made = make()
        row = shown_key(ApiKey.objects.get(pk=made.id), mandate_now())
        return 201, {**row, "key": made.shown}

    return answered(request, principal, work, "key")


def _token(row: Token, now: datetime) -> dict[str, object]:
    return {
        "id": row.id,
        "name": row.name,
        "state": read.state_of(row, now),
        "createdAt": to_text(row.created_at),
        "expiresAt": _text(row.expires_at),
        "revokedAt": _text(row.revoked_at),
    }


def _text(at: datetime | None) -> str | None:
    return to_text(at) if at else None
