"""Articles of the EU AI Act beside live evidence, and what the organisation must still do itself."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from audit.log import access
from audit.ui.request import principal_of
from policies.bundles.published import moment, published
from routing.reports.duties import ANNEX_I, ANNEX_III, DAYS, Evidence, shown
from routing.reports.duties import duties as duties_of


@require_safe
def duties(request: HttpRequest) -> HttpResponse:
    """`/reports/ai-act/`, for who may read the whole log."""
    access.require_everything(principal_of(request))
    now = moment()
    made = shown(published(), now)
    rows = [
        (duty, [(one, _url(one)) for one in duty.evidence], (duty.applies - now.date()).days)
        for duty in duties_of(made)
    ]
    context = {"rows": rows, "annex_iii": ANNEX_III, "annex_i": ANNEX_I, "days": DAYS, "now": now}
    return render(request, "routing/ai_act.html", context)


def _url(one: Evidence) -> str:
    return reverse(one.page) + one.query
