"""`/api/v1/statements/` and `/api/v1/adjustments/`: months that close, and what became known later."""

import json
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import CURSOR, ApiView, Making, given, page
from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.ids import call_name
from controlplane.kernel.money import format_nano
from policies.bundles.published import moment, published
from routing.closing import access, commands, hours, read
from routing.closing.adjusting import (
    ACCEPTED,
    CREDIT,
    INVOICE,
    PROPOSED,
    REJECTED,
    STATES,
    Proposal,
    signed_nano,
    told_hours,
)
from routing.closing.models import Adjustment, Statement

# ruff: noqa: N815 - the API spells its names in camelCase, as documents do


class PrepareSerializer(serializers.Serializer[Any]):
    """Which month of which tenant."""

    tenant = serializers.CharField(max_length=200)
    period = serializers.CharField(max_length=7, help_text="the month, like 2026-11")


class CloseSerializer(serializers.Serializer[Any]):
    """The digest of the statement that one has looked at."""

    digest = serializers.CharField(max_length=64)


class StatementSerializer(serializers.Serializer[Any]):
    """One statement; amounts are exact decimals. It is closed where `closedBy` says by whom."""

    id = serializers.UUIDField()
    tenant = serializers.CharField()
    period = serializers.CharField()
    digest = serializers.CharField()
    spent = serializers.CharField()
    accrued = serializers.CharField()
    adjusted = serializers.CharField()
    total = serializers.CharField()
    capacity = serializers.CharField(
        help_text="the share of models bought by the hour, beside the total"
    )
    cutOff = serializers.DateTimeField()
    preparedBy = serializers.CharField()
    closedBy = serializers.CharField(allow_blank=True)
    entry = serializers.CharField()


class OneStatementSerializer(StatementSerializer):
    """With its body: the canonical JSON whose SHA-256 is the digest."""

    capacityNow = serializers.CharField(
        help_text="what the share would be by the figures and documents of now; no statement moves with it"
    )
    body = serializers.DictField()


class StatementList(serializers.Serializer[Any]):
    """Statements, newest first."""

    items = StatementSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class Statements(Making):
    """The statements of the tenants that one may read."""

    @extend_schema(
        operation_id="statements_list",
        responses=StatementList,
        parameters=[*CURSOR, OpenApiParameter("tenant", str)],
    )
    def get(self, request: Request) -> Response:
        """List them."""
        rows = access.statements(self.principal).select_related("closed").defer("body")
        if tenant := _named(request, "tenant"):
            rows = rows.filter(tenant=tenant)
        return Response(page(request, rows, lambda found: [_statement(row) for row in found]))

    @extend_schema(
        operation_id="statements_prepare",
        request=PrepareSerializer,
        responses={201: StatementSerializer},
    )
    def post(self, request: Request) -> Response:
        """Prepare a month's statement. 409 says what stands in the way."""
        said = given(request, PrepareSerializer)
        row = commands.prepare(self.principal, said["tenant"], said["period"])
        return Response(_statement(row), status=201)


