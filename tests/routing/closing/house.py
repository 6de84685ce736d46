"""Two tenants of one organisation whose month has models that are bought by the hour."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from policies.bundles.published import Governed, Published
from routing.calls.models import Attempt
from routing.closing.models import Statement
from tests.routing.closing.books import Books, policy

HOURLY = {"alpha": "0.01", "beta": "0.0000001", "gamma": "3"}


@dataclass
class House:
    """Two tenants' books of one month, and three models bought for its first day: nobody uses the third."""

    own: Books
    other: Books = field(default_factory=lambda: Books(zone="Asia/Tokyo", made=1_000))
    publish: Callable[[Published], None] = lambda _: None

    def __post_init__(self) -> None:
        """Their months are the same."""
        self.other.month = self.own.month

    @property
    def month(self) -> str:
        return self.own.month

    @property
    def found(self) -> Published:
        """As it is published."""
        return self.policy(HOURLY)

    def policy(self, hourly: dict[str, str]) -> Published:
        """The organisation is in Berlin, one of its tenants in Tokyo."""
        found = policy(self.own.tenant, self.other.tenant)
        for document in found.documents:
            if document.kind == "Organisation":
                document.spec["timeZone"] = "Europe/Berlin"  # type: ignore[index] # a dict of this test
            if document.name == self.other.tenant:
                document.spec["timeZone"] = "Asia/Tokyo"  # type: ignore[index] # a dict of this test
        return replace(found, documents=(*found.documents, *self.models(hourly)))

    def models(self, hourly: dict[str, str], days: int = 1) -> list[Governed]:
        first = self.day(1)
        return [
            Governed(
                "Model",
                "",
                self.name(name),
                {"name": self.name(name)},
                {
                    "capacity": {
                        "perHour": price,
                        "currency": "EUR",
                        "from": first,
                        "until": self.day(days),
                    }
                },
            )
            for name, price in hourly.items()
        ]

    def day(self, number: int) -> str:
        return f"{self.month}-{number:02}"

    def name(self, short: str) -> str:
        """Of these books alone: shares are by the tokens of everybody."""
        return f"{short}-{self.own.tenant}"

    def use(self, books: Books, team: str, model: str, *, tokens: int, day: float = 0.5) -> Attempt:
        """One call that costs nothing of its own, with so many tokens."""
        attempt = books.attempt(
            books.call(at=self.own.at(day), team=team), 0, tokens_input=tokens - 1, tokens_output=1
        )
        Attempt.objects.filter(call=attempt.call_id).update(model=self.name(model))
        return attempt

    def filled(self) -> None:
        self.use(self.own, "claims", "alpha", tokens=100)
        self.use(self.own, "underwriting", "alpha", tokens=100)
        self.use(self.other, "trade", "alpha", tokens=100)
        self.use(self.own, "claims", "beta", tokens=2)
        self.use(self.other, "trade", "beta", tokens=5)
        self.own.attempt(self.own.call(), 1_480_000)
        self.other.attempt(self.other.call(), 7)

    def told(self, statement: Statement) -> list[tuple[str, ...]]:
        return [
            (
                one["model"].partition("-")[0],
                one["team"],
                one["hours"],
                str(one["tokens"]),
                one["amount"],
            )
            for one in json.loads(bytes(statement.body)).get("capacity", [])
        ]
