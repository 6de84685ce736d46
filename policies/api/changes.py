"""`/api/v1/change-requests/`: the same commands as the console's pages and the command line."""

import re
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import CURSOR, ApiView, page
from controlplane.kernel.errors import InvalidRequest, NotFound
from controlplane.kernel.principal import Principal
from policies.api import shapes
from policies.api.glass_shape import glass_shape
from policies.api.once import KEY, answered
from policies.bundles.read import published_documents
from policies.changes import access, commands, publishing
from policies.changes.bound import UNSEEN, Seen, replay_digest
from policies.changes.commands import MAX_TEXT, NewChange
from policies.changes.models import OPEN, STATES, ChangeRequest, Glass
from policies.changes.read import conflicts, edits_of, standing
from policies.changes.texts import named
from policies.documents.document import Identity

TENANT: Final = OpenApiParameter("tenant", str, description="empty or absent: the organisation's")
IF_MATCH: Final = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="the digest of the text that this began from (`none`: there was none; `*`: whatever stands there). Another's "
    "newer save is 412; where something stands there and nothing is said it is 428. A document that is not there yet needs none.",
)
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,80}")


class ChangeWanted(serializers.Serializer[Any]):
    """A change request to begin; `documents` is YAML, `submit` hands it in at once."""

    title = serializers.CharField(max_length=200)
    reason = serializers.CharField(max_length=4000, required=False, allow_blank=True, default="")
    tenant = serializers.CharField(max_length=63, required=False, allow_blank=True, default="")
    publishAt = serializers.DateTimeField(required=False, allow_null=True, default=None)  # noqa: N815 - the API's spelling
    documents = serializers.CharField(
        max_length=MAX_TEXT, required=False, allow_blank=True, default="", trim_whitespace=False
    )
    submit = serializers.BooleanField(required=False, default=False)


class Described(serializers.Serializer[Any]):
    """Another title and reason."""

    title = serializers.CharField(max_length=200)
    reason = serializers.CharField(max_length=4000, required=False, allow_blank=True, default="")


class Texts(serializers.Serializer[Any]):
    """YAML of one or more documents. What cannot be read is kept with its problems."""

    documents = serializers.CharField(max_length=MAX_TEXT, trim_whitespace=False)


class OneText(serializers.Serializer[Any]):
    """YAML of one document, or `deletes` to take it away."""

    source = serializers.CharField(  # type: ignore[assignment] # DRF's metaclass takes fields off the class
        max_length=MAX_TEXT, required=False, allow_blank=True, default="", trim_whitespace=False
    )
    deletes = serializers.BooleanField(required=False, default=False)


class Said(serializers.Serializer[Any]):
    """Why."""

    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


class Approving(Said):
    """A yes to what was read, all three: what stands there must be that still, else 409. Some of them only are 428.

    Without any, it is a yes to what stands there at that moment.
    """

    base = serializers.IntegerField(
        required=False, allow_null=True, default=None, help_text="the change request's `base`"
    )
    digest = serializers.CharField(
        max_length=64,
        required=False,
        allow_blank=True,
        default="",
        help_text="the change request's `digest`",
    )
    replay = serializers.CharField(
        max_length=64,
        required=False,
        allow_null=True,
        allow_blank=True,
        default=None,
        help_text="the `digest` of its replay; empty where it has none",
    )


class EditList(serializers.Serializer[Any]):
    """The edits of one change request."""

    items = shapes.EditSerializer(many=True)


