"""`/api/v1/audit/evidence/`: evidence bundles. A job makes them; they are there for a day, for the one who asked."""

from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import CURSOR, ApiView, Making, given, page
from controlplane.kernel.errors import InvalidRequest
from routing.api.files import FileSerializer, shown
from routing.evidence import access, commands
from routing.evidence.asks import SCOPES, Ask
from routing.evidence.making import as_file
from routing.files.models import File

# ruff: noqa: N815 - the API spells its names in camelCase, as documents do


class AskSerializer(serializers.Serializer[Any]):
    """What the bundle is about. `keptSize`: the size of a checkpoint the auditor has; `opens`: why content is laid in."""

    scope = serializers.ChoiceField(choices=SCOPES, default="log")
    tenant = serializers.CharField(default="", allow_blank=True, max_length=200)
    call = serializers.CharField(default="", allow_blank=True, max_length=40)
    document = serializers.CharField(default="", allow_blank=True, max_length=60)
    name = serializers.CharField(default="", allow_blank=True, max_length=200)
    since = serializers.DateTimeField(default=None, allow_null=True)
    until = serializers.DateTimeField(default=None, allow_null=True)
    keptSize = serializers.IntegerField(default=0, min_value=0, max_value=2**53 - 1)
    opens = serializers.CharField(default="", allow_blank=True, max_length=1_000)


class EvidenceSerializer(FileSerializer):
    """One bundle: `done` of `entries` are in. `told` says why it failed."""

    about = serializers.DictField()
    entries = serializers.IntegerField()


class EvidenceList(serializers.Serializer[Any]):
    """One's own bundles, newest first."""

    items = EvidenceSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class Bundles(Making):
    """One's own evidence bundles."""

    @extend_schema(operation_id="audit_evidence_list", responses=EvidenceList, parameters=[*CURSOR])
    def get(self, request: Request) -> Response:
        """List the bundles that one had made oneself."""
        rows = access.own(self.principal)
        return Response(page(request, rows, lambda found: [_shown(row) for row in found]))

    @extend_schema(
        operation_id="audit_evidence_make",
        request=AskSerializer,
        responses={202: EvidenceSerializer},
    )
    def post(self, request: Request) -> Response:
        """Have a bundle made; ask for it again until it is `ready`. It is an entry of the log."""
        said = given(request, AskSerializer)
        return Response(_shown(commands.begin(self.principal, _ask(said))), status=202)


class OneBundle(ApiView):
    """One of one's own bundles."""

    @extend_schema(operation_id="audit_evidence_read", responses=EvidenceSerializer)
    def get(self, request: Request, evidence: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """How far it is."""
        return Response(_shown(access.one(self.principal, evidence)))


class Download(ApiView):
    """The bytes of a bundle."""

    @extend_schema(
        operation_id="audit_evidence_download",
        responses={(200, "application/x-tar"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, evidence: UUID) -> StreamingHttpResponse:
        """A tar, for `auditverify.py`. 409 until it is ready, 404 once it has expired."""
        row = access.one(self.principal, evidence)
        return as_file(request._request, row)  # noqa: SLF001 - DRF keeps Django's request there


def _ask(given: dict[str, Any]) -> Ask:
    call = None
    if given["call"]:
        try:
            call = UUID(given["call"].removeprefix("call_"))
        except ValueError:
            raise InvalidRequest(f'"{given["call"]}" is no call') from None
    return Ask(
        scope=given["scope"],
        tenant=given["tenant"],
        call=call,
        document=given["document"],
        name=given["name"],
        since=given["since"],
        until=given["until"],
        kept_size=given["keptSize"],
        opens=given["opens"],
    )


def _shown(row: File) -> dict[str, object]:
    return {
        **shown(row),
        "about": Ask.of(row.ask).told(),
        "entries": row.rows,
    }
