"""The member's own page: who one is, and one's personal tokens."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from audit.ui.request import principal_of
from controlplane.kernel.errors import Conflict
from policies.identity.commands import create_token, revoke_token
from policies.identity.models import Token, User
from policies.ui.people import sentence


@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest) -> HttpResponse:
    """`/settings/`: POST makes a token, and shows it this once."""
    principal = principal_of(request)
    user = User.objects.get(email=principal.id)
    fresh = ""
    if request.method == "POST":
        name = request.POST.get("name", "").strip()[:60]
        fresh = create_token(principal, user, name=name).shown
    context = {
        "fresh": fresh,
        "origin": f"{request.scheme}://{request.get_host()}",
        "tokens": Token.objects.filter(user=user).order_by("revoked_at", "-created_at"),
        "teams": sorted(principal.teams),
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
