"""The member's own page: who one is, one's personal tokens, the second factor, one's sessions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from audit.log.access import may_read
from audit.ui.request import principal_of
from controlplane.kernel.errors import Conflict
from policies.bundles.published import moment
from policies.identity import read, sessions
from policies.identity.commands import create_token, revoke_token
from policies.identity.members import end_session, end_sessions
from policies.identity.models import Session, User
from policies.ui.people import sentence

_DAYS = {"30": "30 days", "90": "90 days", "365": "a year", "": "no end"}


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session as the page shows it; `here` is the one that looks."""

    id: UUID
    device: str
    address: str
    since: datetime
    used: datetime
    here: bool


@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest) -> HttpResponse:
    """`/settings/`: POST makes a token, and shows it this once."""
    principal, now = principal_of(request), moment()
    user = User.objects.get(email=principal.id)
    fresh = ""
    if request.method == "POST":
        name = request.POST.get("name", "").strip()[:60]
        days = request.POST.get("days", "")
        ends = now + timedelta(days=int(days)) if days in _DAYS and days else None
        fresh = create_token(principal, user, name=name, expires_at=ends).shown
    here = request.session.session_key
    factors = set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
    context = {
        "fresh": fresh,
        "origin": f"{request.scheme}://{request.get_host()}",
        "tokens": [(token, read.state_of(token, now)) for token in read.tokens(user)],
        "sessions": [_session(row, here) for row in sessions.of(user, now)],
        "days": list(_DAYS.items()),
        "teams": sorted(principal.teams),
        "sees_deliveries": may_read(principal),
        "has_totp": "totp" in factors,
        "has_codes": "recovery_codes" in factors,
    }
    response = render(request, "policies/settings.html", context)
    if fresh:
        response["cache-control"] = "no-store"
    return response


@require_POST
def revoke(request: HttpRequest, token: str) -> HttpResponse:
    """`/settings/tokens/<id>/revoke/`."""
    principal = principal_of(request)
    try:
        revoke_token(principal, token)
    except Conflict as error:
        messages.error(request, sentence(error.message))
    else:
        messages.success(request, "The token is revoked.")
    return redirect("settings")


@require_POST
def end(request: HttpRequest, session: UUID) -> HttpResponse:
    """`/settings/sessions/<id>/end/`: one session of one's own ends, from the next click in it on."""
    principal = principal_of(request)
    end_session(principal, User.objects.get(email=principal.id), session)
    messages.success(request, "That session has ended.")
    return redirect("settings")


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """`/settings/sign-out/`: every other session of one's own ends."""
    principal = principal_of(request)
    user = User.objects.get(email=principal.id)
    end_sessions(principal, user, keep=request.session.session_key)
    update_session_auth_hash(request, user)
    messages.success(request, "Every other session of yours has ended.")
    return redirect("settings")


def _session(row: Session, here: str | None) -> SessionRow:
    return SessionRow(
        id=row.public,
        device=sessions.device(row.agent),
        address=row.address,
        since=row.created_at,
        used=row.last_used_at,
        here=row.session_key == here,
    )
