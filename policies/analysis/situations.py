"""Situations to hold rules against: where a call comes from (a *place*), a model, and values for what callers say."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import product
from typing import Any, Final

from policies.analysis.looks import FREE, Looks
from policies.analysis.values import choices
from policies.engine.bundle import Bundle, ModelView, RouteView
from policies.engine.deliberation import view_of
from policies.engine.facts import BudgetFacts, Facts, KeyFacts, RequestFacts, RunFacts, UserFacts
from policies.engine.rules import Environment
from policies.engine.schema import EVERYWHERE, MODEL
from policies.engine.values import Moment, moment, moment_text

INDEX: Final = {d.name: i for i, d in enumerate(EVERYWHERE)}
_OF_MODEL: Final = {d.name: i for i, d in enumerate(MODEL)}
_CLASSES: Final = "request.dataClasses"
_NO_CALL: Final = "00" * 16


@dataclass(frozen=True, slots=True)
class Place:
    """Who calls what: a team of a tenant, a route as that tenant sees it."""

    tenant: str
    team: str
    route: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A place with what a rule sees of it: the environment of the least call, and the classes its use case brings."""

    place: Place
    view: RouteView
    environment: Environment
    classes: tuple[str, ...]


@dataclass(eq=False)
class World:
    """A bundle at a moment, with all the places there are in it."""

    bundle: Bundle
    now: str

    @property
    def moment(self) -> Moment:
        """`now` as a value."""
        return moment(self.now)

    @property
    def classes(self) -> tuple[str, ...]:
        """The data classes of the organisation."""
        return tuple(self.bundle.organisation.spec["dataClasses"])

    @cached_property
    def standings(self) -> tuple[Standing, ...]:
        """Every place whose route is executed."""
        return tuple(self._standings())

    def _standings(self) -> Iterator[Standing]:
        for place in places(self.bundle):
            routes = self.bundle.routes
            view = routes.get((place.tenant, place.route)) or routes.get(("", place.route))
            if view is not None:
                seen = view_of(self.bundle, facts_of(place, {}, self.now), view)
                yield Standing(place, view, seen.environment, seen.data_classes)

    def models_of(self, tenant: str) -> list[ModelView]:
        """The models that routes of a tenant could name."""
        return [m for k, m in sorted(self.bundle.models.items()) if k[0] in ("", tenant)]

    def samples(
        self, looks: Looks, on: str, standings: Iterable[Standing]
    ) -> tuple[Iterator[tuple[Environment, Environment]], int, bool]:
        """Pairs of environments for a condition that looks at these; how many; whether they are all that can differ."""
        free = sorted(looks.names & FREE)
        picked = [choices(n, looks.constants[n], self.classes, self.moment) for n in free]
        rows = self._rows(looks, on, standings)
        count = len(rows)
        for values, _ in picked:
            count *= len(values)
        exact = looks.exact and all(whole for _, whole in picked)
        return _filled(rows, free, [values for values, _ in picked]), count, exact

    def _rows(
        self, looks: Looks, on: str, standings: Iterable[Standing]
    ) -> list[tuple[Standing, Environment]]:
        bound = [INDEX[n] for n in sorted(looks.names - FREE) if n in INDEX]
        of_model = [_OF_MODEL[n] for n in sorted(looks.names) if n in _OF_MODEL]
        found: dict[str, tuple[Standing, Environment]] = {}
        for standing in self._told_apart(looks, on, bound, standings):
            for item in self._items(on, standing, of_model):
                seen = repr((
                    [standing.environment[i] for i in bound], standing.classes, [item[i] for i in of_model],
                ))  # fmt: skip
                found.setdefault(seen, (standing, item))
        return list(found.values())

    def _told_apart(
        self, looks: Looks, on: str, bound: list[int], standings: Iterable[Standing]
    ) -> Iterable[Standing]:
        """One of all places that a condition sees alike; tenants have models of their own."""
        found: dict[str, Standing] = {}
        for standing in standings:
            classes = standing.classes if _CLASSES in looks.names else ()
            whose = standing.place.tenant if on == "model" else ""
            seen = repr((whose, classes, [standing.environment[i] for i in bound]))
            found.setdefault(seen, standing)
        return found.values()

    def _items(self, on: str, standing: Standing, of_model: list[int]) -> list[Environment]:
        if on != "model":
            return [()]
        items = [model.environment for model in self.models_of(standing.place.tenant)]
        return items if of_model else items[:1]


def places(bundle: Bundle) -> Iterator[Place]:
    """Every team of every tenant with every route its callers may name, in order."""
    for name, tenant in sorted(bundle.tenants.items()):
        routes = [r.name for r in bundle.routes_for(name)]
        for team in tenant.spec["teams"]:
            for route in routes:
                yield Place(name, team, route)


def _filled(
    rows: list[tuple[Standing, Environment]], free: list[str], picked: list[list[Any]]
) -> Iterator[tuple[Environment, Environment]]:
    at = [INDEX[name] for name in free]
    for values in product(*picked):
        for standing, item in rows:
            environment = list(standing.environment)
            for index, name, value in zip(at, free, values, strict=True):
                environment[index] = (
                    tuple(sorted({*value, *standing.classes})) if name == _CLASSES else value
                )
            yield tuple(environment), item


def facts_of(place: Place, values: dict[str, Any], now: str) -> Facts:
    """The least call at a place, with values for some variables."""
    at = values.get("now")
    return Facts(
        now=now if at is None else _text(at),
        call=_NO_CALL,
        tenant=place.tenant,
        team=place.team,
        key=KeyFacts(id=values.get("key.id", "key"), labels=values.get("key.labels", {})),
        route=place.route,
        user=UserFacts(
            known=values.get("user.known", False), ref="user" if values.get("user.known") else ""
        ),
        request=_request(values),
        run=RunFacts(
            calls=values.get("run.calls", 0),
            cost=format(Decimal(repr(values.get("run.cost", 0.0))), "f"),
            seconds=values.get("run.seconds", 0),
        ),
        budgets=_shares(values.get("budget.shareUsed", 0.0)),
    )


def _request(values: dict[str, Any]) -> RequestFacts:
    tokens = values.get("request.inputTokensMax", 1)
    return RequestFacts(
        dialect="openai.chat",
        data_classes=tuple(values.get(_CLASSES, ())),
        tools=tuple(values.get("request.tools", ())),
        input_tokens_max=tokens,
        input_tokens_estimate=tokens,
        output_tokens_asked=values.get("request.outputTokensMax", 0),
        stream=values.get("request.stream", False),
        language=values.get("request.language", ""),
        labels=values.get("request.labels", {}),
    )


def _shares(share: float) -> tuple[BudgetFacts, ...]:
    return (BudgetFacts(name="some", share_used_permille=round(share * 1000)),) if share else ()


def _text(at: Moment) -> str:
    whole = moment_text(at).removesuffix("Z")
    seconds, _, part = whole.partition(".")
    return f"{seconds}.{(part or '0')[:3].ljust(3, '0')}Z"
