"""Views that a member keeps: save what is shown, open one by its link, remove it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from audit.log import access
from audit.saved import commands, read
from audit.ui.asking import asked
from audit.ui.request import principal_of
from controlplane.kernel.errors import Conflict, InvalidRequest


@require_POST
def save(request: HttpRequest) -> HttpResponse:
    """`/log/views/`."""
    principal = principal_of(request)
    found = asked(request.POST.dict(), principal)
    try:
        row = commands.save(principal, request.POST.get("name", ""), found.filters.query[1:])
    except (Conflict, InvalidRequest) as error:
        messages.error(request, f"{error.message[:1].upper()}{error.message[1:]}.")
        return redirect(reverse("log") + found.filters.query)
    messages.success(
        request, f"Kept as “{row.name}”. Its link opens it for whoever may read the log."
    )
    return redirect(reverse("log") + found.filters.query)


@require_safe
def view(request: HttpRequest, view: UUID) -> HttpResponse:
    """`/log/views/<id>/`: the link that one may hand on; what the reader may not see stays unseen."""
    access.require_any(principal_of(request))
    return redirect(f"{reverse('log')}?{read.anybodys(view).query}")


@require_POST
def remove(request: HttpRequest, view: UUID) -> HttpResponse:
    """`/log/views/<id>/remove/`."""
    commands.remove(principal_of(request), view)
    messages.success(request, "The view is removed. The log keeps everything it showed.")
    return redirect("log")
