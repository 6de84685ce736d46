"""`/api/v1/calls/`, `decide/` and `budgets/`: the same guards and queries as the pages."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import CURSOR, ApiView, Often, Rarely, page
from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import InvalidRequest, NotFound
from controlplane.kernel.ids import call_name, parse_call_name, uuid7_floor
from controlplane.kernel.money import format_nano
from policies.bundles.published import published
from policies.decisions.replay import replay
from policies.order.lock import mandate_now
from routing.api import shapes
from routing.beside.read import OF_A_CALL, Run, beside, of_callers, runs_among
from routing.calls.access import get, visible
from routing.calls.models import Attempt, Call
from routing.forecasts.models import Forecast
from routing.reports.access import require_money
from routing.reports.balances import Balance, balances
from routing.reports.content import own_answer, weighed_text
from routing.reports.dry import DryRun, decide_dry
from routing.reports.ending import cancel_for
from routing.reports.redactions import redactions
from routing.reports.runs import of_run
from routing.reports.story import sentence
from routing.reports.weighed import Weighing
from routing.reports.why import Stage, Why, why

_EQUAL = ("tenant", "team", "route", "state", "key")


class Calls(ApiView):
    """Calls."""

    @extend_schema(
        operation_id="calls_list",
        responses=shapes.CallPage,
        parameters=[
            *CURSOR,
            *(OpenApiParameter(name, str) for name in (*_EQUAL, "run", "model")),
            OpenApiParameter("since", OpenApiTypes.DATETIME),
            OpenApiParameter("until", OpenApiTypes.DATETIME),
            OpenApiParameter("shadow", str, enum=["only", "without"], description="shadow runs"),
        ],
    )
    def get(self, request: Request) -> Response:
        """List the calls that one may see, newest first."""
        asked, rows = request.query_params, visible(self.principal)
        rows = rows.filter(**{name: asked[name] for name in _EQUAL if asked.get(name)})
        if asked.get("run"):
            rows = rows.filter(of_run(asked["run"]))
        if asked.get("model"):
            tried = Attempt.objects.filter(call=OuterRef("pk"), model=asked["model"])
            rows = rows.filter(Exists(tried))
        if asked.get("since"):
            rows = rows.filter(pk__gte=uuid7_floor(_moment(asked["since"])))
        if asked.get("until"):
            rows = rows.filter(pk__lt=uuid7_floor(_moment(asked["until"])))
        if asked.get("shadow"):
            rows = _shadows(rows, asked["shadow"])
        return Response(page(request, rows, _listed))


class OneCall(ApiView):
    """One call; also for an API key of its own team."""

    keys = True

    @extend_schema(operation_id="calls_read", responses=shapes.CallDetail)
    def get(self, request: Request, name: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Read one call. Another tenant's or team's is 404."""
        call = get(self.principal, _id(name))
        told = why(call, published().currency)
        body = _detail(told, beside(call.id))
        if self.principal.kind == "key":
            answer = own_answer(call)
            if answer is not None:
                body["answer"] = answer
        return Response(body)


