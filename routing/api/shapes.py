"""What `/api/v1/calls/`, `decide/` and `budgets/` answer with, for the schema."""

from typing import Any

from rest_framework import serializers

# ruff: noqa: N815 - the API spells its names in camelCase, as documents do


class CallSerializer(serializers.Serializer[Any]):
    """One call. `cost` is an exact decimal in the organisation's `currency`."""

    id = serializers.CharField()
    state = serializers.CharField()
    code = serializers.CharField(allow_blank=True)
    tenant = serializers.CharField()
    team = serializers.CharField()
    key = serializers.CharField()
    route = serializers.CharField()
    dialect = serializers.CharField()
    stream = serializers.BooleanField()
    run = serializers.CharField(allow_null=True)
    revision = serializers.IntegerField()
    admittedAt = serializers.DateTimeField()
    finishedAt = serializers.DateTimeField(allow_null=True)
    cost = serializers.CharField()
    currency = serializers.CharField()
    shadowOf = serializers.CharField(
        allow_null=True, help_text="the call that this is a shadow run of; nobody got its answer"
    )


class CallPage(serializers.Serializer[Any]):
    """A page of calls, newest first."""

    items = CallSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class AttemptSerializer(serializers.Serializer[Any]):
    """One try at one model."""

    no = serializers.IntegerField()
    state = serializers.CharField()
    model = serializers.CharField()
    provider = serializers.CharField()
    errorClass = serializers.CharField(allow_blank=True)
    startedAt = serializers.DateTimeField(allow_null=True)
    settledAt = serializers.DateTimeField(allow_null=True)
    tokensInput = serializers.IntegerField(allow_null=True)
    tokensOutput = serializers.IntegerField(allow_null=True)
    reserved = serializers.CharField()
    cost = serializers.CharField()
    basis = serializers.CharField(allow_blank=True)


class PaidSerializer(serializers.Serializer[Any]):
    """What one budget paid."""

    budget = serializers.CharField()
    tenant = serializers.CharField(allow_blank=True)
    subject = serializers.CharField(allow_blank=True)
    amount = serializers.CharField()


class DecisionSerializer(serializers.Serializer[Any]):
    """One recorded decision: its digest (hex) is what deciding again must give."""

    no = serializers.IntegerField()
    stage = serializers.CharField()
    revision = serializers.IntegerField()
    digest = serializers.CharField()


class BesideSerializer(serializers.Serializer[Any]):
    """A shadow run of the call. `verdict` is agreed, differed, failed or incomparable; empty until it was compared."""

    call = serializers.CharField()
    model = serializers.CharField()
    verdict = serializers.CharField(allow_blank=True)
    state = serializers.CharField()
    cost = serializers.CharField()


class CallDetail(CallSerializer):
    """One call with its attempts, decisions, budgets, and the entry that is its receipt.

    `answer` is there for an API key of the call's own team, once the call has ended with one.
    """

    attempts = AttemptSerializer(many=True)
    decisions = DecisionSerializer(many=True)
    paid = PaidSerializer(many=True)
    receipt = serializers.CharField(allow_null=True)
    askedBeside = BesideSerializer(many=True)
    answer = serializers.JSONField(required=False)


class StageExplained(DecisionSerializer):
    """A decision made again, with everything it considered. `error` says why it could not be."""

    identical = serializers.BooleanField()
    error = serializers.CharField(allow_blank=True)
    facts = serializers.DictField(allow_null=True)
    trace = serializers.DictField(allow_null=True)


class WeighingExplained(DecisionSerializer):
    """What happened with one answer, weighed again. `error` says why it could not be."""

    identical = serializers.BooleanField()
    error = serializers.CharField(allow_blank=True)
    facts = serializers.DictField(allow_null=True)
    weighed = serializers.DictField(allow_null=True)
    rules = serializers.ListField(child=serializers.DictField())


class RedactionSerializer(serializers.Serializer[Any]):
    """How many matches of one detector were taken out, and where; never a word of them."""

    where = serializers.CharField()
    detector = serializers.CharField()
    count = serializers.IntegerField()


class Explanation(serializers.Serializer[Any]):
    """Why a call went as it went, in one sentence and in full."""

    id = serializers.CharField()
    sentence = serializers.CharField()
    stages = StageExplained(many=True)
    weighings = WeighingExplained(many=True)
    redacted = RedactionSerializer(many=True)


