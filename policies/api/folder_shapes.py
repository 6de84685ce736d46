"""How plans and folders are written as JSON."""

from typing import Any

from rest_framework import serializers

from policies.api.replays import FoundBody
from policies.api.shapes import ORIGINS, NeedSerializer, ProblemSerializer
from policies.replay.models import STATES


class Identity(serializers.Serializer[Any]):
    """What tells one document from another."""

    kind = serializers.CharField()
    tenant = serializers.CharField(allow_blank=True)
    name = serializers.CharField()


class PublishedText(Identity):
    """One published document as its author wrote it, and who keeps it."""

    source = serializers.CharField()  # type: ignore[assignment] # DRF's metaclass takes fields off the class
    origin = serializers.ChoiceField(choices=ORIGINS)
    revision = serializers.IntegerField()
    drift = serializers.BooleanField(help_text="it differs from what Git had at `commit`")
    repository = serializers.CharField(allow_blank=True)
    commit = serializers.CharField(allow_blank=True)
    path = serializers.CharField(allow_blank=True)
    line = serializers.IntegerField()


class PublishedFolder(serializers.Serializer[Any]):
    """Everything that one may read."""

    revision = serializers.IntegerField()
    items = PublishedText(many=True)


class PlanItem(Identity):
    """What becomes of one document: `+`, `~` or `-`, in words and line by line."""

    mark = serializers.ChoiceField(choices=["+", "~", "-"])
    file = serializers.CharField(allow_blank=True)
    line = serializers.IntegerField()
    says = serializers.ListField(child=serializers.CharField())
    touches = serializers.CharField()
    owner = serializers.ChoiceField(choices=ORIGINS, allow_blank=True)
    drift = serializers.CharField(allow_blank=True)
    diff = serializers.CharField(allow_blank=True)


class PlanTest(serializers.Serializer[Any]):
    """One PolicyTest, and what it misses; nothing where it passes."""

    tenant = serializers.CharField(allow_blank=True)
    name = serializers.CharField()
    file = serializers.CharField()
    line = serializers.IntegerField()
    column = serializers.IntegerField()
    misses = serializers.ListField(child=serializers.CharField())


class PlanFinding(serializers.Serializer[Any]):
    """Something that is odd, at its place."""

    sort = serializers.CharField()
    document = serializers.CharField()
    message = serializers.CharField()
    file = serializers.CharField()
    line = serializers.IntegerField()


class PlanSide(serializers.Serializer[Any]):
    """What one of two bundles decides."""

    effect = serializers.CharField()
    models = serializers.ListField(child=serializers.CharField())
    why = serializers.CharField(allow_blank=True)


class PlanExample(serializers.Serializer[Any]):
    """The smallest call of its sort that would be decided otherwise; so many were found."""

    change = serializers.CharField()
    tenant = serializers.CharField()
    team = serializers.CharField()
    route = serializers.CharField()
    facts = serializers.ListField(child=serializers.CharField())
    before = PlanSide()
    after = PlanSide()
    count = serializers.IntegerField()


class Plan(serializers.Serializer[Any]):
    """What a folder would change. `digest` is what an approval binds, `sourceDigest` the same for every set of values."""

    revision = serializers.IntegerField()
    digest = serializers.CharField(allow_blank=True)
    sourceDigest = serializers.CharField()  # noqa: N815 - the API's spelling
    documents = serializers.IntegerField()
    present = Identity(many=True)
    items = PlanItem(many=True)
    refusals = ProblemSerializer(many=True)
    needs = NeedSerializer(many=True)
    tests = PlanTest(many=True)
    uncovered = serializers.ListField(child=serializers.CharField())
    findings = PlanFinding(many=True)
    examples = PlanExample(many=True)


class Kept(Identity):
    """A document and who keeps it."""

    origin = serializers.ChoiceField(choices=ORIGINS)


class PlanReplay(serializers.Serializer[Any]):
    """The replay of a plan: how far it is, and once it is done what it came to, in figures and in words."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=STATES)
    told = serializers.CharField(allow_blank=True)
    percent = serializers.IntegerField()
    calls = serializers.IntegerField()
    days = serializers.IntegerField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    base = serializers.IntegerField()
    content = serializers.CharField()
    digest = serializers.CharField(allow_blank=True)
    found = FoundBody(allow_null=True)
    says = serializers.ListField(child=serializers.CharField())


class FailedCheck(serializers.Serializer[Any]):
    """A check that did not pass; each problem is [file, line, column, path, message]."""

    told = serializers.CharField()
    problems = serializers.ListField(child=serializers.ListField())


class Applied(serializers.Serializer[Any]):
    """The change request of a folder. Without one only `revision` and the three counts stand: nothing would change."""

    id = serializers.UUIDField(required=False)
    title = serializers.CharField(required=False)
    tenant = serializers.CharField(required=False, allow_blank=True)
    author = serializers.CharField(required=False)
    base = serializers.IntegerField(required=False)
    content = serializers.CharField(required=False)
    source = serializers.CharField(required=False)  # type: ignore[assignment] # DRF's metaclass takes fields off the class
    created = serializers.IntegerField()
    changed = serializers.IntegerField()
    deleted = serializers.IntegerField()
    handed = serializers.ListField(child=serializers.CharField(), required=False)
    lines = serializers.ListField(child=serializers.CharField(), required=False)
    state = serializers.CharField(required=False)
    revision = serializers.IntegerField(allow_null=True)
    digest = serializers.CharField(required=False, allow_blank=True)
    flagged = serializers.BooleanField(required=False)
    missing = serializers.CharField(required=False, allow_blank=True)
    failed = FailedCheck(many=True, required=False)