class ChangeRequests(ApiView):
    """Change requests."""

    @extend_schema(
        operation_id="change_requests_list",
        responses=shapes.ChangeList,
        parameters=[
            *CURSOR,
            OpenApiParameter("state", str, enum=["open", *STATES]),
            OpenApiParameter("tenant", str, description="of one tenant; empty: the organisation's"),
        ],
    )
    def get(self, request: Request) -> Response:
        """List those that one may see, newest first."""
        rows = access.visible(self.principal)
        state, tenant = (request.query_params.get(name) for name in ("state", "tenant"))
        if state:
            if state not in ("open", *STATES):
                raise InvalidRequest(f'"{state[:20]}" is no state; use open, {", ".join(STATES)}')
            rows = rows.filter(state__in=OPEN if state == "open" else (state,))
        if tenant is not None:
            rows = rows.filter(tenant=named_so(tenant, "tenant") if tenant else "")
        return Response(page(request, rows, lambda found: [shapes.head(row) for row in found]))

    @extend_schema(
        operation_id="change_requests_create",
        request=ChangeWanted,
        responses={201: shapes.ChangeBody},
        parameters=[KEY],
    )
    def post(self, request: Request) -> Response:
        """Begin one, with documents if they are sent, and hand it in if that is asked."""
        asked = ChangeWanted(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted: dict[str, Any] = asked.validated_data

        def work() -> tuple[int, Any]:
            row = commands.draft(
                self.principal,
                NewChange(
                    title=wanted["title"],
                    reason=wanted["reason"],
                    tenant=wanted["tenant"],
                    publish_at=wanted["publishAt"],
                ),
            )
            if wanted["documents"].strip():
                commands.put_texts(self.principal, row.id, wanted["documents"])
            if wanted["submit"]:
                publishing.submit(self.principal, row.id)
            return 201, body(self.principal, row.id)

        return answered(request, self.principal, work)


class OneChangeRequest(ApiView):
    """One change request."""

    @extend_schema(operation_id="change_requests_read", responses=shapes.ChangeBody)
    def get(self, request: Request, change: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """Read it, with edits, checks, approvals, and why one may not approve it."""
        return Response(body(self.principal, change))

    @extend_schema(
        operation_id="change_requests_describe", request=Described, responses=shapes.ChangeBody
    )
    def patch(self, request: Request, change: UUID) -> Response:
        """Give it another title and reason; approvals stand."""
        asked = Described(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        commands.describe(self.principal, change, said["title"], said["reason"])
        return Response(body(self.principal, change))


class Edits(ApiView):
    """The edits of a change request."""

    @extend_schema(operation_id="change_requests_edits", responses=EditList)
    def get(self, request: Request, change: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """List them."""
        return Response({"items": _edits(access.get(self.principal, change))})

    @extend_schema(
        operation_id="change_requests_put_texts",
        request=Texts,
        responses={201: EditList},
        parameters=[IF_MATCH, KEY],
    )
    def post(self, request: Request, change: UUID) -> Response:
        """Put every document of a YAML text; approvals are dismissed and checks run again."""
        asked = Texts(data=request.data)
        asked.is_valid(raise_exception=True)
        text = asked.validated_data["documents"]

        def work() -> tuple[int, Any]:
            commands.put_texts(self.principal, change, text, _seen(request))
            return 201, {"items": _edits(access.get(self.principal, change))}

        return answered(request, self.principal, work)


class OneEdit(ApiView):
    """One edit, by kind and name of its document."""

    @extend_schema(
        operation_id="change_requests_put_text",
        request=OneText,
        responses=shapes.EditSerializer,
        parameters=[TENANT, IF_MATCH],
    )
    def put(self, request: Request, change: UUID, kind: str, name: str) -> Response:
        """Put the YAML of one document, or take it away."""
        asked = OneText(data=request.data)
        asked.is_valid(raise_exception=True)
        identity = _identity(request, kind, name)
        if asked.validated_data["deletes"]:
            found = commands.delete_document(self.principal, change, identity, _seen(request))
        else:
            text = asked.validated_data["source"]
            found = commands.put_text(self.principal, change, identity, text, _seen(request))
        return Response(shapes.edit(found))

    @extend_schema(
        operation_id="change_requests_remove_edit",
        responses={204: None},
        parameters=[TENANT, IF_MATCH],
    )
    def delete(self, request: Request, change: UUID, kind: str, name: str) -> Response:
        """Take the edit out of the change request: the document stays as published."""
        identity = _identity(request, kind, name)
        commands.remove_edit(self.principal, change, identity, _seen(request))
        return Response(status=204)


class Act(ApiView):
    """One step of a change request."""

    def done(self, request: Request, change: UUID, work: Callable[[], object]) -> Response:
        """Do it once, and show the change request as it is then."""

        def whole() -> tuple[int, Any]:
            work()
            return 200, body(self.principal, change)

        return answered(request, self.principal, whole)


class CheckIt(Act):
    """Check."""

    @extend_schema(operation_id="change_requests_check", request=None, responses=shapes.ChangeBody)
    def post(self, request: Request, change: UUID) -> Response:
        """Check what stands there; one that was handed in and needs nobody is published then."""
        return self.done(request, change, lambda: publishing.check(self.principal, change))


class Submit(Act):
    """Hand in."""

    @extend_schema(
        operation_id="change_requests_submit",
        request=None,
        responses=shapes.ChangeBody,
        parameters=[KEY],
    )
    def post(self, request: Request, change: UUID) -> Response:
        """Hand it in: it is checked and waits for approval; where none is needed it is published."""
        return self.done(request, change, lambda: publishing.submit(self.principal, change))


class Approve(Act):
    """Approve."""

    @extend_schema(
        operation_id="change_requests_approve",
        request=Approving,
        responses=shapes.ChangeBody,
        parameters=[KEY],
    )
    def post(self, request: Request, change: UUID) -> Response:
        """Say yes to exactly what stands there; the last approval publishes."""
        asked = Approving(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        return self.done(
            request,
            change,
            lambda: publishing.approve(
                self.principal, change, reason=said["reason"], seen=seen_of(said)
            ),
        )


class RequestChanges(Act):
    """Request changes."""

    @extend_schema(
        operation_id="change_requests_request_changes", request=Said, responses=shapes.ChangeBody
    )
    def post(self, request: Request, change: UUID) -> Response:
        """Send it back to its author with a reason; approvals are dismissed."""
        said = _reason(request)
        return self.done(
            request, change, lambda: publishing.request_changes(self.principal, change, said)
        )


class Withdraw(Act):
    """Withdraw."""

    @extend_schema(
        operation_id="change_requests_withdraw", request=Said, responses=shapes.ChangeBody
    )
    def post(self, request: Request, change: UUID) -> Response:
        """End it unpublished."""
        said = _reason(request)
        return self.done(request, change, lambda: commands.withdraw(self.principal, change, said))


class Publish(Act):
    """Publish."""

    @extend_schema(
        operation_id="change_requests_publish",
        request=None,
        responses=shapes.ChangeBody,
        parameters=[KEY],
    )
    def post(self, request: Request, change: UUID) -> Response:
        """Publish what has every approval and is not published yet, such as one that waits for its time."""
        return self.done(request, change, lambda: publishing.publish_change(self.principal, change))


def seen_of(said: dict[str, Any]) -> Seen:
    """What the asker says was read."""
    if said["base"] is None and not said["digest"] and said["replay"] is None:
        return UNSEEN
    return Seen(said["base"], said["digest"], said["replay"])


def body(principal: Principal, change: UUID) -> dict[str, Any]:
    """One change request as this principal may see it."""
    row = access.get(principal, change)
    base, edits = published_documents(), edits_of(row)
    found = standing(base, row, edits)
    roles = publishing.roles_of(principal, base, row.tenant)
    refusal = access.refusal(principal, found, roles)
    return {
        **shapes.head(row),
        "replay": replay_digest(row),
        "edits": [shapes.edit(edit) for edit in edits],
        "checks": [shapes.check(check) for check in row.checks.order_by("id")],
        "conflicts": [named(i) for i in conflicts(base, row, edits)] if row.open else [],
        **shapes.standing(found, row.approvals.order_by("id"), refusal),
        "glass": glass_shape(Glass.objects.filter(change=row).first()),
    }


def named_so(text: str, what: str) -> str:
    """A name in an address. Raises NotFound for what cannot be one."""
    if not _NAME.fullmatch(text):
        raise NotFound(f"there is no such {what}")
    return text


def _identity(request: Request, kind: str, name: str) -> Identity:
    tenant = request.query_params.get("tenant", "")
    found = "" if kind == "-" else named_so(kind, "kind")
    return found, named_so(tenant, "tenant") if tenant else "", named_so(name, "document")


def _seen(request: Request) -> str:
    """What `If-Match` names, quoted as HTTP has it or bare."""
    return str(request.headers.get("if-match", "")).strip().removeprefix("W/").strip('"')


def _reason(request: Request) -> str:
    asked = Said(data=request.data)
    asked.is_valid(raise_exception=True)
    said: str = asked.validated_data["reason"]
    return said


def _edits(row: ChangeRequest) -> list[dict[str, Any]]:
    return [shapes.edit(edit) for edit in edits_of(row)]
