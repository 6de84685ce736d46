"""`/api/v1/folders/`: what `manage.py policy --server` asks: a whole folder planned, or handed in, in one request."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import ApiView, Rarely
from policies.api import folder_shapes as shapes
from policies.api.changes import TENANT, named_so
from policies.api.once import KEY, answered
from policies.bundles import owning
from policies.bundles.access import document
from policies.bundles.published import published
from policies.changes.commands import MAX_TEXT
from policies.folders import applying, planning, replaying
from policies.folders.applying import Said
from policies.folders.folder import File, Folder, digest_of
from policies.folders.planning import Wanted
from policies.folders.published import published_folder
from policies.replay.commands import MOST_DAYS

MAX_FILES = 2000


class FileWanted(serializers.Serializer[Any]):
    """One file: its path in the repository, its text with values in it, and as it lies there where that differs."""

    path = serializers.RegexField(r"^[^\x00-\x1f\x7f]+$", max_length=500)
    content = serializers.CharField(max_length=MAX_TEXT, allow_blank=True, trim_whitespace=False)
    raw = serializers.CharField(
        max_length=MAX_TEXT, required=False, allow_blank=True, default="", trim_whitespace=False
    )


class FolderWanted(serializers.Serializer[Any]):
    """A folder of documents, and how it is laid over what is published."""

    files = serializers.ListField(child=FileWanted(), max_length=MAX_FILES)
    repository = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    commit = serializers.RegexField(
        r"^[0-9A-Za-z._/-]{0,100}$", required=False, allow_blank=True, default=""
    )
    tenant = serializers.CharField(max_length=63, required=False, allow_blank=True, default="")
    prune = serializers.BooleanField(required=False, default=False)
    take = serializers.BooleanField(
        required=False, default=False, help_text="go over what the console wrote"
    )


class FolderReplayed(FolderWanted):
    """A folder whose effect on the calls of the last days is asked for; absent or 0: as many as the Organisation says."""

    days = serializers.IntegerField(min_value=0, max_value=MOST_DAYS, required=False, default=0)


class FolderApplied(FolderWanted):
    """A folder to hand in as one change request."""

    title = serializers.CharField(max_length=200)
    attestation = serializers.CharField(
        max_length=64 * 1024, required=False, allow_blank=True, default=""
    )
    reason = serializers.CharField(max_length=4000, required=False, allow_blank=True, default="")
    proposeOnly = serializers.BooleanField(  # noqa: N815 - the API's spelling
        required=False,
        default=False,
        help_text="hand it in, what is wrong included, and approve nothing: also in single-operator mode",
    )


class Folders(ApiView):
    """Folders of documents."""

    throttle_classes = [Rarely]

    @extend_schema(
        operation_id="folders_read",
        responses=shapes.PublishedFolder,
        parameters=[OpenApiParameter("tenant", str, description="of one tenant alone")],
    )
    def get(self, request: Request) -> Response:
        """Read every published document that one may read, with its text: a folder to keep in Git."""
        tenant = request.query_params.get("tenant", "")
        place = named_so(tenant, "tenant") if tenant else ""
        return Response(published_folder(self.principal, place))

    @extend_schema(
        operation_id="folders_apply",
        request=FolderApplied,
        responses={200: shapes.Applied, 201: shapes.Applied},
        parameters=[KEY],
    )
    def post(self, request: Request) -> Response:
        """Hand a folder in as one change request, published where approvals allow; 200 where nothing would change."""
        asked = FolderApplied(data=request.data)
        asked.is_valid(raise_exception=True)
        found = asked.validated_data
        said = Said(title=found["title"], reason=found["reason"], attestation=found["attestation"])

        def work() -> tuple[int, Any]:
            take = applying.propose if found["proposeOnly"] else applying.apply
            done = take(self.principal, _folder(found), _wanted(found), said)
            return 201 if done.row else 200, applying.facts(done)

        return answered(request, self.principal, work)


class Plans(ApiView):
    """What a folder would change."""

    throttle_classes = [Rarely]

    @extend_schema(operation_id="folders_plan", request=FolderWanted, responses=shapes.Plan)
    def post(self, request: Request) -> Response:
        """Check a folder over what is published and say what it would change. Nothing is written."""
        asked = FolderWanted(data=request.data)
        asked.is_valid(raise_exception=True)
        found = asked.validated_data
        return Response(planning.plan(self.principal, _folder(found), _wanted(found)))


class PlanReplays(ApiView):
    """Replays of plans."""

    throttle_classes = [Rarely]

    @extend_schema(
        operation_id="folders_replay",
        request=FolderReplayed,
        responses={202: shapes.PlanReplay},
        parameters=[KEY],
    )
    def post(self, request: Request) -> Response:
        """Decide the calls of the last days again under a folder that is not handed in; one that runs already is answered."""
        asked = FolderReplayed(data=request.data)
        asked.is_valid(raise_exception=True)
        found = asked.validated_data

        def work() -> tuple[int, Any]:
            row = replaying.begin(self.principal, _folder(found), _wanted(found), found["days"])
            return 202, replaying.facts(self.principal, row.id)

        return answered(request, self.principal, work)


class PlanReplay(ApiView):
    """The replay of a plan."""

    @extend_schema(operation_id="folders_replay_read", responses=shapes.PlanReplay)
    def get(self, request: Request, replay: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """Read how far it is, and what it came to. It is for who began it."""
        return Response(replaying.facts(self.principal, replay))


class TakeOver(ApiView):
    """Who keeps a document."""

    @extend_schema(
        operation_id="documents_take_over",
        request=None,
        responses=shapes.Kept,
        parameters=[TENANT, KEY],
    )
    def post(self, request: Request, kind: str, name: str) -> Response:
        """Let the console keep from now on what Git kept: an entry in the log, and the next apply of it is refused."""
        tenant = request.query_params.get("tenant", "")
        identity = kind, named_so(tenant, "tenant") if tenant else "", named_so(name, "document")

        def work() -> tuple[int, Any]:
            document(self.principal, published(), *identity)
            row = owning.take_over(self.principal, identity)
            return 200, {"kind": kind, "tenant": row.tenant, "name": name, "origin": row.origin}

        return answered(request, self.principal, work)


def _folder(found: dict[str, Any]) -> Folder:
    files = tuple(File(f["path"], f["content"], f["raw"]) for f in found["files"])
    return Folder(
        files=files,
        repository=found["repository"],
        commit=found["commit"],
        source_digest=digest_of(files),
    )


def _wanted(found: dict[str, Any]) -> Wanted:
    return Wanted(tenant=found["tenant"], prune=found["prune"], take=found["take"])
