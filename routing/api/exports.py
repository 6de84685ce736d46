"""`/api/v1/exports/`: figures as files. A job makes them; they are there for a day, for the one who asked."""

from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import CURSOR, ApiView, Making, given, page
from routing.api.files import FileSerializer, shown
from routing.exports import access, commands
from routing.exports.asks import WHATS, Ask
from routing.exports.making import as_file
from routing.exports.writing import Form
from routing.files.models import File


class ExportAskSerializer(serializers.Serializer[Any]):
    """Which figures, of which tenant (left out: every one that you may read), from the first month to the last."""

    figures = serializers.ChoiceField(choices=WHATS)
    form = serializers.ChoiceField(choices=[form.value for form in Form], default="csv")
    tenant = serializers.CharField(default="", allow_blank=True, max_length=200)
    first = serializers.CharField(max_length=7, help_text="the first month, like 2026-11")
    last = serializers.CharField(default="", allow_blank=True, max_length=7)


class ExportSerializer(FileSerializer):
    """One file: `done` of about `rows` rows are in. `told` says why it failed."""

    about = ExportAskSerializer()
    rows = serializers.IntegerField()


class ExportList(serializers.Serializer[Any]):
    """One's own files, newest first."""

    items = ExportSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class Exports(Making):
    """One's own exports."""

    @extend_schema(operation_id="exports_list", responses=ExportList, parameters=[*CURSOR])
    def get(self, request: Request) -> Response:
        """List the files that one asked for oneself."""
        rows = access.own(self.principal)
        return Response(page(request, rows, lambda found: [_shown(row) for row in found]))

    @extend_schema(
        operation_id="exports_make", request=ExportAskSerializer, responses={202: ExportSerializer}
    )
    def post(self, request: Request) -> Response:
        """Have a file made; ask for it again until it is `ready`. It is an entry of the log."""
        said = given(request, ExportAskSerializer)
        row = commands.begin(self.principal, Ask.of({**said, "what": said["figures"]}))
        return Response(_shown(row), status=202)


class OneExport(ApiView):
    """One of one's own exports."""

    @extend_schema(operation_id="exports_read", responses=ExportSerializer)
    def get(self, request: Request, export: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """How far it is."""
        return Response(_shown(access.one(self.principal, export)))


class DownloadExport(ApiView):
    """The bytes of an export."""

    @extend_schema(
        operation_id="exports_download",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, export: UUID) -> StreamingHttpResponse:
        """The file. 409 until it is ready, 404 once it has expired."""
        row = access.one(self.principal, export)
        return as_file(request._request, row)  # noqa: SLF001 - DRF keeps Django's request there


def _shown(row: File) -> dict[str, object]:
    about = {name: value for name, value in row.ask.items() if name != "what"}
    return {
        **shown(row),
        "about": {"figures": row.ask["what"], **about},
        "rows": row.rows,
    }
