"""`/api/v1/audit/`: entries and receipts."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import CURSOR, ApiView, cursor_of, limit_of
from audit.api.filters import FILTERS, wanted_of
from audit.log import access, read, receipts
from audit.publication import read as publication
from controlplane.kernel.clock import to_text


class EntrySerializer(serializers.Serializer[Any]):
    """One entry: what the tree hashes, and its place (`index` is null until it has one)."""

    id = serializers.CharField()
    kind = serializers.CharField()
    recordedAt = serializers.DateTimeField()  # noqa: N815 - the API's spelling
    tenant = serializers.CharField(allow_blank=True)
    actor = serializers.CharField()
    subject = serializers.CharField(allow_blank=True)
    call = serializers.CharField(allow_null=True)
    index = serializers.IntegerField(allow_null=True)
    data = serializers.DictField()  # type: ignore[assignment] # DRF's metaclass takes fields off the class


class EntryPage(serializers.Serializer[Any]):
    """A page of entries, newest first."""

    items = EntrySerializer(many=True)
    next = serializers.CharField(allow_null=True)


class ProvenEntry(EntrySerializer):
    """One entry with the exact bytes of its body and its leaf hash (hex)."""

    body = serializers.CharField()
    leafHash = serializers.CharField(allow_null=True)  # noqa: N815 - the API's spelling


class Entries(ApiView):
    """The log, as far as one may read it."""

    @extend_schema(
        operation_id="audit_entries_list",
        responses=EntryPage,
        parameters=[
            *CURSOR,
            *FILTERS,
        ],
    )
    def get(self, request: Request) -> Response:
        """List entries, newest first."""
        found = read.page(
            wanted_of(self.principal, request.query_params),
            before=cursor_of(request),
            limit=limit_of(request),
        )
        following = found.next_before.hex if found.next_before else None
        return Response({"items": [_line(line) for line in found.lines], "next": following})


class OneEntry(ApiView):
    """One entry."""

    @extend_schema(operation_id="audit_entries_read", responses=ProvenEntry)
    def get(self, request: Request, entry: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """One entry with its bytes."""
        proven = access.proven(self.principal, str(entry))
        leaf = proven.leaf_hash.hex() if proven.leaf_hash else None
        return Response({**_line(proven.line), "body": proven.body.decode(), "leafHash": leaf})


class Receipt(ApiView):
    """The proof of one entry."""

    keys = True

    @extend_schema(
        operation_id="audit_receipts_read", responses={(200, "text/plain"): OpenApiTypes.STR}
    )
    def get(self, request: Request, entry: UUID) -> HttpResponse:  # noqa: ARG002 - DRF's signature
        """A C2SP tlog-proof, to be checked offline with `auditverify.py`; 409 until the entry has its place."""
        return receipts.as_file(access.receipt(self.principal, entry))


class StandingSerializer(serializers.Serializer[Any]):
    """How the log stands. `ok` says that no check found what nobody has acknowledged."""

    size = serializers.IntegerField()
    checkpoints = serializers.IntegerField()
    signedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815 - the API's spelling
    waiting = serializers.IntegerField()
    lagSeconds = serializers.FloatField()  # noqa: N815 - the API's spelling
    outside = serializers.IntegerField()
    ok = serializers.BooleanField(allow_null=True)
    checkedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815 - the API's spelling
    wholeHeldAt = serializers.DateTimeField(allow_null=True)  # noqa: N815 - the API's spelling
    findings = serializers.ListField(child=serializers.CharField())
    acknowledged = serializers.ListField(child=serializers.CharField())
    publishedSize = serializers.IntegerField(allow_null=True)  # noqa: N815 - the API's spelling
    registerSize = serializers.IntegerField(allow_null=True)  # noqa: N815 - the API's spelling
    cosignedSize = serializers.IntegerField(allow_null=True)  # noqa: N815 - the API's spelling
    publishingFailure = serializers.CharField(allow_blank=True)  # noqa: N815 - the API's spelling


class Standing(ApiView):
    """How the log stands."""

    @extend_schema(operation_id="audit_standing_read", responses=StandingSerializer)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """Size, last checkpoint, what waits, and what the log's own checks found."""
        access.require_everything(self.principal)
        log, (found, _) = read.state(), read.checked()
        held = found.whole_held_at if found else None
        public = publication.standing()
        return Response(
            {
                "size": log.size,
                "checkpoints": log.checkpoints,
                "signedAt": to_text(log.signed_at) if log.signed_at else None,
                "waiting": log.waiting,
                "lagSeconds": round(log.lag_seconds, 3),
                "outside": log.outside,
                "ok": found.ok if found else None,
                "checkedAt": to_text(found.checked_at) if found else None,
                "wholeHeldAt": to_text(held) if held else None,
                "findings": list(found.findings) if found else [],
                "acknowledged": list(found.acknowledged) if found else [],
                "publishedSize": public.size if public else None,
                "registerSize": public.register_size if public else None,
                "cosignedSize": public.cosigned_size if public else None,
                "publishingFailure": public.failure if public else "",
            }
        )


def _line(line: read.Line) -> dict[str, object]:
    return {
        "id": line.id.hex,
        "kind": line.kind.name,
        "recordedAt": to_text(line.recorded_at),
        "tenant": line.tenant,
        "actor": line.actor,
        "subject": line.subject,
        "call": line.call.hex if line.call else None,
        "index": line.index,
        "data": line.data,
    }
