"""A bundle that is ready, as a file to take along: the same for API and console."""

from django.http import HttpRequest, StreamingHttpResponse

from audit.export import in_pieces
from controlplane.kernel.errors import Conflict, NotFound
from routing.evidence import making
from routing.evidence.models import EXPIRED, READY, Evidence


def as_file(request: HttpRequest, row: Evidence) -> StreamingHttpResponse:
    """What its job made. Raises NotFound once it has expired, Conflict before it is ready."""
    if row.state == EXPIRED:
        raise NotFound("this bundle has expired; have it made again")
    if row.state != READY:
        raise Conflict(f"this bundle is {row.state}")
    response = StreamingHttpResponse(
        in_pieces(request, making.read(row)), content_type="application/x-tar"
    )
    response["content-disposition"] = f'attachment; filename="evidence-{row.id.hex}.tar"'
    response["content-length"] = str(row.size_bytes)
    return response
