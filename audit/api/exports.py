"""`/api/v1/audit/exports/`: the entries that a filter finds, as one file that is read while it is sent."""

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from audit import export
from audit.api.base import ApiView, Often, Rarely
from audit.api.filters import ACTORS, NAMES, wanted_of
from audit.log.kinds import Group
from controlplane.kernel.errors import InvalidRequest


class ExportWanted(serializers.Serializer[Any]):
    """What is exported. Filters that are left out narrow nothing."""

    format = serializers.ChoiceField(choices=[form.value for form in export.Form])
    tenant = serializers.CharField(required=False)
    actor = serializers.ChoiceField(choices=list(ACTORS), required=False)
    group = serializers.ChoiceField(choices=[group.value for group in Group], required=False)
    subject = serializers.CharField(required=False)
    call = serializers.CharField(required=False)
    to = serializers.DateTimeField(required=False)

    def get_fields(self) -> dict[str, Any]:
        """`from` is a word of Python."""
        return {**super().get_fields(), "from": serializers.DateTimeField(required=False)}


class Exports(ApiView):
    """The log as a file."""

    throttle_classes = [Often, Rarely]

    @extend_schema(
        operation_id="audit_exports_create",
        request=ExportWanted,
        responses={
            (200, "application/jsonl"): OpenApiTypes.BINARY,
            (200, "text/csv"): OpenApiTypes.BINARY,
        },
    )
    def post(self, request: Request) -> HttpResponseBase:
        """Export what a filter finds, oldest first; the export is an entry, named in `x-mandate-entry`.

        JSONL has one `{index, recordedAt, entry}` a line, `entry` byte for byte as the tree hashes it. Entries without a place
        in the tree yet are not in it.
        """
        if not isinstance(request.data, dict):
            raise InvalidRequest("send an object that says at least the format")
        told = {name: str(request.data[name]) for name in NAMES if request.data.get(name)}
        wanted = wanted_of(self.principal, told)
        form = export.form_of(str(request.data.get("format", "")))
        return export.as_file(request._request, export.begin(self.principal, wanted, form, told))  # noqa: SLF001 - DRF keeps Django's request there