class OneStatement(ApiView):
    """One statement."""

    @extend_schema(operation_id="statements_read", responses=OneStatementSerializer)
    def get(self, request: Request, statement: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """With all it says."""
        row = read.one_statement(access.statements(self.principal), statement)
        found, now_nano = published(), row.capacity_nano
        if hours.remembered(found, row.period, moment()):
            now_nano = hours.of_nano(hours.now(found, row.period), row.tenant)
        beside = {"capacityNow": format_nano(now_nano), "body": json.loads(bytes(row.body))}
        return Response(_statement(row) | beside)


class CloseStatement(ApiView):
    """Close a month."""

    @extend_schema(
        operation_id="statements_close", request=CloseSerializer, responses=StatementSerializer
    )
    def post(self, request: Request, statement: UUID) -> Response:
        """Close the month with this statement, which another prepared. It is closed once, and stays so."""
        said = given(request, CloseSerializer)
        done = commands.close(self.principal, statement, said["digest"])
        return Response(_statement(done.statement))


class ProposeSerializer(serializers.Serializer[Any]):
    """A credit, or a difference to an invoice. `reference` names where it comes from: the same is proposed once."""

    tenant = serializers.CharField(max_length=200)
    corrects = serializers.CharField(max_length=7, help_text="the month, like 2026-10")
    kind = serializers.ChoiceField(choices=(CREDIT, INVOICE))
    amount = serializers.CharField(max_length=40, help_text="an exact decimal, below zero for less")
    reference = serializers.CharField(max_length=200)
    note = serializers.CharField(default="", allow_blank=True, max_length=500)


class RejectSerializer(serializers.Serializer[Any]):
    """Why it does not count."""

    reason = serializers.CharField(max_length=500)


class AdjustmentSerializer(serializers.Serializer[Any]):
    """One adjustment. `period` is the month that it belongs to, once it is accepted."""

    id = serializers.UUIDField()
    tenant = serializers.CharField()
    corrects = serializers.CharField()
    kind = serializers.CharField()
    amount = serializers.CharField()
    hours = serializers.CharField(
        allow_blank=True, help_text="what moves with it of the hours of a model bought by the hour"
    )
    state = serializers.ChoiceField(choices=STATES)
    period = serializers.CharField(allow_blank=True)
    call = serializers.CharField(allow_blank=True)
    attempt = serializers.IntegerField()
    team = serializers.CharField(allow_blank=True)
    route = serializers.CharField(allow_blank=True)
    model = serializers.CharField(allow_blank=True)
    provider = serializers.CharField(allow_blank=True)
    note = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    proposedBy = serializers.CharField()
    decidedBy = serializers.CharField(allow_blank=True)


class AdjustmentList(serializers.Serializer[Any]):
    """Adjustments, newest first."""

    items = AdjustmentSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class Adjustments(ApiView):
    """The adjustments of the tenants that one may read."""

    @extend_schema(
        operation_id="adjustments_list",
        responses=AdjustmentList,
        parameters=[*CURSOR, OpenApiParameter("waiting", OpenApiTypes.BOOL)],
    )
    def get(self, request: Request) -> Response:
        """List them; `waiting=true`: those that nobody has decided on."""
        rows = access.adjustments(self.principal)
        if _named(request, "waiting") in {"true", "1"}:
            rows = read.waiting(rows)
        rows = rows.select_related("verdict")
        return Response(page(request, rows, lambda found: [_adjustment(row) for row in found]))

    @extend_schema(
        operation_id="adjustments_propose",
        request=ProposeSerializer,
        responses={201: AdjustmentSerializer},
    )
    def post(self, request: Request) -> Response:
        """Propose one by hand."""
        said = given(request, ProposeSerializer)
        proposal = Proposal(
            tenant=said["tenant"],
            corrects=said["corrects"],
            kind=said["kind"],
            amount_nano=signed_nano(said["amount"]),
            occurrence=f"{said['kind']}:{said['reference']}",
            note=said["note"],
        )
        return Response(_adjustment(commands.propose(self.principal, proposal)), status=201)


class AcceptAdjustment(ApiView):
    """Let an adjustment count."""

    @extend_schema(operation_id="adjustments_accept", request=None, responses=AdjustmentSerializer)
    def post(self, request: Request, adjustment: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """It belongs to the first open month from then on."""
        return Response(_adjustment(commands.accept(self.principal, adjustment).adjustment))


class RejectAdjustment(ApiView):
    """Let an adjustment count nowhere."""

    @extend_schema(
        operation_id="adjustments_reject", request=RejectSerializer, responses=AdjustmentSerializer
    )
    def post(self, request: Request, adjustment: UUID) -> Response:
        """Say why."""
        said = given(request, RejectSerializer)
        done = commands.reject(self.principal, adjustment, said["reason"])
        return Response(_adjustment(done.adjustment))


def _named(request: Request, name: str) -> str:
    text = request.query_params.get(name, "")
    if "\x00" in text:
        raise InvalidRequest(f"{name} holds a byte that is no text")
    return text


def _statement(row: Statement) -> dict[str, Any]:
    period = read.closing_of(row)
    return {
        "id": str(row.id),
        "tenant": row.tenant,
        "period": row.period,
        "digest": row.digest,
        "spent": format_nano(row.spent_nano),
        "accrued": format_nano(row.accrued_nano),
        "adjusted": format_nano(row.adjusted_nano),
        "total": format_nano(row.total_nano),
        "capacity": format_nano(row.capacity_nano),
        "cutOff": to_text(row.cut_off_at),
        "preparedBy": row.prepared_by,
        "closedBy": period.closed_by if period else "",
        "entry": (period.entry if period else row.entry).hex,
    }


def _adjustment(row: Adjustment) -> dict[str, Any]:
    verdict = read.verdict_of(row)
    decided = ACCEPTED if verdict and verdict.accepted else REJECTED
    return {
        "id": str(row.id),
        "tenant": row.tenant,
        "corrects": row.corrects,
        "kind": row.kind,
        "amount": format_nano(row.amount_nano),
        "hours": told_hours(row.microhours) if row.microhours else "",
        "state": decided if verdict else PROPOSED,
        "period": verdict.period if verdict else "",
        "call": call_name(row.call) if row.call else "",
        "attempt": row.attempt,
        "team": row.team,
        "route": row.route,
        "model": row.model,
        "provider": row.provider,
        "note": row.note,
        "reason": verdict.reason if verdict else "",
        "proposedBy": row.proposed_by,
        "decidedBy": verdict.decided_by if verdict else "",
    }
