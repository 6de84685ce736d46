"""What every page and API request passes: a request id, security headers, and the Principal of who signed in.

Only here a member's row meets the published RoleGrants. Pages need a signed-in member; `/api/` answers for itself.
"""

from collections.abc import Callable
from http import HTTPStatus
from uuid import uuid4

import structlog
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from redis.exceptions import RedisError

from audit.ui.standing import standing
from controlplane import tampering
from controlplane.failed_sign_ins import note_failed_sign_in
from controlplane.health import healthz, readyz
from controlplane.kernel.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    MandateError,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from controlplane.kernel.principal import Principal
from controlplane.menu import (
    LOG_ROLES,
    STOP_ROLES,
    Shell,
    Work,
    held_anywhere,
    menu_for,
    roles_in_words,
)
from controlplane.problems import CONTENT_TYPE, problem
from policies.bundles.principals import principal_for, principal_of_key
from policies.bundles.published import Published, moment, one_reading, published
from policies.changes.waiting import waiting
from policies.identity.authentication import member_of_token
from policies.identity.credentials import KEY_PREFIX
from policies.identity.models import User
from policies.identity.sessions import touch
from policies.stops.read import active
from policies.stops.visible import visible
from routing.reports.reviews import waiting as held_calls
from routing.reviews.access import decides

Handler = Callable[[HttpRequest], HttpResponse]

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CSP,
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_PROBES: dict[str, Handler] = {"/healthz": healthz, "/readyz": readyz}
_PLAIN = ("/static/", "/metrics")
_SIGN_IN = "/account/login/"
_SECOND = "/account/2fa/authenticate/"
_OPEN = (_SIGN_IN, _SECOND)
_JOIN = "/join/"
_ACCOUNT = (*_OPEN, "/account/logout/", "/account/password/change/", "/account/reauthenticate/")
_FACTORS = "/account/2fa/"
_API = "/api/"
_FAILED = (HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS)
_MOST_BYTES: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
_NUL_ESCAPED = "%00"
_NUL = InvalidRequest("text cannot have the character NUL in it; take it out")
_PAGES = ((NotFound, 404), (Forbidden, 403), (Conflict, 409), (InvalidRequest, 400))


def request_id(get_response: Handler) -> Handler:
    """Name every request; the name stands in the logs, in the answer, and on error pages."""

    def middleware(request: HttpRequest) -> HttpResponse:
        name = uuid4().hex
        request.request_id = name  # type: ignore[attr-defined]  # Django types no attributes of our own
        with structlog.contextvars.bound_contextvars(request_id=name):
            response = get_response(request)
        response["x-request-id"] = name
        return response

    return middleware


def security_headers(get_response: Handler) -> Handler:
    """Set what a view has not set itself."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for name, value in _HEADERS.items():
            response.setdefault(name, value)
        if not request.path.startswith("/static/"):
            response.setdefault("cache-control", "no-store")
        return response

    return middleware


def probes(get_response: Handler) -> Handler:
    """Answer who polls us before anything else looks at the request: a probe names no host of ours and has no session."""

    def middleware(request: HttpRequest) -> HttpResponse:
        probe = _PROBES.get(request.path)
        return get_response(request) if probe is None else probe(request)

    return middleware


class Console:
    """Puts `principal` and `console` on the request, sends strangers to the sign-in page, and shows errors as pages."""

    def __init__(self, get_response: Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Let the request through when it may pass; one that changes nothing reads once what is published."""
        if request.path.startswith(_PLAIN):
            return self._get_response(request)
        if request.method in ("GET", "HEAD"):
            with one_reading() as found:
                return self._through(request, found)
        return self._through(request, published())

    def _through(self, request: HttpRequest, found: Published) -> HttpResponse:
        if request.path.startswith(_API):
            return self._api(request, found)
        principal = _principal(request, found)
        request.principal = principal  # type: ignore[attr-defined]  # Django types no attributes of our own
        request.console = _shell(request, found, principal)  # type: ignore[attr-defined]  # Django types no attributes of our own
        if principal is None and not _is_open(request.path):
            return _to_sign_in(request)
        if principal is not None and _must_enrol(request, principal):
            return redirect("mfa_activate_totp")
        if _has_nul(request):
            return _trouble(request, _NUL, _NUL.status)
        if _is_closed(request.path):
            return _trouble(request, NotFound("the console has no such page"), 404)
        with timezone.override(found.zone):
            response = self._get_response(request)
        if request.path in _OPEN and request.method == "POST" and response.status_code in _FAILED:
            _note_failed_sign_in(request)
        return response

    def _api(self, request: HttpRequest, found: Published) -> HttpResponse:
        """The API says itself what nobody gets; here it only learns who asks, and how they showed it."""
        shown = _presented(request)
        try:
            principal = _by_credential(shown, found) if shown else _principal(request, found)
        except Unauthenticated:
            principal = None
        if principal is not None and not shown and _must_enrol(request, principal):
            # a session without the second factor that its roles need opens nothing
            principal = None
        request.principal = principal  # type: ignore[attr-defined]  # Django types no attributes of our own
        if _NUL_ESCAPED in request.META["QUERY_STRING"]:
            body = problem(_NUL.status, _NUL.code, _NUL.message)
            return JsonResponse(body, status=_NUL.status, content_type=CONTENT_TYPE)
        request.shown = "credential" if shown else "session"  # type: ignore[attr-defined]  # Django types no attributes of our own
        response = self._get_response(request)
        if response.status_code >= HTTPStatus.BAD_REQUEST and _is_page(response):
            return _api_trouble(request, response.status_code)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """A refusal becomes a page in the reader's words; everything else is Django's affair."""
        if request.path.startswith(_API):
            return None
        if isinstance(error, RedisError):
            away = Unavailable("sign-ins cannot be counted just now, so none is let in; try again")
            return _trouble(request, away, away.status)
        if not isinstance(error, MandateError):
            return None
        if isinstance(error, Unauthenticated):
            return _to_sign_in(request)
        for kind, status in _PAGES:
            if isinstance(error, kind):
                return _trouble(request, error, status)
        return _trouble(request, error, error.status)


