"""`/api/v1/change-requests/{id}/replay/…` and `/api/v1/exit-drills/…`: what would be different, for programs."""

from typing import Any, Final
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import CURSOR, ApiView, Rarely, page
from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import InvalidRequest, NotFound
from controlplane.kernel.ids import call_name
from controlplane.kernel.principal import Principal
from policies.api.once import KEY, answered
from policies.changes import access, replays
from policies.replay import access as seen
from policies.replay import commands, drills, told
from policies.replay.commands import MOST_DAYS
from policies.replay.models import DONE, DRILL, STATES, Replay, ReplaySample
from policies.replay.results import Part, part_of
from policies.replay.values import SHOWN

CLASS: Final = OpenApiParameter("class", str, enum=list(SHOWN), description="of one kind alone")


class Wanted(serializers.Serializer[Any]):
    """How many days back; absent or 0: what the Organisation says."""

    days = serializers.IntegerField(min_value=0, max_value=MOST_DAYS, required=False, default=0)


class DrillWanted(serializers.Serializer[Any]):
    """What is taken away, from whose calls; an empty tenant is the organisation."""

    kind = serializers.ChoiceField(choices=list(drills.KINDS))
    name = serializers.CharField(max_length=160)
    days = serializers.IntegerField(min_value=1, max_value=MOST_DAYS, required=False, default=7)
    tenant = serializers.CharField(max_length=63, required=False, allow_blank=True, default="")


class CountsBody(serializers.Serializer[Any]):
    """Sums over calls; money is in nano units of the organisation's currency, as text."""

    calls = serializers.IntegerField()
    records = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    denied = serializers.IntegerField()
    held = serializers.IntegerField()
    permitted = serializers.IntegerField()
    rerouted = serializers.IntegerField()
    altered = serializers.IntegerField()
    undecidable = serializers.IntegerField()
    unknown = serializers.IntegerField(help_text="rules about the answer whose outcome is unknown")
    servedBefore = serializers.IntegerField()  # noqa: N815 - the API's spelling
    servedAfter = serializers.IntegerField()  # noqa: N815 - the API's spelling
    bounded = serializers.IntegerField(help_text="calls that never ran, counted with their bound")
    costBeforeNano = serializers.CharField()  # noqa: N815 - the API's spelling
    costNano = serializers.CharField(help_text="the difference")  # noqa: N815 - the API's spelling
    fields = serializers.DictField(child=serializers.IntegerField())  # type: ignore[assignment] # DRF's metaclass takes fields off the class
    served = serializers.DictField(child=serializers.IntegerField())
    blocked = serializers.DictField(child=serializers.IntegerField())


class TenantCounts(CountsBody):
    """The sums of one tenant."""

    tenant = serializers.CharField()


class FoundBody(serializers.Serializer[Any]):
    """What it came to, for the tenants that the asker sees; `whole`: those are all."""

    sentence = serializers.CharField()
    whole = serializers.BooleanField()
    currency = serializers.CharField()
    basis = serializers.CharField(help_text="what the cost is counted from")
    counts = CountsBody()
    tenants = TenantCounts(many=True)


class ReplayBody(serializers.Serializer[Any]):
    """A replay: how far it is, and once it is done what it came to. `stale`: draft or base has moved since."""

    id = serializers.UUIDField()
    title = serializers.CharField(allow_blank=True)
    tenant = serializers.CharField(allow_blank=True)
    state = serializers.ChoiceField(choices=STATES)
    stale = serializers.BooleanField(allow_null=True)
    told = serializers.CharField(allow_blank=True)
    percent = serializers.IntegerField()
    calls = serializers.IntegerField()
    days = serializers.IntegerField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    base = serializers.IntegerField()
    content = serializers.CharField(allow_blank=True)
    away = serializers.DictField()
    digest = serializers.CharField(allow_blank=True)
    startedBy = serializers.CharField()  # noqa: N815 - the API's spelling
    startedAt = serializers.DateTimeField()  # noqa: N815 - the API's spelling
    endedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815 - the API's spelling
    sentence = serializers.CharField(
        allow_blank=True, help_text="what it came to in one sentence; empty before its end"
    )
    found = FoundBody(allow_null=True, help_text="null before its end, and in lists: read one")


class SampleBody(serializers.Serializer[Any]):
    """One call that would fare otherwise."""

    call = serializers.CharField()
    tenant = serializers.CharField()
    team = serializers.CharField(allow_blank=True)
    route = serializers.CharField(allow_blank=True)
    before = serializers.CharField(allow_blank=True)
    after = serializers.CharField(allow_blank=True)
    rule = serializers.CharField(allow_blank=True)
    costNano = serializers.CharField(allow_null=True)  # noqa: N815 - the API's spelling

    def get_fields(self) -> dict[str, Any]:
        """With `class`, which is a word of Python."""
        return {**super().get_fields(), "class": serializers.ChoiceField(choices=list(SHOWN))}


class SampleList(serializers.Serializer[Any]):
    """A page of samples."""

    items = SampleBody(many=True)
    next = serializers.CharField(allow_null=True)


class ReplayList(serializers.Serializer[Any]):
    """A page of exit drills."""

    items = ReplayBody(many=True)
    next = serializers.CharField(allow_null=True)


