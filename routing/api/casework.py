"""`/api/v1/reports/cases/`: what a finished case costs; the same question, guard and figures as the page."""

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
from routing.reports.cases_asked import asked_cases, csv_of_cases, minutes
from routing.reports.casework import BY, Line, casework
from routing.reports.spans import PERIODS

# ruff: noqa: N815 - the API spells its names in camelCase, as documents do


class CaseLine(serializers.Serializer[Any]):
    """One line. Amounts are exact decimals in the report's `currency`; minutes are decimals, from claims to decisions."""

    name = serializers.ListField(child=serializers.CharField(allow_blank=True))
    finished = serializers.IntegerField(help_text="cases that people decided")
    withoutPerson = serializers.IntegerField(help_text="cases that ended by themselves")
    minutes = serializers.CharField()
    medianMinutes = serializers.CharField(help_text="of finished cases, by nearest rank")
    p90Minutes = serializers.CharField(help_text="of finished cases, by nearest rank")
    givenBack = serializers.IntegerField(help_text="claims; their time is in `minutes`")
    givenBackMinutes = serializers.CharField()
    lapsed = serializers.IntegerField(help_text="claims; their time is in `minutes`")
    lapsedMinutes = serializers.CharField()
    withoutRate = serializers.IntegerField(help_text="cases of queues without an hourly rate")
    models = serializers.CharField()
    people = serializers.CharField()
    perFinished = serializers.CharField(
        allow_null=True, help_text="models and people for one finished case, rounded up"
    )


class CaseReport(serializers.Serializer[Any]):
    """What finished cases cost, of those closed in a span of days."""

    currency = serializers.CharField()
    by = serializers.CharField()
    starts = serializers.DateTimeField()
    until = serializers.DateTimeField()
    lines = CaseLine(many=True)
    total = CaseLine()


_ASKED = [
    OpenApiParameter("period", str, enum=list(PERIODS), description="of their closing"),
    OpenApiParameter("from", OpenApiTypes.DATE, description="first day, instead of a period"),
    OpenApiParameter("to", OpenApiTypes.DATE, description="last day, which counts"),
    OpenApiParameter("by", str, enum=list(BY)),
    OpenApiParameter("tenant", str, description="only this one"),
    OpenApiParameter("route", str, description="only this one"),
    OpenApiParameter("as", str, enum=["json", "csv"]),
]


class Cases(ApiView):
    """What finished cases cost."""

    throttle_classes = [Often, Rarely]

    @extend_schema(
        operation_id="reports_cases",
        responses={200: OpenApiResponse(CaseReport)},
        parameters=_ASKED,
    )
    def get(self, request: Request) -> Response | HttpResponse:
        """Read what finished cases cost; `as=csv` gives it as a file."""
        require_money(self.principal)
        found = published()
        address = documented(request, _ASKED)
        asked, trouble = asked_cases(address, self.principal, found, mandate_now())
        if trouble:
            raise InvalidRequest(trouble)
        told = casework(asked, found)
        if address.get("as") == "csv":
            text = csv_of_cases(asked, told, found.currency)
            return HttpResponse(text, content_type="text/csv; charset=utf-8")
        return Response(
            {
                "currency": found.currency,
                "by": asked.by,
                "starts": asked.span.starts.isoformat(),
                "until": asked.span.until.isoformat(),
                "lines": [_line(line) for line in told.lines],
                "total": _line(told.total),
            }
        )


def _line(line: Line) -> dict[str, Any]:
    return {
        "name": list(line.name),
        "finished": line.finished,
        "withoutPerson": line.alone,
        "minutes": minutes(line.time),
        "medianMinutes": minutes(line.median),
        "p90Minutes": minutes(line.p90),
        "givenBack": line.returned,
        "givenBackMinutes": minutes(line.returned_time),
        "lapsed": line.lapsed,
        "lapsedMinutes": minutes(line.lapsed_time),
        "withoutRate": line.unrated,
        "models": format_nano(line.model_nano),
        "people": format_nano(line.people_nano),
        "perFinished": None if line.each_nano is None else format_nano(line.each_nano),
    }
