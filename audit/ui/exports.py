"""The log as a file: one request, one entry."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_POST

from audit import export
from audit.ui.asking import asked
from audit.ui.request import principal_of
from controlplane.kernel.errors import InvalidRequest


@require_POST
def export_entries(request: HttpRequest) -> HttpResponseBase:
    """`/log/export/`: the entries that the filter finds, as `format` says."""
    principal = principal_of(request)
    found = asked(request.POST.dict(), principal)
    if found.trouble:
        raise InvalidRequest(found.trouble)
    made = export.begin(
        principal, found.wanted, export.form_of(request.POST.get("format", "")), found.told
    )
    return export.as_file(request, made)
