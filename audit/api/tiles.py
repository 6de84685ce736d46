"""`/api/v1/audit/checkpoint` and `tile/…`: the log as C2SP tlog-tiles has it, out of the database, for those who may read it."""

from django.db import connection
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from audit.api.base import ApiView
from audit.log import access, read
from audit.merkle.tiles import parse_path
from audit.merkle.tree import TILE_WIDTH
from audit.publication import read as publication
from audit.publication import reading
from controlplane.kernel.errors import NotFound


class NewestCheckpoint(ApiView):
    """The newest signed tree head."""

    @extend_schema(
        operation_id="audit_checkpoint_read",
        responses={(200, "text/plain"): OpenApiTypes.STR},
        parameters=[OpenApiParameter("published", int, enum=[1])],
    )
    def get(self, request: Request) -> HttpResponse:
        """A C2SP tlog-checkpoint; with `?published=1` the one that is published, with what witnesses said of it."""
        access.require_tile(self.principal, entries=False)
        note = _checkpoint(published=request.query_params.get("published") == "1")
        if not note:
            raise NotFound("nothing is signed yet; the sequencer has not run")
        answer = HttpResponse(note, content_type="text/plain; charset=utf-8")
        answer["cache-control"] = "private, no-cache"
        return answer


class Tile(ApiView):
    """One tile or one bundle of entries (C2SP tlog-tiles)."""

    @extend_schema(
        operation_id="audit_tile_read",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
        parameters=[
            OpenApiParameter(
                "tile", str, "path", description="`0/x001/x234/067`, `0/000.p/12`, `entries/000`"
            )
        ],
    )
    def get(self, request: Request, tile: str) -> HttpResponse:  # noqa: ARG002 - DRF's signature
        """Hashes of 32 bytes each; of `entries/…` the entries, each after its length in two bytes."""
        try:
            level, index, width = parse_path(f"tile/{tile}")
        except ValueError as error:
            raise NotFound(str(error)) from None
        access.require_tile(self.principal, entries=level is None)
        try:
            data = _tile(level, index, width)
        except reading.Missing as error:
            raise NotFound(str(error)) from None
        answer = HttpResponse(data, content_type="application/octet-stream")
        answer["cache-control"] = "private, max-age=604800, immutable"
        return answer


class TileWithoutSlash(Tile):
    """The address as C2SP clients write it."""

    schema = None


class CheckpointWithoutSlash(NewestCheckpoint):
    """The address as C2SP clients write it."""

    schema = None


def _checkpoint(*, published: bool) -> str:
    if not published:
        return read.state().checkpoint
    found = publication.standing()
    return "" if found is None else found.checkpoint


def _tile(level: int | None, index: int, width: int) -> bytes:
    """Read under the newest checkpoint only: what is not signed yet is not shown. Raises reading.Missing."""
    with connection.cursor() as cursor:
        found = reading.newest(cursor)
        if found is None or (index << (8 * (level or 0))) * TILE_WIDTH >= found.head.size:
            raise reading.Missing("the log does not reach that far")
        hashes = reading.tile(found.tiles, level or 0, index, width)
        return hashes if level is not None else reading.bundle(cursor, read.LOG, index, hashes)
