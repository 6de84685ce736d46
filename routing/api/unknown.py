"""`/api/v1/unknown-attempts/` and the settling of one: what was dispatched and lost, and what it cost."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import CURSOR, ApiView, cursor_of, given, limit_of
from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import InvalidRequest, NotFound
from controlplane.kernel.ids import call_name, parse_call_name
from controlplane.kernel.money import format_nano, parse_nano
from policies.api.once import KEY, answered
from policies.bundles.published import published
from policies.engine.pricing import UsageCounts
from routing.exchange import SERVICE_TIERS
from routing.ledger import access
from routing.ledger.commands import MOST_REASON, Resolution, settle_unknown
from routing.ledger.unknown import UnknownAttempt, page_of_calls

# ruff: noqa: N815 - the API spells its names in camelCase, as documents do

MOST_TOKENS = 2_000_000_000


class UnknownAttemptSerializer(serializers.Serializer[Any]):
    """An attempt that nobody knows the cost of; `reserved` is what it holds, and what is posted by itself at `dueAt`."""

    call = serializers.CharField()
    no = serializers.IntegerField()
    tenant = serializers.CharField()
    team = serializers.CharField()
    key = serializers.CharField()
    route = serializers.CharField()
    model = serializers.CharField()
    provider = serializers.CharField()
    reserved = serializers.CharField()
    currency = serializers.CharField()
    startedAt = serializers.DateTimeField(allow_null=True)
    unknownAt = serializers.DateTimeField()
    dueAt = serializers.DateTimeField()


class UnknownAttemptPage(serializers.Serializer[Any]):
    """Unknown attempts, those of the newest call first."""

    items = UnknownAttemptSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class ReportedUsage(serializers.Serializer[Any]):
    """What the provider billed for; the three inputs do not overlap."""

    input = serializers.IntegerField(min_value=0, max_value=MOST_TOKENS)
    cachedInput = serializers.IntegerField(min_value=0, max_value=MOST_TOKENS, default=0)
    cacheWrite = serializers.IntegerField(min_value=0, max_value=MOST_TOKENS, default=0)
    output = serializers.IntegerField(min_value=0, max_value=MOST_TOKENS)


class SettleWanted(serializers.Serializer[Any]):
    """What it cost: an `amount` (exact decimal, the organisation's currency) or the reported `usage`; how one knows it."""

    amount = serializers.RegexField(r"^[0-9]{1,9}(\.[0-9]{1,9})?$", required=False)
    usage = ReportedUsage(required=False)
    serviceTier = serializers.ChoiceField(
        choices=SERVICE_TIERS,
        required=False,
        help_text="at which it was served, where not as usual",
    )
    reason = serializers.CharField(max_length=MOST_REASON)


class SettledAttempt(serializers.Serializer[Any]):
    """What was booked."""

    call = serializers.CharField()
    no = serializers.IntegerField()
    amount = serializers.CharField()
    currency = serializers.CharField()


class UnknownAttempts(ApiView):
    """What was dispatched and lost."""

    @extend_schema(
        operation_id="unknown_attempts_list", parameters=[*CURSOR], responses=UnknownAttemptPage
    )
    def get(self, request: Request) -> Response:
        """List attempts whose cost nobody knows yet; each holds its reservation."""
        rows = access.unknown_attempts(self.principal)
        found, following = page_of_calls(rows, limit_of(request), cursor_of(request))
        currency = published().currency
        items = [_shown(row, currency) for row in found]
        return Response({"items": items, "next": following.hex if following else None})


class Settle(ApiView):
    """A person says what it cost."""

    @extend_schema(
        operation_id="unknown_attempts_settle",
        parameters=[KEY],
        request=SettleWanted,
        responses=SettledAttempt,
    )
    def post(self, request: Request, name: str, no: int) -> Response:
        """Post what an unknown attempt cost and give back the rest of what it held."""
        said = given(request, SettleWanted)
        wanted = _resolution(name, no, said)

        def work() -> tuple[int, dict[str, object]]:
            amount = settle_unknown(self.principal, wanted)
            said: dict[str, object] = {"call": call_name(wanted.call), "no": no}
            money = {"amount": format_nano(amount), "currency": published().currency}
            return 200, {**said, **money}

        return answered(request, self.principal, work)


def _resolution(name: str, no: int, said: dict[str, Any]) -> Resolution:
    try:
        call = parse_call_name(name)
    except ValueError:
        raise NotFound(f'there is no call "{name}"') from None
    usage, amount = said.get("usage"), said.get("amount")
    if (usage is None) == (amount is None):
        raise InvalidRequest("give either amount or usage")
    counts = usage and UsageCounts(
        input=usage["input"],
        cached_input=usage["cachedInput"],
        cache_write=usage["cacheWrite"],
        output=usage["output"],
    )
    nano = None if amount is None else parse_nano(amount)
    return Resolution(
        call=call,
        no=no,
        reason=said["reason"],
        amount_nano=nano,
        usage=counts,
        service_tier=said.get("serviceTier", ""),
    )


def _shown(row: UnknownAttempt, currency: str) -> dict[str, object]:
    return {
        "call": call_name(row.call),
        "no": row.no,
        "tenant": row.tenant,
        "team": row.team,
        "key": row.key,
        "route": row.route,
        "model": row.model,
        "provider": row.provider,
        "reserved": format_nano(row.reserved_nano),
        "currency": currency,
        "startedAt": to_text(row.started_at) if row.started_at else None,
        "unknownAt": to_text(row.unknown_at),
        "dueAt": to_text(row.due_at),
    }
