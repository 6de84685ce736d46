"""The page behind an invitation's link: whoever has it chooses a name and a password, and is a member."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from controlplane.kernel.errors import Conflict, InvalidRequest
from policies.identity.invitations import accept_invitation, open_invitation
from policies.ui.people import sentence


@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, shown: str) -> HttpResponse:
    """`/join/<link>/`: open to whoever has the link; over, unknown and used look the same."""
    invitation = open_invitation(shown)
    error = ""
    name = request.POST.get("name", invitation.name)
    if request.method == "POST":
        password = request.POST.get("password", "")
        if password != request.POST.get("again", ""):
            error = "The two passwords differ."
        else:
            try:
                accept_invitation(shown, name, password)
            except (InvalidRequest, Conflict) as refusal:
                error = sentence(refusal.message)
            else:
                messages.success(request, "Welcome. Sign in with the password you have chosen.")
                return redirect("account_login")
    context = {"invitation": invitation, "name": name, "error": error, "shown": shown}
    return render(request, "policies/join.html", context, status=422 if error else 200)
