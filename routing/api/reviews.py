"""`/api/v1/reviews/`: the queue and what people do with its cases, by the same commands and access as the pages."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import CURSOR, ApiView, given, page
from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.ids import call_name
from policies.bundles.published import published
from policies.order.lock import mandate_now
from routing.reports.reviews import decisions
from routing.reviews import access, commands
from routing.reviews.commands import Decided
from routing.reviews.content import Opened
from routing.reviews.drafts import Draft
from routing.reviews.models import ReviewCase
from routing.validation.edits import problems

# ruff: noqa: N815 - the API spells its names in camelCase, as documents do

_EQUAL = ("queue", "tenant", "route", "stage")
CASE_STATES = ("open", "closed")
VERDICTS = ("approved", "edited", "redacted", "rejected")
VERDICT_STATES = ("counted", "closed")


class RuleSerializer(serializers.Serializer[Any]):
    """A rule that asked for a person, with the line that decided."""

    kind = serializers.CharField()
    tenant = serializers.CharField(allow_blank=True)
    name = serializers.CharField()
    line = serializers.IntegerField()


class DecisionMade(serializers.Serializer[Any]):
    """What one person decided about one version of the answer."""

    actor = serializers.CharField()
    verdict = serializers.ChoiceField(choices=VERDICTS)
    version = serializers.IntegerField()
    reason = serializers.CharField(allow_blank=True)
    at = serializers.DateTimeField()


class ReviewSerializer(serializers.Serializer[Any]):
    """One case, without its content. `version` is the answer in force: 0 the model's, each edit the next."""

    id = serializers.UUIDField()
    call = serializers.CharField()
    state = serializers.ChoiceField(choices=CASE_STATES)
    outcome = serializers.CharField(allow_blank=True)
    stage = serializers.ChoiceField(choices=["request", "response", "tool", "failure", "sample"])
    tenant = serializers.CharField()
    team = serializers.CharField()
    key = serializers.CharField()
    route = serializers.CharField()
    queue = serializers.CharField()
    queueTenant = serializers.CharField(allow_blank=True)
    cameFrom = serializers.CharField(allow_blank=True)
    message = serializers.CharField(allow_blank=True)
    rules = RuleSerializer(many=True)
    openedAt = serializers.DateTimeField()
    dueAt = serializers.DateTimeField()
    overdue = serializers.BooleanField()
    closedAt = serializers.DateTimeField(allow_null=True)
    claimedBy = serializers.CharField(allow_blank=True)
    claimedUntil = serializers.DateTimeField(allow_null=True)
    approvals = serializers.IntegerField()
    version = serializers.IntegerField()


class ReviewDetail(ReviewSerializer):
    """One case with what people decided, and whether the asker may decide it."""

    decisions = DecisionMade(many=True)
    mayReview = serializers.BooleanField()


class ReviewPage(serializers.Serializer[Any]):
    """A page of cases, newest first."""

    items = ReviewSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class TurnSerializer(serializers.Serializer[Any]):
    """One turn of the prompt."""

    role = serializers.CharField()
    text = serializers.CharField(allow_blank=True)


class DraftSerializer(serializers.Serializer[Any]):
    """An answer that nobody but its reviewer has seen."""

    text = serializers.CharField(allow_blank=True)
    tools = serializers.ListField(child=serializers.CharField())
    others = serializers.ListField(child=serializers.CharField())
    answered = serializers.BooleanField()


class ReviewContent(serializers.Serializer[Any]):
    """Prompt and answer. `draft` is null before any model; `first` is the model's text where a person changed it."""

    prompt = TurnSerializer(many=True)
    draft = DraftSerializer(allow_null=True)
    first = DraftSerializer(allow_null=True)


class Claimed(serializers.Serializer[Any]):
    """How long the case is this person's."""

    claimedUntil = serializers.DateTimeField()


class Returned(serializers.Serializer[Any]):
    """The case is free."""

    outcome = serializers.ChoiceField(choices=["returned"])


class Verdict(serializers.Serializer[Any]):
    """`counted`: one more person must decide; `closed`: the call went on or ended with it."""

    state = serializers.ChoiceField(choices=VERDICT_STATES)
    outcome = serializers.CharField(allow_blank=True)


def _reason(*, required: bool) -> serializers.CharField:
    if required:
        return serializers.CharField(max_length=commands.LONGEST_REASON)
    return serializers.CharField(
        max_length=commands.LONGEST_REASON, required=False, default="", allow_blank=True
    )


class ApproveBody(serializers.Serializer[Any]):
    """`version`: the answer that was read; another in force by now is a 409."""

    version = serializers.IntegerField(min_value=0, max_value=32_000)
    reason = _reason(required=False)


class EditBody(serializers.Serializer[Any]):
    """The whole text that the caller shall get."""

    text = serializers.CharField(max_length=1_000_000, trim_whitespace=False)
    reason = _reason(required=False)


class SpanSerializer(serializers.Serializer[Any]):
    """What is taken out, in characters of the answer's text."""

    start = serializers.IntegerField(min_value=0, max_value=10_000_000)
    end = serializers.IntegerField(min_value=0, max_value=10_000_000)


class RedactBody(serializers.Serializer[Any]):
    """Spans of the answer in force."""

    spans = SpanSerializer(many=True)
    reason = _reason(required=False)


class RejectBody(serializers.Serializer[Any]):
    """Why; the caller reads it."""

    reason = _reason(required=True)


