"""One data subject in the console: looked up by the id that callers send, which is in no address and stored nowhere."""

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST

from audit.retention import access as retention
from audit.ui.request import principal_of
from controlplane.kernel.errors import InvalidRequest, NotFound
from controlplane.kernel.principal import Principal
from policies.bundles.published import published
from policies.ui.people import sentence
from routing.retention import access, erasing
from routing.retention import subjects as known


@require_http_methods(["GET", "HEAD", "POST"])
def subjects(request: HttpRequest) -> HttpResponse:
    """`/keeping/subjects/`: a form; POST shows what one user's id touches."""
    principal = principal_of(request)
    places = access.require_look_anywhere(principal)
    tenants = sorted(d.name for d in published().of("Tenant") if places is None or d.name in places)
    context: dict[str, object] = {"tenants": tenants}
    if request.method != "POST":
        return render(request, "routing/subjects.html", context)
    tenant, user = _asked(request)
    context |= {"tenant": tenant, "user": user}
    try:
        found = known.find(principal, tenant, user)
    except NotFound as error:
        context["trouble"] = sentence(error.message)
        return render(request, "routing/subjects.html", context, status=422)
    context |= {
        "found": found,
        "looked": erasing.touched(tenant, found.key),
        "may_export": access.may_export(principal, tenant),
        "may_ask": retention.may_hold(principal, tenant),
    }
    return render(request, "routing/subjects.html", context)


@require_POST
def export(request: HttpRequest) -> StreamingHttpResponse:
    """`/keeping/subjects/export/`: all that is stored of one user, as JSON lines; an entry says who took it along, and why."""
    principal: Principal = principal_of(request)
    tenant, user = _asked(request)
    lines = known.export(principal, tenant, user, request.POST.get("reason", ""))
    return known.as_file(request, lines)


def _asked(request: HttpRequest) -> tuple[str, str]:
    tenant, user = request.POST.get("tenant", ""), request.POST.get("user", "").strip()
    if not user or len(user) > 512:
        raise InvalidRequest("say which user, as callers send the id, in at most 512 characters")
    return tenant, user