class Explain(ApiView):
    """Why."""

    @extend_schema(operation_id="calls_explain", responses=shapes.Explanation)
    def get(self, request: Request, name: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Every rule that was considered, with the line that decided, and each model's fate."""
        told = why(get(self.principal, _id(name)), published().currency)
        return Response(
            {
                "id": call_name(told.call.id),
                "sentence": "".join(piece.text for piece in sentence(told.told)),
                "stages": [_explained(stage) for stage in told.stages],
                "weighings": [_weighing(one) for one in told.weighings],
                "redacted": [asdict(one) for one in redactions(told.entries)],
            }
        )


class Replay(ApiView):
    """Decide again."""

    throttle_classes = [Often, Rarely]

    @extend_schema(operation_id="calls_replay", request=None, responses=shapes.Replayed)
    def post(self, request: Request, name: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Decide from the stored facts and the bundle's text, in a fresh process; compare every byte."""
        call = get(self.principal, _id(name))
        found = replay(call.id, weighed_text)
        stages = [
            {
                "no": stage.no,
                "stage": stage.stage,
                "revision": stage.revision,
                "recorded": stage.recorded,
                "again": stage.again,
                "identical": stage.identical,
            }
            for stage in found.stages
        ]
        return Response(
            {
                "id": call_name(call.id),
                "identical": found.identical,
                "engine": found.engine,
                "explanation": found.explanation,
                "stages": stages,
            }
        )


class CancelCall(ApiView):
    """Cancel; also for an API key of the call's own team."""

    keys = True

    @extend_schema(operation_id="calls_cancel", request=None, responses=shapes.Cancelled)
    def post(self, request: Request, name: str) -> Response:  # noqa: ARG002 - DRF's signature
        """End a call that has not ended; a worker that has it is asked to."""
        call = get(self.principal, _id(name))
        return Response({"id": call_name(call.id), "outcome": cancel_for(self.principal, call)})


class Decide(ApiView):
    """A dry run."""

    throttle_classes = [Often, Rarely]

    @extend_schema(operation_id="decide", request=shapes.Dry, responses=shapes.Decided)
    def post(self, request: Request) -> Response:
        """Decide what would happen to such a call now. Free; no entry, no money, no model."""
        asked = shapes.Dry(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        found = decide_dry(
            self.principal,
            DryRun(
                tenant=wanted["tenant"],
                team=wanted["team"],
                route=wanted["route"],
                key=wanted["key"],
                request=wanted.get("request") or _no_request(),
                now=wanted["now"] or mandate_now(),
            ),
        )
        decision = found.trace.decision
        return Response(
            {
                "revision": decision.revision,
                "digest": decision.digest.hex(),
                "effect": decision.effect,
                "facts": msgspec.to_builtins(found.facts),
                "trace": _plain(found.trace),
            }
        )


class Budgets(ApiView):
    """Money."""

    @extend_schema(operation_id="budgets_list", responses=shapes.BudgetList)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """List budgets in their open windows: spent, pending, left, and what they will have spent at their end."""
        require_money(self.principal)
        found = published()
        rows = balances(self.principal, found, mandate_now())
        return Response({"items": [_budget(row, found.currency) for row in rows]})


def _no_request() -> dict[str, Any]:
    """The shape of a plain small request."""
    plain = shapes.RequestShape(data={})
    plain.is_valid(raise_exception=True)
    found: dict[str, Any] = plain.validated_data
    return found


def _id(name: str) -> UUID:
    try:
        return parse_call_name(name)
    except ValueError:
        raise NotFound(f'there is no call "{name}"') from None


def _moment(text: str) -> datetime:
    try:
        found = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidRequest(f'"{text[:40]}" is no moment; write it like 2026-11-23T14:20:00Z')
    if found.year < 1970 or found.year > 9000:
        raise InvalidRequest(f'"{text[:40]}" is out of range')
    return found


def _text(at: datetime | None) -> str | None:
    return to_text(at) if at else None


def _listed(calls: Sequence[Call]) -> list[dict[str, Any]]:
    currency, runs = published().currency, runs_among([call.id for call in calls])
    return [_call(call, currency, runs.get(call.id)) for call in calls]


def _shadows(rows: QuerySet[Call], asked: str) -> QuerySet[Call]:
    """Raises InvalidRequest."""
    if asked not in ("only", "without"):
        raise InvalidRequest(f'"shadow" is "only" or "without", not "{asked[:40]}"')
    return rows.filter(OF_A_CALL) if asked == "only" else of_callers(rows)


def _call(call: Call, currency: str, shadow_of: UUID | None) -> dict[str, Any]:
    return {
        "id": call_name(call.id),
        "state": call.state,
        "code": call.code,
        "tenant": call.tenant,
        "team": call.team,
        "key": call.key,
        "route": call.route,
        "dialect": call.dialect,
        "stream": call.stream,
        "run": call.run,
        "revision": call.revision,
        "admittedAt": _text(call.admitted_at),
        "finishedAt": _text(call.finished_at),
        "cost": format_nano(call.cost_nano),
        "currency": currency,
        "shadowOf": call_name(shadow_of) if shadow_of else None,
    }


def _beside(run: Run) -> dict[str, Any]:
    return {
        "call": call_name(run.call),
        "model": run.model,
        "verdict": run.verdict,
        "state": run.state,
        "cost": format_nano(run.cost_nano),
    }


def _detail(told: Why, runs: Sequence[Run]) -> dict[str, Any]:
    own = next((run for run in runs if run.call == told.call.id), None)
    return {
        **_call(told.call, told.currency, own.of if own else None),
        "askedBeside": [_beside(run) for run in runs if run is not own],
        "attempts": [_attempt(attempt) for attempt in told.attempts],
        "decisions": [_stage(stage) for stage in told.stages],
        "paid": [
            {
                "budget": row.budget,
                "tenant": row.tenant,
                "subject": row.subject,
                "amount": format_nano(row.amount_nano),
            }
            for row in told.paid
        ],
        "receipt": told.entries[0].id.hex if told.entries else None,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "no": attempt.no,
        "state": attempt.state,
        "model": attempt.model,
        "provider": attempt.provider,
        "errorClass": attempt.error_class,
        "startedAt": _text(attempt.started_at),
        "settledAt": _text(attempt.settled_at),
        "tokensInput": attempt.tokens_input,
        "tokensOutput": attempt.tokens_output,
        "reserved": format_nano(attempt.reserved_nano),
        "cost": format_nano(attempt.posted_nano + attempt.overrun_nano),
        "basis": attempt.basis,
    }


def _stage(stage: Stage) -> dict[str, Any]:
    return {"no": stage.no, "stage": stage.name, "revision": stage.revision, "digest": stage.digest}


def _explained(stage: Stage) -> dict[str, Any]:
    return {
        **_stage(stage),
        "identical": stage.identical,
        "error": stage.error,
        "facts": msgspec.to_builtins(stage.facts) if stage.facts else None,
        "trace": _plain(stage.trace) if stage.trace else None,
    }


def _weighing(one: Weighing) -> dict[str, Any]:
    return {
        "no": one.no,
        "stage": one.stage,
        "revision": one.revision,
        "digest": one.digest,
        "identical": one.identical,
        "error": one.error,
        "facts": msgspec.to_builtins(one.facts) if one.facts else None,
        "weighed": _plain(one.weighed) if one.weighed else None,
        "rules": _plain(one.rules),
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - any part of a trace
    """As JSON has it; bytes become hex, as digests are written everywhere."""
    plain = msgspec.to_builtins(value, builtin_types=(bytes,))
    return _hexed(plain)


def _hexed(value: Any) -> Any:  # noqa: ANN401 - as above
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: _hexed(part) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_hexed(part) for part in value]
    return value


def _forecast(said: Forecast | None) -> dict[str, Any] | None:
    if said is None:
        return None
    return {
        "method": said.method,
        "expected": format_nano(said.expected_nano),
        "low": format_nano(said.low_nano),
        "high": format_nano(said.high_nano),
        "limitOn": said.limit_on.isoformat() if said.limit_on else None,
        "tried": said.tried,
        "held": said.held,
        "errorPermille": said.error_permille,
        "madeAt": to_text(said.made_at),
    }


def _budget(row: Balance, currency: str) -> dict[str, Any]:
    return {
        "name": row.name,
        "tenant": row.tenant,
        "subject": row.subject,
        "owner": row.owner,
        "scope": dict(row.scope),
        "period": row.period,
        "hard": row.hard,
        "onExhausted": row.on_exhausted,
        "currency": currency,
        "limit": format_nano(row.limit_nano),
        "spent": format_nano(row.spent_nano),
        "pending": format_nano(row.pending_nano),
        "overrun": format_nano(row.overrun_nano),
        "left": format_nano(row.left_nano),
        "starts": _text(row.starts),
        "ends": _text(row.ends),
        "forecast": _forecast(row.forecast),
    }
