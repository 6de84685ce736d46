"""`/api/v1/holds/`, `erasures/`, `subjects/`: what is kept on purpose, what is forgotten, and what is known of one person."""

from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import CURSOR, ApiView, Often, Rarely, given, page
from audit.retention import commands, read
from audit.retention.models import ERASURES, HOLDS, Erasure, Hold
from controlplane.kernel.clock import to_text
from controlplane.kernel.ids import call_name
from policies.api.once import KEY, answered
from policies.bundles.published import published
from routing.reports.content import store
from routing.retention import erasing, subjects
from routing.retention.holding import held, target_of

# ruff: noqa: N815 - the API spells its names in camelCase, as documents do

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


class HoldWanted(serializers.Serializer[Any]):
    """A legal hold to set. `name` is a use case's, a call's, or a user's id as callers send it."""

    kind = serializers.ChoiceField(choices=HOLDS)
    tenant = serializers.RegexField(NAME, allow_blank=True, required=False, default="")
    name = serializers.CharField(allow_blank=True, required=False, default="", max_length=512)
    reason = serializers.CharField(max_length=500)


class HoldSerializer(serializers.Serializer[Any]):
    """One legal hold; `liftedAt` is null while it stands. Of a subject `name` is a pseudonym."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=HOLDS)
    tenant = serializers.CharField(allow_blank=True)
    name = serializers.CharField(allow_blank=True)
    reason = serializers.CharField()
    actor = serializers.CharField()
    setAt = serializers.DateTimeField()
    liftAskedBy = serializers.CharField(allow_blank=True)
    liftedAt = serializers.DateTimeField(allow_null=True)
    liftedBy = serializers.CharField(allow_blank=True)


class HoldPage(serializers.Serializer[Any]):
    """Legal holds, newest first."""

    items = HoldSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class HoldStep(serializers.Serializer[Any]):
    """`asked`: another member must confirm; `done`: it is lifted."""

    outcome = serializers.ChoiceField(choices=["asked", "done"])


class ErasureWanted(serializers.Serializer[Any]):
    """Whose content to erase: a `user` as callers send it, a `team` (calls that name no user), a `month` like 2026-11.

    Or, with no `name`, all of an archived tenant's: its `tenant-key` in the key service.
    """

    kind = serializers.ChoiceField(choices=ERASURES)
    tenant = serializers.RegexField(NAME)
    name = serializers.CharField(allow_blank=True, required=False, default="", max_length=512)
    basis = serializers.CharField(max_length=500)


class ErasureSerializer(serializers.Serializer[Any]):
    """One erasure; `erasedAt` is null while it waits to be confirmed. `key` is the name of the destroyed key."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=ERASURES)
    tenant = serializers.CharField()
    key = serializers.CharField()
    fingerprint = serializers.CharField(allow_blank=True)
    basis = serializers.CharField()
    askedAt = serializers.DateTimeField()
    askedBy = serializers.CharField()
    erasedAt = serializers.DateTimeField(allow_null=True)
    erasedBy = serializers.CharField(allow_blank=True)


class ErasurePage(serializers.Serializer[Any]):
    """Erasures, newest first."""

    items = ErasureSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class SubjectWanted(serializers.Serializer[Any]):
    """Whom to look up: in the body, so that no address holds a person's id."""

    tenant = serializers.RegexField(NAME)
    user = serializers.CharField(max_length=512)


class SubjectExportWanted(SubjectWanted):
    """Whose data to take along, and why; the reason stands in the log."""

    reason = serializers.CharField(max_length=500)


class SubjectSerializer(serializers.Serializer[Any]):
    """What a user's id touches in one tenant; `key` is a pseudonym."""

    tenant = serializers.CharField()
    key = serializers.CharField()
    contentStands = serializers.BooleanField()
    calls = serializers.IntegerField()
    entries = serializers.IntegerField()
    cases = serializers.IntegerField()
    first = serializers.DateTimeField(allow_null=True)
    last = serializers.DateTimeField(allow_null=True)
    erasedOn = serializers.DateTimeField(allow_null=True)
    erasureAsked = serializers.UUIDField(allow_null=True)


