"""Documents that nobody reaches, and dates that come near."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from policies.analysis.conditions import Matching
from policies.analysis.finding import Finding
from policies.analysis.situations import Standing
from policies.documents.document import Identity
from policies.engine.bundle import BudgetView, Bundle, Governed, Key, ModelView, RouteView, label
from policies.engine.calendar import day_at
from policies.engine.pricing import price_on
from policies.engine.rules import Rule
from policies.engine.selection import in_force

SOON_DAYS: Final = 30
EXCEPTION_DAYS: Final = 14


def reaching(matching: Matching) -> Iterator[Finding]:
    """Everything that the documents say by themselves, kind by kind."""
    for look in (_models, _use_cases, _exceptions, _budgets, _routes):
        yield from look(matching)


def _models(matching: Matching) -> Iterator[Finding]:
    bundle, today = matching.world.bundle, _today(matching, "")
    used = _used(bundle)
    for key, model in sorted(bundle.models.items()):
        about = ("Model", *key)
        if key not in used:
            words = f"no route leads to {model.label}, and it replaces none that a route leads to"
            yield Finding(kind="unreachable-model", document=about, message=words)
            continue
        if model.state != "retired" and price_on(bundle, model, today) is None:
            words = f"no price of {model.label} is known for {today}: calls cannot go to it"
            yield Finding(kind="unpriced", document=about, message=words)
        yield from _sunset(bundle, model, today)


def _used(bundle: Bundle) -> set[Key]:
    found: set[Key] = set()
    todo = [key for route in bundle.routes.values() for key in _named(route)]
    while todo:
        key = todo.pop()
        if key not in found:
            found.add(key)
            todo += [r] if (r := bundle.models[key].replacement) else []
    return found


def _sunset(bundle: Bundle, model: ModelView, today: str) -> Iterator[Finding]:
    gone = model.state == "retired" or bool(model.sunset_on and model.sunset_on <= today)
    if not gone and not (model.sunset_on and model.sunset_on <= _later(today, SOON_DAYS)):
        return
    instead, why = in_force(bundle, model.key, model.sunset_on or today)
    then = "nothing takes its place" if why else f"{instead.label} takes its place"
    when = "is retired" if model.state == "retired" else f"has its sunset on {model.sunset_on}"
    yield Finding(
        kind="sunset", document=("Model", *model.key), message=f"{model.label} {when}: {then}"
    )


def _use_cases(matching: Matching) -> Iterator[Finding]:
    for document in _of(matching.world.bundle, "UseCase"):
        today = _today(matching, document.tenant)
        for words in _review(document, today):
            yield Finding(kind="use-case-review", document=_identity(document), message=words)


def _review(document: Governed, today: str) -> Iterator[str]:
    review, validation = document.spec["reviewOn"], document.spec["validation"]
    if review and review < today:
        yield f'the review of "{document.name}" was due on {review}'
    if validation is None:
        yield f'"{document.name}" has not been validated: its calls are denied'
    elif validation["validUntil"] < today:
        yield f'the validation of "{document.name}" ended on {validation["validUntil"]}: its calls are denied'
    elif validation["validUntil"] <= _later(today, SOON_DAYS):
        yield f'the validation of "{document.name}" ends on {validation["validUntil"]}'


def _exceptions(matching: Matching) -> Iterator[Finding]:
    for one in matching.world.bundle.exceptions:
        today = _today(matching, one.key[0])
        if one.expires_on < today:
            words = f'"{one.key[1]}" expired on {one.expires_on}: it changes nothing any more'
        elif one.expires_on <= _later(today, EXCEPTION_DAYS):
            words = f'"{one.key[1]}" is in force through {one.expires_on}'
        else:
            continue
        yield Finding(kind="exception-expires", document=("Exception", *one.key), message=words)


def _budgets(matching: Matching) -> Iterator[Finding]:
    bundle, standings = matching.world.bundle, matching.world.standings
    for budget in bundle.budget_views:
        if standings and not any(_draws(bundle, budget, s) for s in standings):
            words = f'no team can make a call that draws on "{budget.key[1]}"'
            yield Finding(
                kind="unreachable-budget", document=("Budget", *budget.key), message=words
            )


def _draws(bundle: Bundle, budget: BudgetView, standing: Standing) -> bool:
    """Whether some call from there may match its scope; keys, users and labels are whatever they are."""
    scope, place = budget.scope, standing.place
    here: dict[str, object] = {"tenant": place.tenant, "team": place.team}
    if any(scope.parts.get(name) not in (None, value) for name, value in here.items()):
        return False
    if budget.key[0] not in ("", place.tenant):
        return False
    if scope.route not in (None, standing.view.key):
        return False
    if scope.use_case not in (None, standing.view.use_case):
        return False
    models = [bundle.models[key] for key in _leads_to(bundle, standing.view)]
    return any(
        scope.model in (None, m.key) and scope.provider in (None, m.provider) for m in models
    )


def _named(route: RouteView) -> tuple[Key, ...]:
    """The models that may be asked for its calls, also those that are asked beside."""
    return (*(key for key, _ in route.models), *route.beside)


def _leads_to(bundle: Bundle, route: RouteView) -> set[Key]:
    found = set(_named(route))
    for key in list(found):
        replacement = bundle.models[key].replacement
        while replacement and replacement not in found:
            found.add(replacement)
            replacement = bundle.models[replacement].replacement
    return found


def _routes(matching: Matching) -> Iterator[Finding]:
    """Routes that no team may call, with the reason; of a route that is not named here nothing is claimed."""
    bundle = matching.world.bundle
    by_route: dict[Key, list[Standing]] = {key: [] for key in bundle.routes}
    for standing in matching.world.standings:
        by_route[standing.view.key].append(standing)
    for key, standings in sorted(by_route.items()):
        for why in (_unseen, _not_valid, _unpermitted, _no_model):
            words, others = why(matching, bundle.routes[key], standings)
            if words:
                said = f"nobody may call {label(key)}: {words}"
                yield Finding(
                    kind="uncallable-route", document=("Route", *key), message=said, others=others
                )
                break


_Why = tuple[str, tuple[Identity, ...]]
_NOTHING: Final[_Why] = ("", ())


def _unseen(_: Matching, route: RouteView, standings: list[Standing]) -> _Why:
    if standings:
        return _NOTHING
    whose = f"tenant {route.key[0]} has" if route.key[0] else "the tenants that see it have"
    return f"{whose} no team", ()


def _not_valid(matching: Matching, route: RouteView, standings: list[Standing]) -> _Why:
    use_case = matching.world.bundle.documents["UseCase", *route.use_case]
    spans, identity = use_case.spec["validation"], ("UseCase", *route.use_case)
    days = {_today(matching, s.place.tenant) for s in standings}
    if spans is None or all(not spans["on"] <= day <= spans["validUntil"] for day in days):
        return f'its use case "{use_case.name}" is not valid today', (identity,)
    return _NOTHING


def _unpermitted(matching: Matching, _: RouteView, standings: list[Standing]) -> _Why:
    """No permit can match there, or one forbid always does, at each place."""
    bundle = matching.world.bundle
    for tenant in sorted({s.place.tenant for s in standings}):
        here = [s for s in standings if s.place.tenant == tenant]
        rules = bundle.scope(tenant).call_rules
        permits = [r for r in rules if r.effect == "permit"]
        if all(_never(matching.outcomes(r, here)) for r in permits):
            continue
        if any(_always(matching, r, here) for r in rules):
            continue
        return _NOTHING
    return "no permission on calls lets any team through", ()


def _never(outcomes: set[object] | None) -> bool:
    return outcomes is not None and True not in outcomes


def _always(matching: Matching, rule: Rule, standings: list[Standing]) -> bool:
    if not rule.blocks or rule.level != "hard":
        return False
    outcomes = matching.outcomes(rule, standings)
    return outcomes is not None and False not in outcomes


def _no_model(matching: Matching, route: RouteView, standings: list[Standing]) -> _Why:
    bundle = matching.world.bundle
    if any(
        _usable(bundle, key, s, _today(matching, s.place.tenant))
        for s in standings
        for key, _ in route.models
    ):
        return _NOTHING
    return (
        "each of its models is retired, has no price, or no clearance for its use case",
        tuple(("Model", *key) for key, _ in route.models),
    )


def _usable(bundle: Bundle, key: Key, standing: Standing, today: str) -> bool:
    model, gone = in_force(bundle, key, today)
    cleared = set(standing.classes) <= model.clearance
    return not gone and cleared and price_on(bundle, model, today) is not None


def _identity(document: Governed) -> Identity:
    return document.kind, document.tenant, document.name


def _of(bundle: Bundle, kind: str) -> Iterator[Governed]:
    return (d for _, d in sorted(bundle.documents.items()) if d.kind == kind)


def _today(matching: Matching, tenant: str) -> str:
    world = matching.world
    return day_at(world.now, world.bundle.scope(tenant).time_zone).isoformat()


def _later(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