class ChangeReplay(ApiView):
    """The replay of a change request."""

    @extend_schema(operation_id="change_requests_replay_read", responses=ReplayBody)
    def get(self, request: Request, change: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """Read the newest one."""
        row = access.get(self.principal, change)
        found = replays.newest(row)
        if found is None:
            raise NotFound("this change request was never replayed")
        return Response(body(self.principal, found, stale=replays.stale(row, found)))

    @extend_schema(
        operation_id="change_requests_replay",
        request=Wanted,
        responses={202: ReplayBody},
        parameters=[KEY],
    )
    def post(self, request: Request, change: UUID) -> Response:
        """Begin one over what stands there now; one that runs already is answered."""
        asked = Wanted(data=request.data)
        asked.is_valid(raise_exception=True)

        def work() -> tuple[int, Any]:
            found = replays.begin(self.principal, change, asked.validated_data["days"])
            return 202, body(self.principal, found, stale=False)

        return answered(request, self.principal, work)


class CancelReplay(ApiView):
    """Cancelling."""

    @extend_schema(operation_id="change_requests_replay_cancel", request=None, responses=ReplayBody)
    def post(self, request: Request, change: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """End the one that runs."""
        found = replays.cancel(self.principal, change)
        row = access.get(self.principal, change)
        return Response(body(self.principal, found, stale=replays.stale(row, found)))


class Samples(ApiView):
    """Samples of a change request's replay."""

    @extend_schema(
        operation_id="change_requests_replay_samples",
        responses=SampleList,
        parameters=[*CURSOR, CLASS],
    )
    def get(self, request: Request, change: UUID) -> Response:
        """List those of the newest finished replay that one may open."""
        found = replays.current(access.get(self.principal, change))
        if found is None:
            raise NotFound("this change request has no finished replay")
        return _samples(request, self.principal, found.replay)


class ExitDrills(ApiView):
    """Exit drills."""

    @extend_schema(operation_id="exit_drills_list", responses=ReplayList, parameters=[*CURSOR])
    def get(self, request: Request) -> Response:
        """List those of places where one may run them, newest first."""
        rows = seen.drills(self.principal).defer("draft", "draft_checked", "partial")
        return Response(
            page(request, rows, lambda found: [_head(self.principal, row) for row in found])
        )

    @extend_schema(
        operation_id="exit_drills_create",
        request=DrillWanted,
        responses={202: ReplayBody},
        parameters=[KEY],
    )
    def post(self, request: Request) -> Response:
        """Take a vendor, provider, model or region away on trial; the same one that runs already is answered."""
        asked = DrillWanted(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = drills.Drill(**asked.validated_data)

        def work() -> tuple[int, Any]:
            return 202, body(self.principal, drills.begin(self.principal, wanted))

        return answered(request, self.principal, work)


class OneDrill(ApiView):
    """One exit drill."""

    @extend_schema(operation_id="exit_drills_read", responses=ReplayBody)
    def get(self, request: Request, drill: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """Read how far it is, and what it came to."""
        return Response(body(self.principal, seen.drill(self.principal, drill)))


class CancelDrill(ApiView):
    """Cancelling."""

    @extend_schema(operation_id="exit_drills_cancel", request=None, responses=ReplayBody)
    def post(self, request: Request, drill: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """End it."""
        return Response(body(self.principal, commands.cancel_drill(self.principal, drill)))


class DrillSamples(ApiView):
    """Samples of an exit drill."""

    @extend_schema(
        operation_id="exit_drills_samples", responses=SampleList, parameters=[*CURSOR, CLASS]
    )
    def get(self, request: Request, drill: UUID) -> Response:
        """List those that one may open."""
        return _samples(request, self.principal, seen.drill(self.principal, drill))


class Evidence(ApiView):
    """Dated evidence."""

    throttle_classes = [Rarely]

    @extend_schema(operation_id="exit_drills_evidence", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, drill: UUID) -> Response:  # noqa: ARG002 - DRF's signature
        """Everything that it showed, with the digest that stands in the log."""
        return Response(drills.evidence(self.principal, drill))


def body(principal: Principal, row: Replay, *, stale: bool | None = None) -> dict[str, Any]:
    """A replay as this principal may see it."""
    found, said = None, ""
    if row.state == DONE:
        part = part_of(row.result, seen.tenants_seen(principal))
        found, said = told.body(part), _sentence(row, part)
    return {
        "id": str(row.id),
        "title": row.title,
        "tenant": row.tenant,
        "state": row.state,
        "stale": stale,
        "told": row.told,
        "percent": row.percent,
        "calls": row.done if found is None else found["counts"]["calls"],
        "days": row.days,
        "since": to_text(row.since),
        "until": to_text(row.until),
        "base": row.base,
        "content": row.content,
        "away": dict(row.away),
        "digest": row.digest,
        "startedBy": row.actor,
        "startedAt": to_text(row.created_at),
        "endedAt": to_text(row.ended_at) if row.ended_at else None,
        "sentence": said,
        "found": found,
    }


def _head(principal: Principal, row: Replay) -> dict[str, Any]:
    """The same for a list: one sentence instead of all that it found."""
    return body(principal, row) | {"found": None}


def _sentence(row: Replay, part: Part) -> str:
    """A drill says what is still served, any other replay what would fare otherwise."""
    if row.what == DRILL:
        return told.drilled(part.counts, part.currency)
    return told.sentence(part.counts)


def _samples(request: Request, principal: Principal, row: Replay) -> Response:
    rows = seen.samples(principal, row)
    kind = request.query_params.get("class", "")
    if kind:
        if kind not in SHOWN:
            raise InvalidRequest(f'"{kind[:20]}" is no class; use {", ".join(SHOWN)}')
        rows = rows.filter(kind=kind)
    return Response(page(request, rows, lambda found: [_sample(one) for one in found]))


def _sample(one: ReplaySample) -> dict[str, Any]:
    return {
        "call": call_name(one.call),
        "tenant": one.tenant,
        "team": one.team,
        "route": one.route,
        "class": one.kind,
        "before": one.before,
        "after": one.after,
        "rule": one.rule,
        "costNano": None if one.cost_nano is None else str(one.cost_nano),
    }
