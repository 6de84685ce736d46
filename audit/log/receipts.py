"""A proof as a file that an auditor keeps and checks offline."""

from django.http import HttpResponse

from audit.log.read import Proven
from controlplane.kernel.errors import Conflict

PLACED_WITHIN_SECONDS = 1
"""The sequencer gives places twice a second."""


def as_file(proven: Proven) -> HttpResponse:
    """The C2SP tlog-proof of an entry, to download. Raises Conflict while the entry has no place in the tree."""
    if proven.proof is None:
        raise Conflict(
            "this entry has no place in the tree yet; ask again in a moment",
            retry_after_seconds=PLACED_WITHIN_SECONDS,
        )
    response = HttpResponse(str(proven.proof), content_type="text/plain; charset=utf-8")
    response["content-disposition"] = f'attachment; filename="{proven.line.id.hex}.tlog-proof"'
    return response
