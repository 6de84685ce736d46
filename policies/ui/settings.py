"""The member's own page: who one is, one's personal tokens, the second factor, one's sessions."""

from datetime import timedelta

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from audit.ui.request import principal_of
from controlplane.kernel.errors import Conflict
from policies.bundles.published import moment
from policies.identity import read
from policies.identity.commands import create_token, revoke_token
from policies.identity.members import end_sessions
from policies.identity.models import User
from policies.ui.people import sentence

_DAYS = {"30": "30 days", "90": "90 days", "365": "a year", "": "no end"}


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
    factors = set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
    context = {
        "fresh": fresh,
        "origin": f"{request.scheme}://{request.get_host()}",
        "tokens": [(token, read.state_of(token, now)) for token in read.tokens(user)],
        "days": list(_DAYS.items()),
        "teams": sorted(principal.teams),
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
def sign_out(request: HttpRequest) -> HttpResponse:
    """`/settings/sign-out/`: every other session of one's own ends."""
    principal = principal_of(request)
    user = User.objects.get(email=principal.id)
    end_sessions(principal, user)
    update_session_auth_hash(request, user)
    messages.success(request, "Every other session of yours has ended.")
    return redirect("settings")
