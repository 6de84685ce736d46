"""What the two addresses of files share, `/api/v1/exports/` and `/api/v1/audit/evidence/`: a file's fields, and their views."""

from typing import Any

from rest_framework import serializers

from controlplane.kernel.clock import to_text
from routing.files.models import STATES, File

# ruff: noqa: N815 - the API spells its names in camelCase, as documents do


class FileSerializer(serializers.Serializer[Any]):
    """How far a file is. `told` says why it failed."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=STATES)
    done = serializers.IntegerField()
    sizeBytes = serializers.IntegerField()
    sha256 = serializers.CharField(allow_blank=True)
    told = serializers.CharField(allow_blank=True)
    createdAt = serializers.DateTimeField()
    expiresAt = serializers.DateTimeField(allow_null=True)


def shown(row: File) -> dict[str, object]:
    """The fields of `FileSerializer`."""
    return {
        "id": str(row.id),
        "state": row.state,
        "done": row.done,
        "sizeBytes": row.size_bytes,
        "sha256": row.sha256,
        "told": row.told,
        "createdAt": to_text(row.created_at),
        "expiresAt": to_text(row.expires_at) if row.expires_at else None,
    }
