"""UseCase, Permission, Exception, PolicyTest, EscalationRule, ReviewQueue: what is allowed, for what, and who looks at it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from policies.documents.fields import Cel, Choice, Flag, Money, Number, Ref, Whole, Words
from policies.documents.groups import Either, Group, ListOf, ReadList, TeamRef
from policies.documents.identity import required_labels, required_once
from policies.documents.kind import Kind, Told, day, email, labels, name
from policies.documents.money import scope
from policies.documents.reading import Json

DETECTORS: Final = ("card", "email", "iban", "phone")
"""What the obligations `redact` and `redactAnswers` may name: `routing.dialects.detectors` finds each."""


class UseCase(Kind):
    """An entry of the register of what AI is used for; a call outside a valid use case is denied."""

    kind = "UseCase"
    fields = {
        "owner": Words(".{1,254}", "a member or a team", required=True),
        "purpose": Words(r"[\s\S]{1,2000}", "text of at most 2,000 characters", required=True),
        "riskClass": Choice("minimal", "limited", "high", required=True),
        "dataClasses": ReadList(name(), unique=True),
        "reviewOn": day(),
        "requiredLabels": required_labels(),
        "validation": Group(
            {
                "by": email(required=True),
                "on": day(required=True),
                "evidence": Words(r"[\s\S]{1,2000}", "text of at most 2,000 characters"),
                "validUntil": day(required=True),
            },
            absent=True,
        ),
    }

    @classmethod
    def check(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """A validation ends after it began; each required label stands once, with a default that is one of its values."""
        yield from required_once(spec)
        validation = spec.get("validation")
        if validation and validation["validUntil"] < validation["on"]:
            yield "validation.validUntil", f'ends before it begins on "{validation["on"]}"'


class Permission(Kind):
    """A rule: permit or forbid a call, a model, a tool or data, on a condition."""

    kind = "Permission"
    fields = {
        "effect": Choice("permit", "forbid", required=True),
        "level": Choice("hard", "soft", "advisory", default="hard"),
        "on": Choice("call", "model", "tool", "data", required=True),
        "when": Cel("on", default="true"),
        "message": Cel("on", "string"),
        "obligations": Group(
            {
                "maxOutputTokens": Whole(0, 100_000_000, default=0),
                "redact": ListOf(Choice(*DETECTORS), unique=True),
                "redactAnswers": ListOf(Choice(*DETECTORS), unique=True),
                "stripTools": ListOf(name(), unique=True),
                "hold": Ref("ReviewQueue", default=""),
            },
            absent=True,
        ),
    }

    @classmethod
    def check(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """Obligations stand on permits, levels on forbids."""
        if spec["effect"] == "forbid" and "obligations" in spec:
            yield "obligations", "obligations stand on permits; a forbid has none"
        if spec["effect"] == "permit" and "level" in spec:
            yield "level", "only a forbid has a level"

    @classmethod
    def not_yet(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """Data, and obligations of a permit on a tool: by then the request is sent, and all that can be asked is a hold."""
        if spec["on"] == "data":
            yield "on", f'a permission on "{spec["on"]}"'
        for owed, value in spec.get("obligations", {}).items():
            if spec["on"] == "tool" and owed != "hold" and value:
                yield f"obligations.{owed}", f'{owed} on a permission on "tool"'


class Lifting(Kind):
    """Lifts a soft forbid, or raises a budget, for a scope until a day."""

    kind = "Exception"
    fields = {
        "permission": Ref("Permission"),
        "budget": Ref("Budget"),
        "raiseBy": Money(),
        "scope": scope(),
        "reason": Words(r"[\s\S]{1,2000}", "text of at most 2,000 characters", required=True),
        "expiresOn": day(required=True),
    }

    @classmethod
    def check(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """A permission, or a budget with its raise."""
        if ("permission" in spec) == ("budget" in spec):
            yield "permission", "an Exception names a permission, or a budget with raiseBy"
        if ("budget" in spec) != ("raiseBy" in spec):
            yield "raiseBy", "budget and raiseBy stand together"
        if "budget" in spec and spec.get("scope"):
            yield "scope", "a budget has one limit for all of its calls; leave the scope out"


class Moment(Words):
    """A day, or a moment in UTC."""

    words = "a day or a moment in UTC"

    def __init__(self) -> None:
        super().__init__(
            r"(19[7-9][0-9]|2[0-9]{3})-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z)?"
        )

    def accepts(self, value: str) -> bool:
        """Whether the calendar has it."""
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return False
        return super().accepts(value)


def _stop() -> Group:
    """A kill switch that is on, as facts name it."""
    kinds = Choice("model", "provider", "route", "tenant", "key", "everything", required=True)
    return Group({"kind": kinds, "tenant": name(), "name": name()})


class PolicyTest(Kind):
    """What a decision must be for given facts; publish runs it."""

    kind = "PolicyTest"
    fields = {
        "given": Group(
            {
                "tenant": Ref("Tenant", required=True),
                "team": TeamRef(),
                "route": name(required=True),
                "user": name(),
                "key": name(),
                "keyLabels": labels(),
                "now": Moment(),
                "request": Group(
                    {
                        "dataClasses": ReadList(name(), unique=True),
                        "tools": ListOf(name(), unique=True),
                        "inputTokensMax": Whole(),
                        "outputTokensMax": Whole(),
                        "stream": Flag(),
                        "language": name(),
                        "labels": labels(),
                        "needs": ListOf(name(), unique=True),
                    },
                    absent=True,
                ),
                "run": Group({"calls": Whole(), "cost": Money(), "seconds": Whole()}, absent=True),
                "budget": Group({"shareUsed": Number("0", "1000", required=True)}, absent=True),
                "stops": ListOf(_stop()),
            },
            required=True,
        ),
        "expect": Group(
            {
                "effect": Choice("permit", "deny", "escalate"),
                "models": ListOf(name()),
                "modelsNever": ListOf(name()),
                "determiningRules": ListOf(name()),
            },
            required=True,
        ),
    }

    @classmethod
    def check(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """A stop names what it stops, or everything."""
        for at, stop in enumerate(spec["given"].get("stops", ())):
            if (stop["kind"] == "everything") == ("name" in stop):
                yield (
                    f"given.stops[{at}]",
                    "a stop names what it stops; one of everything names nothing",
                )


class EscalationRule(Kind):
    """When a person must look: before any model, before the answer, before a tool, or after a failure."""

    kind = "EscalationRule"
    fields = {
        "stage": Choice("request", "response", "tool", "failure", required=True),
        "when": Cel("stage", required=True),
        "queue": Ref("ReviewQueue", required=True),
    }


class ReviewQueue(Kind):
    """Where held calls wait for a person."""

    kind = "ReviewQueue"
    fields = {
        "reviewers": ListOf(
            Either(Words("role:[a-z]+", "role:reviewer"), email()), 1, required=True
        ),
        "dueMinutes": Whole(1, 525_600, default=60),
        "approvals": Whole(1, 20, default=1),
        "onOverdue": Choice("escalate", "reject", "release", default="reject"),
        "escalateTo": Ref("ReviewQueue"),
        "reviewerHourlyRate": Money(),
        "sample": Group({"percent": Number("0", "100", default="0")}, absent=True),
    }

    @classmethod
    def check(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """Escalation needs somewhere to go."""
        if spec.get("onOverdue") == "escalate" and not spec.get("escalateTo"):
            yield "escalateTo", "onOverdue escalate needs escalateTo"