class Holds(ApiView):
    """Legal holds."""

    @extend_schema(operation_id="holds_list", responses=HoldPage, parameters=[*CURSOR])
    def get(self, request: Request) -> Response:
        """List the legal holds that one may see, newest first."""
        rows = read.visible_holds(self.principal)
        return Response(page(request, rows, lambda found: [_hold(row) for row in found]))

    @extend_schema(
        operation_id="holds_set",
        request=HoldWanted,
        responses={201: HoldSerializer},
        parameters=[KEY],
    )
    def post(self, request: Request) -> Response:
        """Set a legal hold: nothing of it is pruned or erased from then on."""
        target = target_of(given(request, HoldWanted))
        return answered(request, self.principal, lambda: (201, _hold(held(self.principal, target))))


class LiftHold(ApiView):
    """Lifting takes two."""

    @extend_schema(operation_id="holds_lift", request=None, responses=HoldStep)
    def post(self, request: Request, hold: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """Ask for a hold's lifting, or confirm what another asked."""
        alone = published().single_operator
        done = commands.lift_hold(self.principal, hold, single_operator=alone)
        return Response({"outcome": done.value})


class Erasures(ApiView):
    """Erasures."""

    @extend_schema(operation_id="erasures_list", responses=ErasurePage, parameters=[*CURSOR])
    def get(self, request: Request) -> Response:
        """List the erasures that one may see, newest first."""
        rows = read.visible_erasures(self.principal)
        return Response(page(request, rows, lambda found: [_erasure(row) for row in found]))

    @extend_schema(
        operation_id="erasures_ask",
        request=ErasureWanted,
        responses={201: ErasureSerializer},
        parameters=[KEY],
    )
    def post(self, request: Request) -> Response:
        """Ask for an erasure; nothing is destroyed until another member confirms it."""
        said = given(request, ErasureWanted)

        def work() -> tuple[int, Any]:
            target = said["kind"], said["tenant"], said["name"]
            wanted = erasing.wanted(self.principal, target, said["basis"])
            return 201, _erasure(commands.ask_erasure(self.principal, wanted, store()))

        return answered(request, self.principal, work)


class ConfirmErasure(ApiView):
    """Erasing takes two."""

    @extend_schema(operation_id="erasures_confirm", request=None, responses=ErasureSerializer)
    def post(self, request: Request, erasure: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """Destroy the key that another member asked to destroy. It cannot be taken back."""
        return Response(_erasure(erasing.confirm(self.principal, erasure)))


class Subjects(ApiView):
    """Data subjects."""

    throttle_classes = [Often, Rarely]

    @extend_schema(operation_id="subjects_find", request=SubjectWanted, responses=SubjectSerializer)
    def post(self, request: Request) -> Response:
        """Look up what a user's id touches in a tenant."""
        said = given(request, SubjectWanted)
        return Response(subjects.find(self.principal, said["tenant"], said["user"]).as_dict())


class SubjectExport(ApiView):
    """A data subject's calls with their content."""

    throttle_classes = [Often, Rarely]

    @extend_schema(
        operation_id="subjects_export",
        request=SubjectExportWanted,
        responses={(200, "application/jsonl"): OpenApiTypes.STR},
    )
    def post(self, request: Request) -> StreamingHttpResponse:
        """Take along all that is stored of one user, as JSON lines; an entry says who did, and why."""
        said = given(request, SubjectExportWanted)
        lines = subjects.export(self.principal, said["tenant"], said["user"], said["reason"])
        return subjects.as_file(request._request, lines)  # noqa: SLF001 - DRF keeps Django's request there


def _hold(row: Hold) -> dict[str, object]:
    return {
        "id": str(row.id),
        "kind": row.kind,
        "tenant": row.tenant,
        "name": call_name(row.call) if row.call else row.name,
        "reason": row.reason,
        "actor": row.set_by,
        "setAt": to_text(row.set_at),
        "liftAskedBy": row.lift_asked_by,
        "liftedAt": to_text(row.lifted_at) if row.lifted_at else None,
        "liftedBy": row.lifted_by,
    }


def _erasure(row: Erasure) -> dict[str, object]:
    return {
        "id": str(row.id),
        "kind": row.kind,
        "tenant": row.tenant,
        "key": row.key,
        "fingerprint": row.fingerprint,
        "basis": row.basis,
        "askedAt": to_text(row.asked_at),
        "askedBy": row.asked_by,
        "erasedAt": to_text(row.erased_at) if row.erased_at else None,
        "erasedBy": row.erased_by,
    }
