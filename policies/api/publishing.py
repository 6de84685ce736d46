"""`/api/v1/change-requests/{id}/…`: rebase, when it is published, and publishing alone in an emergency."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from policies.api import shapes
from policies.api.changes import Act, Approving, Said, seen_of
from policies.api.glass_shape import VERDICTS
from policies.api.once import KEY
from policies.changes import glass, rebasing, scheduling
from policies.documents.document import Identity


class One(serializers.Serializer[Any]):
    """One document by what tells it from others."""

    kind = serializers.CharField(max_length=63)
    tenant = serializers.CharField(max_length=63, required=False, allow_blank=True, default="")
    name = serializers.CharField(max_length=80)


class Choice(One):
    """One field that both sides changed, by its path ("": the document as a whole), and whose value stands."""

    path = serializers.CharField(max_length=400, required=False, allow_blank=True, default="")
    take = serializers.ChoiceField(choices=["mine", "theirs"])


class Rebasing(serializers.Serializer[Any]):
    """`mine`: documents whose text goes over what others published since. `choices`: field by field, where both changed it."""

    mine = One(many=True, required=False, default=list)
    choices = Choice(many=True, required=False, default=list)


class When(serializers.Serializer[Any]):
    """A time that is still to come."""

    publishAt = serializers.DateTimeField()  # noqa: N815 - the API's spelling


class Breaking(Approving):
    """Why it cannot wait, and what was read."""

    reason = serializers.CharField(max_length=2000)


class Reviewing(Said):
    """What another says of it. `taken back` opens the change request that does; `atOnce` approves that with the same click."""

    verdict = serializers.ChoiceField(choices=VERDICTS)
    atOnce = serializers.BooleanField(default=False)  # noqa: N815 - the API's spelling


class Schedule(Act):
    """When it is published."""

    @extend_schema(
        operation_id="change_requests_schedule", request=When, responses=shapes.ChangeBody
    )
    def put(self, request: Request, change: UUID) -> Response:
        """Publish it at this time, once approved. Approvals are dismissed: they are of what and when."""
        asked = When(data=request.data)
        asked.is_valid(raise_exception=True)
        at = asked.validated_data["publishAt"]
        return self.done(request, change, lambda: scheduling.schedule(self.principal, change, at))

    @extend_schema(operation_id="change_requests_unschedule", responses=shapes.ChangeBody)
    def delete(self, request: Request, change: UUID) -> Response:
        """Take the time away. Approvals are dismissed."""
        return self.done(request, change, lambda: scheduling.unschedule(self.principal, change))


class BreakGlass(Act):
    """Publish alone."""

    @extend_schema(
        operation_id="change_requests_break_glass",
        request=Breaking,
        responses=shapes.ChangeBody,
        parameters=[KEY],
    )
    def post(self, request: Request, change: UUID) -> Response:
        """Publish alone what only tightens, with a reason; it is flagged until another member reviews it."""
        asked = Breaking(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        return self.done(
            request,
            change,
            lambda: glass.break_glass(self.principal, change, said["reason"], seen_of(said)),
        )


class ReviewGlass(Act):
    """Look at what another published alone."""

    @extend_schema(
        operation_id="change_requests_review_glass",
        request=Reviewing,
        responses=shapes.ChangeBody,
        parameters=[KEY],
    )
    def post(self, request: Request, change: UUID) -> Response:
        """Confirm it, hand in the change request that takes it back, or revert it at once where one approval is enough."""
        asked = Reviewing(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data

        def work() -> object:
            if said["atOnce"] and said["verdict"] == "taken back":
                return glass.revert(self.principal, change, said["reason"])
            return glass.review(self.principal, change, said["verdict"], said["reason"])

        return self.done(request, change, work)


class Rebase(Act):
    """Rebase."""

    @extend_schema(
        operation_id="change_requests_rebase", request=Rebasing, responses=shapes.ChangeBody
    )
    def post(self, request: Request, change: UUID) -> Response:
        """Move it onto the bundle in force: fields that one side changed merge; those that both did are 409, unless chosen."""
        asked = Rebasing(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        mine = [_one(found) for found in said["mine"]]
        choices = rebasing.choices_of([(_one(c), c["path"], c["take"]) for c in said["choices"]])
        return self.done(
            request, change, lambda: rebasing.rebase(self.principal, change, mine, choices)
        )


def _one(found: dict[str, Any]) -> Identity:
    return found["kind"], found["tenant"], found["name"]
