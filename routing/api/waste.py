"""`/api/v1/reports/waste/`: savings and waste by route, and the draft that has a smaller model first; as the page has them."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import ApiView, Often, Rarely
from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.money import format_nano
from policies.bundles.published import published
from policies.order.lock import mandate_now
from routing.api.asked import documented
from routing.reports.access import require_money
from routing.reports.shadow_runs import Ran
from routing.reports.spans import PERIODS
from routing.reports.turning import turn
from routing.reports.waste import Finding, Saved
from routing.reports.waste_asked import asked_waste
from routing.reports.waste_file import csv_of_waste

# ruff: noqa: N815 - the API spells its names in camelCase, as documents do


class FindingSerializer(serializers.Serializer[Any]):
    """Calls that a larger model of a route answered. Amounts are exact decimals in the report's `currency`."""

    finding = serializers.CharField(help_text="what names it when a change request is opened")
    tenant = serializers.CharField()
    route = serializers.CharField()
    model = serializers.CharField()
    smaller = serializers.CharField()
    calls = serializers.IntegerField()
    spent = serializers.CharField()
    wouldCost = serializers.CharField(
        allow_null=True, help_text="the same tokens at the smaller model's price of today"
    )
    labels = serializers.IntegerField(help_text="answers of the smaller model that people labelled")
    passed = serializers.IntegerField(help_text="those approved as they were")
    lowPermille = serializers.IntegerField(help_text="of the Wilson interval of 95 percent")
    highPermille = serializers.IntegerField(help_text="of the Wilson interval of 95 percent")
    shadowRuns = serializers.IntegerField(
        help_text="shadow runs of the smaller model whose answer was compared with the caller's"
    )
    shadowRunsAgreed = serializers.IntegerField(help_text="those that gave the same answer")
    shadowRunsLowPermille = serializers.IntegerField(help_text="of the Wilson interval")
    shadowRunsHighPermille = serializers.IntegerField(help_text="of the Wilson interval")
    carriedBy = serializers.CharField(
        allow_blank=True, help_text="labels, shadow runs, or both: which of them is enough"
    )
    waste = serializers.CharField(help_text="0.00 where neither says enough")
    whyNot = serializers.CharField(allow_blank=True)
    mayOpenChange = serializers.BooleanField()


class SavedSerializer(serializers.Serializer[Any]):
    """What smaller models of a route cost less than the same tokens at its largest."""

    tenant = serializers.CharField()
    route = serializers.CharField()
    against = serializers.CharField()
    calls = serializers.IntegerField()
    spent = serializers.CharField()
    saved = serializers.CharField()


class RanSerializer(serializers.Serializer[Any]):
    """Shadow runs of a route at a model. Their spend is in every report as any other."""

    tenant = serializers.CharField()
    route = serializers.CharField()
    model = serializers.CharField()
    runs = serializers.IntegerField()
    agreed = serializers.IntegerField()
    differed = serializers.IntegerField()
    failed = serializers.IntegerField()
    spent = serializers.CharField()


class WasteReport(serializers.Serializer[Any]):
    """Savings and waste, of the calls admitted in a span of days."""

    currency = serializers.CharField()
    starts = serializers.DateTimeField()
    until = serializers.DateTimeField()
    waste = serializers.CharField()
    saved = serializers.CharField()
    findings = FindingSerializer(many=True)
    savings = SavedSerializer(many=True)
    shadowRuns = RanSerializer(many=True)


class Turn(serializers.Serializer[Any]):
    """Which finding; the span and tenant are those of the address."""

    finding = serializers.CharField(max_length=600)


class Turned(serializers.Serializer[Any]):
    """The draft."""

    changeRequest = serializers.CharField()


_ASKED = [
    OpenApiParameter("period", str, enum=list(PERIODS)),
    OpenApiParameter("from", OpenApiTypes.DATE, description="first day, instead of a period"),
    OpenApiParameter("to", OpenApiTypes.DATE, description="last day, which counts"),
    OpenApiParameter("tenant", str, description="only this one"),
    OpenApiParameter("route", str, description="only this one"),
]
_READ = [*_ASKED, OpenApiParameter("as", str, enum=["json", "csv"])]


class WasteView(ApiView):
    """Savings and waste."""

    throttle_classes = [Often, Rarely]

    @extend_schema(
        operation_id="reports_waste",
        responses={200: OpenApiResponse(WasteReport)},
        parameters=_READ,
    )
    def get(self, request: Request) -> Response | HttpResponse:
        """Read what smaller models saved, and where one might have answered; `as=csv` gives it as a file."""
        require_money(self.principal)
        found = published()
        address = documented(request, _READ)
        asked = asked_waste(address, self.principal, found, mandate_now())
        if asked.trouble:
            raise InvalidRequest(asked.trouble)
        if address.get("as") == "csv":
            text = csv_of_waste(asked, found.currency)
            return HttpResponse(text, content_type="text/csv; charset=utf-8")
        return Response(
            {
                "currency": found.currency,
                "starts": asked.span.starts.isoformat(),
                "until": asked.span.until.isoformat(),
                "waste": format_nano(asked.told.waste_nano),
                "saved": format_nano(asked.told.saved_nano),
                "findings": [_finding(one) for one in asked.told.findings],
                "savings": [_saving(one) for one in asked.told.saved],
                "shadowRuns": [_ran(one) for one in asked.told.ran],
            }
        )

    @extend_schema(
        operation_id="reports_waste_change",
        request=Turn,
        responses={201: OpenApiResponse(Turned)},
        parameters=_ASKED,
    )
    def post(self, request: Request) -> Response:
        """Draft a change request that has the smaller model first, with the evidence as its reason."""
        require_money(self.principal)
        body = Turn(data=request.data)
        body.is_valid(raise_exception=True)
        found = published()
        address = documented(request, _ASKED)
        asked = asked_waste(address, self.principal, found, mandate_now())
        change = turn(self.principal, found, asked, body.validated_data["finding"])
        return Response({"changeRequest": change.id.hex}, status=201)


def _finding(one: Finding) -> dict[str, Any]:
    low, high = one.labelled.interval_permille
    return {
        "finding": one.key,
        "tenant": one.tenant,
        "route": one.route[1],
        "model": one.model,
        "smaller": one.smaller,
        "calls": one.used.calls,
        "spent": format_nano(one.used.spent_nano),
        "wouldCost": None if one.would_nano is None else format_nano(one.would_nano),
        "labels": one.labelled.n,
        "passed": one.labelled.passed,
        "lowPermille": low,
        "highPermille": high,
        "shadowRuns": one.compared.n,
        "shadowRunsAgreed": one.compared.passed,
        "shadowRunsLowPermille": one.compared.interval_permille[0],
        "shadowRunsHighPermille": one.compared.interval_permille[1],
        "carriedBy": one.carried,
        "waste": format_nano(one.waste_nano),
        "whyNot": one.why_not,
        "mayOpenChange": one.may_turn,
    }


def _saving(one: Saved) -> dict[str, Any]:
    return {
        "tenant": one.tenant,
        "route": one.route[1],
        "against": one.largest,
        "calls": one.calls,
        "spent": format_nano(one.spent_nano),
        "saved": format_nano(one.saved_nano),
    }


def _ran(one: Ran) -> dict[str, Any]:
    return {
        "tenant": one.tenant,
        "route": one.route,
        "model": one.model,
        "runs": one.runs,
        "agreed": one.agreed,
        "differed": one.differed,
        "failed": one.failed,
        "spent": format_nano(one.spent_nano),
    }
