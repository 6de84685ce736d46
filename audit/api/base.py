"""What every API view shares: who asks, how often, and pages by cursor. Authentication comes before the method check."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter
from redis.exceptions import RedisError
from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.principal import Principal

PAGE_ROWS, MOST_ROWS = 50, 200
Table = TypeVar("Table", bound=Model)
CURSOR = (
    OpenApiParameter("cursor", str, description="`next` of the page before"),
    OpenApiParameter("limit", int, description=f"rows of a page, at most {MOST_ROWS}"),
)


class Asker:
    """DRF's user: the Principal that `controlplane/middleware.py` found."""

    is_authenticated = True

    def __init__(self, principal: Principal) -> None:
        self.principal = principal

    @property
    def pk(self) -> str:
        """Whom throttles count."""
        return self.principal.actor


class PrincipalAuthentication(SessionAuthentication):
    """A personal token or an API key as Bearer token, else the console's session with its CSRF token."""

    def authenticate(self, request: Request) -> tuple[Asker, str] | None:
        """The asker and how they showed who they are."""
        django = request._request  # noqa: SLF001 - DRF keeps Django's request there
        principal = getattr(django, "principal", None)
        if principal is None:
            return None
        by = getattr(django, "shown", "session")
        if by == "session":
            self.enforce_csrf(request)
        return Asker(principal), by

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        """Makes a refusal a 401."""
        return 'Bearer realm="mandate"'


class _Scheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # drf-spectacular registers by metaclass
    target_class = "audit.api.base.PrincipalAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002 - the framework's signature
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A personal token `mdp_…`. An API key `mdt_…` reads and cancels its own team's calls.",
        }


class Members(BasePermission):
    """Members only; a view that sets `keys` answers API keys too."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """401 for nobody, 403 for a key where keys are not answered."""
        asker = request.user
        if not isinstance(asker, Asker):
            raise NotAuthenticated("show a personal token as Bearer token, or sign in")
        return asker.principal.kind == "member" or bool(getattr(view, "keys", False))


class Often(SimpleRateThrottle):
    """600 requests a minute for each member or key, counted in Redis; nobody is turned away because Redis is."""

    scope = "api"
    rate = "600/min"

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Whether there is room for one more."""
        try:
            return super().allow_request(request, view)
        except RedisError:
            return True

    def get_cache_key(self, request: Request, view: APIView) -> str | None:  # noqa: ARG002 - DRF's signature
        """Count by who asks; strangers were refused before."""
        asker = request.user
        return f"throttle:{self.scope}:{asker.pk}" if isinstance(asker, Asker) else None


class Rarely(Often):
    """60 a minute: what starts a process or computes much."""

    scope = "api-heavy"
    rate = "60/min"


class ApiView(APIView):
    """The base of every view under `/api/v1/`."""

    authentication_classes = [PrincipalAuthentication]
    permission_classes = [Members]
    throttle_classes = [Often]
    keys = False

    @property
    def principal(self) -> Principal:
        """Who asks."""
        asker = self.request.user
        if not isinstance(asker, Asker):
            raise NotAuthenticated
        return asker.principal


class Making(ApiView):
    """A list of what is made, and having one made."""

    def get_throttles(self) -> list[Any]:
        """Making one computes much; looking at the list does not."""
        return [Rarely()] if self.request.method == "POST" else super().get_throttles()


def given(request: Request, shape: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """The body in this shape. Raises ValidationError."""
    asked = shape(data=request.data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def page(
    request: Request, rows: QuerySet[Table], shown: Callable[[Sequence[Table]], list[Any]]
) -> dict[str, Any]:
    """`{"items": […], "next": cursor or null}`: newest first, by id. Raises InvalidRequest for a bad cursor or limit."""
    limit, before = limit_of(request), cursor_of(request)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-pk")[: limit + 1])
    following = found[limit - 1].pk if len(found) > limit else None
    return {"items": shown(found[:limit]), "next": following.hex if following else None}


def limit_of(request: Request) -> int:
    """How many rows are wanted."""
    text = request.query_params.get("limit", str(PAGE_ROWS))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_ROWS:
        raise InvalidRequest(f'"{text[:20]}" is no limit; use a whole number from 1 to {MOST_ROWS}')
    return int(text)


def cursor_of(request: Request) -> UUID | None:
    """After which row the page begins."""
    return uuid_of(request, "cursor")


def uuid_of(request: Request, name: str) -> UUID | None:
    """An id among the query's parameters. Raises InvalidRequest."""
    text = request.query_params.get(name, "")
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise InvalidRequest(f'{name} "{text[:60]}" is no id') from None
