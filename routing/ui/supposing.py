"""A PolicyTest made of a call: one button of its page."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from audit.ui.request import principal_of
from controlplane.kernel.errors import Conflict, NotFound
from controlplane.kernel.ids import parse_call_name
from policies.changes.supposing import suppose
from policies.ui.people import sentence
from routing.calls import access


@require_POST
def make(request: HttpRequest, name: str) -> HttpResponse:
    """`/calls/call_…/test/`: drafts the test, then shows the change request that has it."""
    principal = principal_of(request)
    try:
        found = access.get(principal, parse_call_name(name))
    except ValueError:
        raise NotFound(f'there is no call "{name}"') from None
    try:
        made = suppose(principal, found.id, found.tenant)
    except Conflict as error:
        messages.error(request, sentence(error.message))
        return redirect("call", name)
    messages.success(request, "A draft with the test. Read what it expects before you hand it in.")
    return redirect("change", made.change.id)
