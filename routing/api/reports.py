"""`/api/v1/reports/`: the same question, guard and figures as the pages."""

from dataclasses import replace
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
from policies.bundles.published import Published, published
from policies.order.lock import mandate_now
from routing.api.asked import documented
from routing.ledger.capacity import Capacity, capacities
from routing.reports.access import reads_every_tenant, require_money
from routing.reports.asking import COMPARED, csv_of, question
from routing.reports.dimensions import DIMENSIONS, UNREADABLE
from routing.reports.report import Line, Report, report
from routing.reports.spans import GRAINS, PERIODS, Span
from routing.reports.splitting import KEYS

_FILTERS = tuple(name for name in DIMENSIONS if name != "label")
_ASKED = [
    OpenApiParameter("period", str, enum=list(PERIODS)),
    OpenApiParameter("from", OpenApiTypes.DATE, description="first day, instead of a period"),
    OpenApiParameter("to", OpenApiTypes.DATE, description="last day, which counts"),
    OpenApiParameter("by", str, enum=list(DIMENSIONS)),
    OpenApiParameter("then", str, enum=[*DIMENSIONS, "-"], description="`-`: no second dimension"),
    OpenApiParameter("shadow", str, enum=["only", "without"], description="shadow runs"),
    OpenApiParameter(
        "group",
        str,
        enum=list(GRAINS),
        description="the steps of the page's chart; of no effect here",
    ),
    OpenApiParameter(
        "compare",
        str,
        enum=list(COMPARED),
        description="what `before` is; `budget`: the limit of the budget of exactly this line and period, else 0.00",
    ),
    OpenApiParameter(
        "split", str, enum=list(KEYS), description="lay what no line owns over the others"
    ),
    OpenApiParameter(
        "label", str, description="the name of the label, where `by` or `then` is `label`"
    ),
    OpenApiParameter(
        "value",
        str,
        description="only calls with this value of that label; `-`: without it",
    ),
    *(OpenApiParameter(name, str, description="only these; `-`: without any") for name in _FILTERS),
    OpenApiParameter("as", str, enum=["json", "csv"]),
]


class SpendPart(serializers.Serializer[Any]):
    """What one part of a line cost; amounts are exact decimals in the report's `currency`."""

    name = serializers.ListField(child=serializers.CharField(allow_blank=True))
    calls = serializers.IntegerField()
    spent = serializers.CharField(help_text="shadow runs included")
    before = serializers.CharField()
    shared = serializers.CharField(help_text="what was laid on it of others' cost; not in `spent`")
    shadow_runs = serializers.IntegerField(
        help_text="what routes asked beside calls; not in `calls`"
    )
    shadow_spent = serializers.CharField(help_text="what of `spent` those cost")
    readable = serializers.BooleanField(
        help_text="false for calls whose labels were committed: their line is no value of the label"
    )


class SpendLine(SpendPart):
    """One line; `inside` holds its parts by the second dimension."""

    inside = SpendPart(many=True)


class CapacityShare(serializers.Serializer[Any]):
    """What a team used of a model that is bought by the hour, and the part of the cost that falls to it."""

    tenant = serializers.CharField()
    team = serializers.CharField()
    tokens = serializers.IntegerField()
    cost = serializers.CharField()


class BoughtByTheHour(serializers.Serializer[Any]):
    """One model that was bought by the hour in a part of the span; its cost is in no line of the report."""

    model = serializers.CharField()
    hours = serializers.CharField(help_text="a decimal")
    cost = serializers.CharField()
    tokens = serializers.IntegerField()
    used_permille = serializers.IntegerField(
        allow_null=True, help_text="of the tokens it could have done; null where none are stated"
    )
    unrated_days = serializers.IntegerField(help_text="days without an exchange rate: not in cost")
    shares = CapacityShare(many=True)


class SpendReport(serializers.Serializer[Any]):
    """What calls cost in a span of days, and in the span that it is compared with."""

    currency = serializers.CharField()
    by = serializers.CharField()
    then = serializers.CharField(allow_blank=True)
    starts = serializers.DateTimeField()
    until = serializers.DateTimeField()
    lines = SpendLine(many=True)
    total = SpendPart()
    denied = serializers.IntegerField()
    unallocated = serializers.CharField(
        help_text="what no cost centre, use case, task, label, user or run is known of"
    )
    unallocated_calls = serializers.IntegerField()
    unallocated_left = serializers.CharField(
        help_text="what of it was laid on no other line: all of it without `split`"
    )
    unreadable = serializers.CharField(
        help_text="what calls cost whose labels were committed; in no value's line, in the total"
    )
    capacity = BoughtByTheHour(
        many=True, help_text="for who reads every tenant's money; empty for others"
    )


class Spend(ApiView):
    """What calls cost."""

    throttle_classes = [Often, Rarely]

    @extend_schema(
        operation_id="reports_spend",
        responses={200: OpenApiResponse(SpendReport)},
        parameters=_ASKED,
    )
    def get(self, request: Request) -> Response | HttpResponse:
        """Read the spend report; `as=csv` gives it as a file."""
        require_money(self.principal)
        found = published()
        address = documented(request, _ASKED)
        asked, trouble = question(address, self.principal, found, mandate_now())
        if trouble:
            raise InvalidRequest(trouble)
        told = report(replace(asked, grain=""))
        if address.get("as") == "csv":
            return HttpResponse(
                csv_of(asked, told, found.currency), content_type="text/csv; charset=utf-8"
            )
        body = {
            "currency": found.currency,
            "by": asked.by,
            "then": asked.then,
            "starts": asked.span.starts.isoformat(),
            "until": asked.span.until.isoformat(),
        }
        return Response(body | _told(told) | {"capacity": self._capacity(found, asked.span)})

    def _capacity(self, found: Published, span: Span) -> list[dict[str, Any]]:
        if not reads_every_tenant(self.principal):
            return []
        return [_bought(line) for line in capacities(found, span)]


def _told(told: Report) -> dict[str, Any]:
    alone = told.unallocated or Line(("",))
    return {
        "lines": [
            _line(line) | {"inside": [_line(part) for part in line.inside]} for line in told.lines
        ],
        "total": _line(told.total),
        "denied": told.denied,
        "unallocated": format_nano(alone.spent_nano),
        "unallocated_calls": alone.calls,
        "unallocated_left": format_nano(alone.spent_nano + alone.shared_nano),
        "unreadable": format_nano(told.unreadable.spent_nano if told.unreadable else 0),
    }


def _bought(line: Capacity) -> dict[str, Any]:
    return {
        "model": line.label,
        "hours": f"{float(line.hours):.6f}",
        "cost": format_nano(line.cost_nano),
        "tokens": line.tokens,
        "used_permille": line.used_permille,
        "unrated_days": line.unrated_days,
        "shares": [
            {
                "tenant": share.tenant,
                "team": share.team,
                "tokens": share.tokens,
                "cost": format_nano(share.cost_nano),
            }
            for share in line.shares
        ],
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "name": list(line.name) if line.readable else [UNREADABLE],
        "calls": line.calls,
        "spent": format_nano(line.spent_nano),
        "before": format_nano(line.before_nano),
        "shared": format_nano(line.shared_nano),
        "shadow_runs": line.shadow_runs,
        "shadow_spent": format_nano(line.shadow_nano),
        "readable": line.readable,
    }
