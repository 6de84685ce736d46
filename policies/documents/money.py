"""Budget, RateLimit, Notification: how much, how fast, and who is told."""

from collections.abc import Iterator, Mapping
from typing import Final

from policies.documents.accounts import URL
from policies.documents.fields import Choice, Flag, Money, Ref, Secret, Whole, Words
from policies.documents.groups import Group, ListOf, TeamRef
from policies.documents.kind import Kind, Told, email, labels
from policies.documents.reading import Json


def scope() -> Group:
    """Which calls something is about: all that are named must match; `{}` is the whole organisation."""
    return Group(
        {
            "tenant": Ref("Tenant"),
            "team": TeamRef(),
            "key": Words("[A-Za-z0-9]{1,64}", "the id of an API key"),
            "user": Words(".{1,254}", "the reference of a user"),
            "model": Ref("Model"),
            "provider": Ref("Provider"),
            "route": Ref("Route"),
            "useCase": Ref("UseCase"),
            "labels": labels(),
        }
    )


class Budget(Kind):
    """How much may be spent in a period; every budget that matches a call binds it."""

    kind = "Budget"
    fields = {
        "scope": scope(),
        "each": ListOf(Choice("user", "key", "team", "run"), unique=True),
        "owner": Words(".{1,254}", "a member or a team"),
        "period": Choice("day", "week", "month", "quarter", "fiscal-year", "once", required=True),
        "limit": Money(required=True),
        "hard": Flag(default=True),
        "alerts": ListOf(Whole(1, 1000), unique=True),
        "onExhausted": Choice("clamp", "downgrade", "deny", "escalate", default="deny"),
        "escalateTo": Ref("ReviewQueue"),
    }

    @classmethod
    def check(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """Escalation needs somewhere to go."""
        if spec.get("onExhausted") == "escalate" and not spec.get("escalateTo"):
            yield "escalateTo", "onExhausted escalate needs escalateTo"


class RateLimit(Kind):
    """How fast a scope may call."""

    kind = "RateLimit"
    fields = {
        "scope": scope(),
        "requestsPerMinute": Whole(1),
        "tokensPerMinute": Whole(1),
        "concurrent": Whole(1),
        "onStoreDown": Choice("deny", "permit", default="deny"),
    }

    @classmethod
    def check(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """At least one limit."""
        if not spec.keys() & {"requestsPerMinute", "tokensPerMinute", "concurrent"}:
            yield (
                "requestsPerMinute",
                "a RateLimit names at least one of requestsPerMinute, tokensPerMinute, concurrent",
            )

    @classmethod
    def not_yet(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """A call is counted when it comes, before its model is known."""
        for field in ("model", "provider"):
            if spec.get("scope", {}).get(field):
                yield f"scope.{field}", f"a rate limit of a {field}"


EVENTS: Final = (
    "review.opened",
    "review.overdue",
    "change.waiting",
    "change.published",
    "change.refused",
    "stop.set",
    "stop.lifted",
    "key.expiring",
    "key.revoked",
    "log.failed",
    "ledger.failed",
    "price.missing",
    "model.unavailable",
    "model.sunset",
    "budget.alert",
    "anomaly",
)
"""What a Notification may tell of."""


class Notification(Kind):
    """Who is told of what."""

    kind = "Notification"
    fields = {
        "on": ListOf(Choice(*EVENTS), 1, unique=True, required=True),
        "to": Group(
            {"email": email(), "webhook": Words(URL, "an address"), "credential": Secret()},
            required=True,
        ),
    }

    @classmethod
    def check(cls, spec: Mapping[str, Json]) -> Iterator[Told]:
        """One way to tell."""
        if ("email" in spec["to"]) == ("webhook" in spec["to"]):
            yield "to", "a Notification goes to an email or to a webhook"
        elif "webhook" in spec["to"] and "credential" not in spec["to"]:
            yield "to", "a webhook is signed: name its secret as credential"
