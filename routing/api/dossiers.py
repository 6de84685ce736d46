"""`/api/v1/reports/dossiers/`: the dossier of a use case as JSON, put on record as it is made."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import ApiView, Often, Rarely
from controlplane.kernel.errors import InvalidRequest
from policies.bundles.published import published
from policies.order.lock import mandate_now
from routing.reports.dossier import asking, recorded
from routing.reports.dossier.gather import gather
from routing.reports.dossier.values import plain


class DossierWanted(serializers.Serializer[Any]):
    """Which one. Without days it is of the last 30."""

    useCase = serializers.CharField()  # noqa: N815 - the API's spelling
    tenant = serializers.CharField(
        required=False, allow_blank=True, help_text="empty: the organisation's own"
    )
    to = serializers.DateField(required=False, help_text="last day, which counts")

    def get_fields(self) -> dict[str, Any]:
        """`from` is a word of Python."""
        first = serializers.DateField(required=False, help_text="first day")
        return {**super().get_fields(), "from": first}


class DossierMade(serializers.Serializer[Any]):
    """The dossier, the entry that says it was made, and the SHA-256 of its canonical JSON, which the entry names."""

    entry = serializers.CharField()
    digest = serializers.CharField()
    dossier = serializers.DictField()


class Dossiers(ApiView):
    """Dossiers of use cases."""

    throttle_classes = [Often, Rarely]

    @extend_schema(
        operation_id="reports_dossiers_create", request=DossierWanted, responses={201: DossierMade}
    )
    def post(self, request: Request) -> Response:
        """Make the dossier of a use case and a period: policy, changes, overrides, reviews, tests, incidents, gaps, figures."""
        if not isinstance(request.data, dict):
            raise InvalidRequest("send an object that names the use case")
        said = {
            name: str(request.data.get(name) or "") for name in ("useCase", "tenant", "from", "to")
        }
        asked = asking.asked(
            self.principal,
            (said["tenant"], said["useCase"]),
            asking.Days(said["from"], said["to"]),
            published(),
            mandate_now(),
        )
        made = gather(asked)
        entry, digest = recorded.put_on_record(self.principal, made)
        return Response({"entry": entry.hex, "digest": digest, "dossier": plain(made)}, status=201)