class Reviews(ApiView):
    """The queue."""

    @extend_schema(
        operation_id="reviews_list",
        responses=ReviewPage,
        parameters=[
            *CURSOR,
            OpenApiParameter("state", str, enum=CASE_STATES),
            *(OpenApiParameter(name, str) for name in _EQUAL),
        ],
    )
    def get(self, request: Request) -> Response:
        """List the cases that one may see, newest first; `state=open` those that wait."""
        asked, now = request.query_params, mandate_now()
        rows = access.visible(self.principal, published())
        rows = rows.filter(**{name: asked[name] for name in _EQUAL if asked.get(name)})
        if asked.get("state"):
            rows = rows.filter(closed_at__isnull=_is_open(asked["state"]))
        return Response(page(request, rows, lambda found: [case_body(c, now) for c in found]))


class OneReview(ApiView):
    """One case."""

    @extend_schema(operation_id="reviews_read", responses=ReviewDetail)
    def get(self, request: Request, review: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """Read one case. Another tenant's is 404. Its content is `content/`."""
        found = published()
        case = access.get(self.principal, found, review)
        made = [
            {
                "actor": d.actor,
                "verdict": d.verdict,
                "version": d.version,
                "reason": d.reason,
                "at": to_text(d.decided_at),
            }
            for d in decisions(case)
        ]
        may = access.may_review(self.principal, found, case)
        return Response({**case_body(case, mandate_now()), "decisions": made, "mayReview": may})


class Content(ApiView):
    """Prompt and answer."""

    @extend_schema(operation_id="reviews_content", request=None, responses=ReviewContent)
    def post(self, request: Request, review: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """Decrypt prompt and answer, for who has claimed the case. Each view is an entry."""
        return Response(_opened(commands.look(self.principal, review)))


class Claim(ApiView):
    """Take a case."""

    @extend_schema(operation_id="reviews_claim", request=None, responses=Claimed)
    def post(self, request: Request, review: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """Claim a case for 15 minutes."""
        return Response({"claimedUntil": to_text(commands.claim(self.principal, review))})


class Release(ApiView):
    """Give a case back."""

    @extend_schema(operation_id="reviews_release", request=None, responses=Returned)
    def post(self, request: Request, review: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """Give a claimed case back to its queue."""
        commands.give_back(self.principal, review)
        return Response({"outcome": "returned"})


class _Verdicts(ApiView):
    """A verdict with a body of its own."""

    body: type[serializers.Serializer[Any]]

    def decide(self, request: Request, act: Callable[[dict[str, Any]], Decided]) -> Response:
        """Read the body and decide."""
        said = given(request, self.body)
        done = act(said)
        return Response({"state": "closed" if done.closed else "counted", "outcome": done.outcome})


class Approve(_Verdicts):
    """Approve."""

    body = ApproveBody

    @extend_schema(operation_id="reviews_approve", request=ApproveBody, responses=Verdict)
    def post(self, request: Request, review: UUID) -> Response:
        """Let the call go on, or give its answer out."""
        return self.decide(
            request,
            lambda said: commands.approve(self.principal, review, said["version"], said["reason"]),
        )


class Edit(_Verdicts):
    """Edit and approve."""

    body = EditBody

    @extend_schema(operation_id="reviews_edit", request=EditBody, responses=Verdict)
    def post(self, request: Request, review: UUID) -> Response:
        """Give another text out instead; it passes the route's validators."""
        return self.decide(
            request,
            lambda said: commands.edit(
                self.principal, review, said["text"], said["reason"], problems
            ),
        )


class Redact(_Verdicts):
    """Redact and approve."""

    body = RedactBody

    @extend_schema(operation_id="reviews_redact", request=RedactBody, responses=Verdict)
    def post(self, request: Request, review: UUID) -> Response:
        """Take spans out of the answer, then give it out."""
        return self.decide(
            request,
            lambda said: commands.redact(
                self.principal,
                review,
                [(span["start"], span["end"]) for span in said["spans"]],
                said["reason"],
            ),
        )


class Reject(_Verdicts):
    """Reject."""

    body = RejectBody

    @extend_schema(operation_id="reviews_reject", request=RejectBody, responses=Verdict)
    def post(self, request: Request, review: UUID) -> Response:
        """Turn the call down; the caller reads the reason."""
        return self.decide(
            request, lambda said: commands.reject(self.principal, review, said["reason"])
        )


def case_body(case: ReviewCase, now: datetime) -> dict[str, Any]:
    """One case as the API tells it."""
    return {
        "id": str(case.id),
        "call": call_name(case.call),
        "state": "closed" if case.closed_at else "open",
        "outcome": case.outcome,
        "stage": case.stage,
        "tenant": case.tenant,
        "team": case.team,
        "key": case.key,
        "route": case.route,
        "queue": case.queue,
        "queueTenant": case.queue_tenant,
        "cameFrom": case.came_from,
        "message": case.message,
        "rules": [
            {name: rule.get(name, "") for name in ("kind", "tenant", "name", "line")}
            for rule in case.rules
        ],
        "openedAt": to_text(case.opened_at),
        "dueAt": to_text(case.due_at),
        "overdue": case.closed_at is None and case.due_at <= now,
        "closedAt": to_text(case.closed_at) if case.closed_at else None,
        "claimedBy": case.claimed_by,
        "claimedUntil": to_text(case.claimed_until) if case.claimed_until else None,
        "approvals": case.approvals,
        "version": case.version,
    }


def _opened(opened: Opened) -> dict[str, Any]:
    return {
        "prompt": [{"role": turn.role, "text": turn.text} for turn in opened.prompt],
        "draft": _draft(opened.draft),
        "first": _draft(opened.first),
    }


def _draft(draft: Draft | None) -> dict[str, Any] | None:
    if draft is None:
        return None
    return {
        "text": draft.text,
        "tools": list(draft.tools),
        "others": list(draft.others),
        "answered": draft.answered,
    }


def _is_open(state: str) -> bool:
    if state not in {"open", "closed"}:
        raise InvalidRequest(f'state "{state[:20]}" is neither open nor closed')
    return state == "open"