class StageReplayed(serializers.Serializer[Any]):
    """What one decision came to in a fresh process."""

    no = serializers.IntegerField()
    stage = serializers.CharField()
    revision = serializers.IntegerField()
    recorded = serializers.CharField()
    again = serializers.CharField(allow_blank=True)
    identical = serializers.BooleanField()


class Replayed(serializers.Serializer[Any]):
    """Whether all of them are byte for byte what was recorded."""

    id = serializers.CharField()
    identical = serializers.BooleanField()
    engine = serializers.IntegerField()
    explanation = serializers.CharField(allow_blank=True)
    stages = StageReplayed(many=True)


class Cancelled(serializers.Serializer[Any]):
    """What happened, in words."""

    id = serializers.CharField()
    outcome = serializers.CharField()


class RequestShape(serializers.Serializer[Any]):
    """The shape of a request, without its content."""

    dialect = serializers.ChoiceField(
        choices=["openai.chat", "openai.responses", "anthropic.messages"], default="openai.chat"
    )
    dataClasses = serializers.ListField(
        child=serializers.CharField(max_length=60), default=list, max_length=32
    )
    tools = serializers.ListField(
        child=serializers.CharField(max_length=128), default=list, max_length=128
    )
    needs = serializers.ListField(
        child=serializers.CharField(max_length=60), default=list, max_length=16
    )
    inputTokensMax = serializers.IntegerField(min_value=0, max_value=10**9, default=1000)
    outputTokensAsked = serializers.IntegerField(min_value=0, max_value=10**9, default=0)
    stream = serializers.BooleanField(default=False)
    n = serializers.IntegerField(min_value=1, max_value=128, default=1)
    language = serializers.CharField(allow_blank=True, max_length=20, default="")
    labels = serializers.DictField(child=serializers.CharField(max_length=512), default=dict)


class Dry(serializers.Serializer[Any]):
    """A call that is only decided: no entry, no money, no model."""

    tenant = serializers.CharField(max_length=120)
    team = serializers.CharField(max_length=120)
    route = serializers.CharField(max_length=120)
    key = serializers.CharField(allow_blank=True, max_length=8, default="")
    request = RequestShape(required=False)
    now = serializers.DateTimeField(required=False, allow_null=True, default=None)


class Decided(serializers.Serializer[Any]):
    """The decision and everything it considered."""

    revision = serializers.IntegerField()
    digest = serializers.CharField()
    effect = serializers.ChoiceField(choices=["permit", "deny", "escalate"])
    facts = serializers.DictField()
    trace = serializers.DictField()


class BudgetForecastSerializer(serializers.Serializer[Any]):
    """What the window will have cost at its end: nine periods in ten stay between `low` and `high`.

    The same method was tried on `tried` past periods; `held` stayed in the range, and it was off by `errorPermille` on average.
    """

    method = serializers.CharField()
    expected = serializers.CharField()
    low = serializers.CharField()
    high = serializers.CharField()
    limitOn = serializers.DateField(allow_null=True)
    tried = serializers.IntegerField()
    held = serializers.IntegerField()
    errorPermille = serializers.IntegerField(allow_null=True)
    madeAt = serializers.DateTimeField()


class BudgetSerializer(serializers.Serializer[Any]):
    """One budget in its open window; amounts are exact decimals in the organisation's `currency`."""

    name = serializers.CharField()
    tenant = serializers.CharField(allow_blank=True)
    subject = serializers.CharField(allow_blank=True)
    owner = serializers.CharField(allow_blank=True)
    scope = serializers.DictField()
    period = serializers.CharField()
    hard = serializers.BooleanField()
    onExhausted = serializers.CharField()
    currency = serializers.CharField()
    limit = serializers.CharField()
    spent = serializers.CharField()
    pending = serializers.CharField()
    overrun = serializers.CharField()
    left = serializers.CharField()
    starts = serializers.DateTimeField(allow_null=True)
    ends = serializers.DateTimeField(allow_null=True)
    forecast = BudgetForecastSerializer(allow_null=True)


class BudgetList(serializers.Serializer[Any]):
    """The budgets that one may read."""

    items = BudgetSerializer(many=True)
