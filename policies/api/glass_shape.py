"""How a change that one person published alone is written as JSON."""

from typing import Any

from rest_framework import serializers

from controlplane.kernel.clock import to_text
from policies.changes.models import Glass

VERDICTS = ("confirmed", "taken back")


class GlassSerializer(serializers.Serializer[Any]):
    """Who published it alone and why. `verdict` is empty until another reviewed it, `undoneBy` what takes it back."""

    actor = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    reason = serializers.CharField()
    revision = serializers.IntegerField()
    brokenAt = serializers.DateTimeField()  # noqa: N815 - the API's spelling
    verdict = serializers.ChoiceField(choices=VERDICTS, allow_blank=True)
    note = serializers.CharField(allow_blank=True)
    reviewedBy = serializers.CharField(allow_blank=True)  # noqa: N815 - the API's spelling
    reviewedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815 - the API's spelling
    undoneBy = serializers.UUIDField(allow_null=True)  # noqa: N815 - the API's spelling


def glass_shape(row: Glass | None) -> dict[str, Any] | None:
    """The same; None where nobody published alone."""
    if row is None:
        return None
    return {
        "actor": row.actor,
        "roles": row.roles,
        "reason": row.reason,
        "revision": row.revision,
        "brokenAt": to_text(row.broken_at),
        "verdict": row.verdict,
        "note": row.note,
        "reviewedBy": row.reviewed_by,
        "reviewedAt": to_text(row.reviewed_at) if row.reviewed_at else None,
        "undoneBy": str(row.undone_by) if row.undone_by else None,
    }