def _principal(request: HttpRequest, found: Published) -> Principal | None:
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return None
    touch(request, moment())
    return principal_for(user, found)


def _has_nul(request: HttpRequest) -> bool:
    """Whether the address or a form has what the database takes in no text."""
    if _NUL_ESCAPED in request.META["QUERY_STRING"]:
        return True
    return request.method == "POST" and any(
        "\x00" in value for _, values in request.POST.lists() for value in values
    )


def _is_open(path: str) -> bool:
    """The pages that nobody needs to be signed in for."""
    return path in _OPEN or path.startswith(_JOIN)


def _is_closed(path: str) -> bool:
    """Pages that allauth brings and the console does not have: no sign-up, no e-mail addresses to manage."""
    return path.startswith("/account/") and path not in _ACCOUNT and not path.startswith(_FACTORS)


def _must_enrol(request: HttpRequest, principal: Principal) -> bool:
    """Whether the roles of who signed in need a second factor that is not there yet (MANDATE_REQUIRE_TOTP)."""
    required: tuple[str, ...] = settings.MANDATE_REQUIRE_TOTP
    if not required or request.path.startswith("/account/"):
        return False
    if not held_anywhere(principal, required):
        return False
    enrolled: bool | None = getattr(request.user, "enrolled", None)
    return not (is_mfa_enabled(request.user) if enrolled is None else enrolled)


def _note_failed_sign_in(request: HttpRequest) -> None:
    """Who was meant, by the page's own knowledge of it."""
    typed = request.POST.get("login", "").strip().lower()
    if request.path == _SECOND:
        stage = getattr(request, "_login_stage", None)
        typed = stage.login.user.email if stage is not None else ""
    note_failed_sign_in(request.META.get("REMOTE_ADDR", ""), typed)


def _api_trouble(request: HttpRequest, status: int) -> HttpResponse:
    """Where Django answers with a page, the API answers with a problem."""
    if status == HTTPStatus.NOT_FOUND:
        detail = f'there is no address "{request.path}"; every path ends in a slash'
        body = problem(status, NotFound.code, detail)
    elif status == HTTPStatus.BAD_REQUEST and _length(request) > _MOST_BYTES:
        status, detail = TooLarge.status, f"a body has at most {_MOST_BYTES // 2**20} MiB"
        body = problem(status, TooLarge.code, detail)
    elif status < HTTPStatus.INTERNAL_SERVER_ERROR:
        detail = "the request cannot be read; send it as the schema at /api/v1/docs/ says"
        body = problem(status, InvalidRequest.code, detail)
    else:
        detail = "it is our fault, and it is in the service's log under the answer's x-request-id"
        body = problem(status, MandateError.code, detail)
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE)


def _length(request: HttpRequest) -> int:
    said = str(request.META.get("CONTENT_LENGTH") or "")
    return int(said) if said.isascii() and said.isdigit() else 0


def _is_page(response: HttpResponse) -> bool:
    return response.get("content-type", "").startswith("text/html")


def _presented(request: HttpRequest) -> str:
    """What stands in Authorization or x-api-key. Whoever shows a credential is judged by it, session or not."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    return request.headers.get("x-api-key", "").strip() or scheme


def _by_credential(shown: str, found: Published) -> Principal:
    if shown.startswith(f"{KEY_PREFIX}_"):
        return principal_of_key(shown)
    return principal_for(member_of_token(shown), found)


def _shell(request: HttpRequest, found: Published, principal: Principal | None) -> Shell:
    if principal is None:
        return Shell(organisation=found.organisation_name)
    changes = tuple(waiting(principal, found)) if principal.roles else ()
    stops = tuple(active().filter(visible(principal)))
    return Shell(
        organisation=found.organisation_name,
        roles=roles_in_words(principal),
        menu=menu_for(principal, request.path, _work(principal, found, len(changes), len(stops))),
        revision=found.revision,
        log=standing(timezone.now()) if held_anywhere(principal, LOG_ROLES) else None,
        query=request.GET.get("q", ""),
        waiting=changes,
        stops=stops,
        tampering=tampering.standing(principal, request.path),
    )


def _work(principal: Principal, found: Published, changes: int, stops: int) -> dict[str, Work]:
    """What the menu counts."""
    told = stops if held_anywhere(principal, STOP_ROLES) else 0
    work = {"stops": Work(told, urgent=True), "changes": Work(changes)}
    if decides(principal, found):
        cases = held_calls(principal, found, moment())
        work["reviews"] = Work(cases.open, urgent=cases.overdue > 0)
    return work


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    if request.headers.get("hx-request") == "true":
        answer = HttpResponse(status=401)
        answer["hx-redirect"] = reverse("account_login")
        return answer
    return redirect_to_login(request.get_full_path(), reverse("account_login"))


def _trouble(request: HttpRequest, error: MandateError, status: int) -> HttpResponse:
    headlines = {403: "Not for your roles", 404: "There is nothing here", 503: "Not just now"}
    message = error.message[:1].upper() + error.message[1:]
    context = {
        "headline": headlines.get(status, "That could not be done"),
        "detail": message if message.endswith(".") else f"{message}.",
    }
    return render(request, "trouble.html", context, status=status)
