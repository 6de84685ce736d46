"""Which models a call may go to, in which order, and why not the others."""

from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Final

import msgspec

from policies.engine.beside import models_beside, run_of
from policies.engine.bundle import (
    Bundle,
    Key,
    ModelView,
    Prepared,
    RouteView,
    Standing,
)
from policies.engine.claims import for_model
from policies.engine.decision import NO_PERMIT, Candidate, Dropped, rest_of
from policies.engine.deliberation import CallView, Considered, Deliberation, built_in, merged
from policies.engine.lifting import lifts, of_rule
from policies.engine.prices import Rated
from policies.engine.pricing import FLEX, MIN_OUTPUT_TOKENS, price_on
from policies.engine.rules import Outcome

_MOST_PREPARED: Final = 1_000
_MOST_STANDINGS: Final = 1_000
_FLEX: Final = frozenset({"openai", "openai-compatible", "sandbox"})
"""The types of provider that may know a service tier `flex`, in OpenAI's dialects."""


def consider(to: Deliberation, view: CallView, *, plan: bool = True) -> None:
    """Hold every model of the route against the built-in rules and the permissions on models.

    1. The order of the strategy; for `weighted` the drawn model first.
    2. What replaces a model that has reached its sunset.
    3. Stops, exclusions, breakers, lifecycle, clearance, capability, context, price.
    4. Forbids and permits on models.
    5. The candidate, with what it may cost; not without `plan`, where the call is denied whatever its models are.
    """
    facts, scope, call = view.facts, view.scope, view.environment
    classes, needs = view.data_classes, facts.request.needs
    flex = facts.request.service_tier == FLEX
    calm = not (facts.stops or facts.exclude or facts.breakers_open)
    plain = scope.model_rules_are_plain and not view.exceptions
    rules, on_model, append = scope.model_rules, scope.on_model, to.considered.append
    limits = [n for n in (to.obligations.max_output_tokens, facts.clamp) if n]
    for one in _models(view):
        model = one.model
        outcomes = on_model(call, model.environment)
        known = one.standings.get(outcomes) if plain else None
        if known is None:
            known = _standing(one, to, view, outcomes)
            if plain and len(one.standings) < _MOST_STANDINGS:
                one.standings[outcomes] = known
        held, reasons, owed, permits = known
        # whether nothing built in stands against it: what most calls find, at a glance
        if not (
            calm and model.clearance.issuperset(classes) and model.capabilities.issuperset(needs)
        ):
            reasons = (*_built_in_reasons(view, model), *reasons)
        if one.why:
            reasons = (_against(model, "lifecycle", one.why), *reasons)
        if flex:
            reasons = (*_not_flex(view, one), *reasons)
        found = Considered(one, reasons, rules, held, owed, permits)
        if plan:
            _make_candidate(found, to, view, limits)
        append(found)


def _against(model: ModelView, name: str, message: str) -> Dropped:
    """A built-in reason."""
    return Dropped(model=model.label, rule=built_in(name), message=message)


def _models(view: CallView) -> tuple[Prepared, ...]:
    """The models of a route in the order of this call, with what is the same for every call of a day; made once."""
    route, shadow = view.route, run_of(view)
    if shadow is not None:
        return _prepare(view, models_beside(view, shadow))
    keys = ordered(route, int(view.facts.draw)) if route.strategy == "weighted" else ()
    which = (view.facts.tenant, route.key, view.today, keys[0] if keys else None)
    known = view.bundle.prepared
    made = known.get(which)
    if made is None:
        if len(known) >= _MOST_PREPARED:
            known.clear()
        made = known[which] = _prepare(view, keys or [key for key, _ in route.models])
    return made


def _prepare(view: CallView, keys: Sequence[Key]) -> tuple[Prepared, ...]:
    seen: dict[Key, Prepared] = {}
    for key in keys:
        model, why = in_force(view.bundle, key, view.today)
        if model.key in seen:
            one = seen[model.key]
            seen[model.key] = one._replace(named=(*one.named, key))
        else:
            price = price_on(view.bundle, model, view.today)
            seen[model.key] = Prepared(model, (key,), why, price, {}, {})
    return tuple(seen.values())


def ordered(route: RouteView, draw: int) -> list[Key]:
    """The models of a route in the order they are tried. `draw` has 64 bits; equal draws give equal orders."""
    keys = [key for key, _ in route.models]
    if route.strategy != "weighted":
        return keys
    point = draw * sum(weight for _, weight in route.models) >> 64
    for key, weight in route.models:
        if point < weight:
            return [key, *(k for k in keys if k != key)]
        point -= weight
    return keys


def in_force(bundle: Bundle, key: Key, today: str) -> tuple[ModelView, str]:
    """The model itself, or what replaces it from its sunset on; with the reason against it where nothing does."""
    model, passed = bundle.models[key], set[Key]()
    while model.state == "retired" or (model.sunset_on and model.sunset_on <= today):
        passed.add(model.key)
        why = (
            "is retired"
            if model.state == "retired"
            else f"has reached its sunset on {model.sunset_on}"
        )
        if model.replacement is None or model.replacement in passed:
            return model, f"{model.label} {why} and has no replacement"
        model = bundle.models[model.replacement]
    return model, ""


def _built_in_reasons(view: CallView, model: ModelView) -> Iterator[Dropped]:
    facts, name = view.facts, model.label
    for stop in facts.stops:
        if (stop.kind, stop.tenant, stop.name) in (
            ("model", *model.key),
            ("provider", *model.provider),
        ):
            yield _against(model, "stop", f"{name} is stopped: the {stop.kind} {stop.name}")
    if name in facts.exclude:
        yield _against(model, "excluded", f"{name} is left out of this decision")
    if name in facts.breakers_open:
        yield _against(model, "breaker", f"{name} fails too often at the moment")
    for missing in (c for c in view.data_classes if c not in model.clearance):
        yield _against(model, "clearance", f"{name} has no clearance for {missing} data")
    for missing in (n for n in facts.request.needs if n not in model.capabilities):
        yield _against(model, "capability", f"{name} cannot do {missing}")


def _not_flex(view: CallView, one: Prepared) -> Iterator[Dropped]:
    """Why a call that asks for flex processing cannot go there: nobody could say what it costs, or it is not to be had."""
    model, price = one.model, one.price
    name, said = model.label, view.facts.request.dialect
    if model.provider_type not in _FLEX or not said.startswith("openai."):
        yield _against(
            model,
            "service-tier",
            f"{name} has no service tier flex: {said} at {model.provider_type}",
        )
    elif price is not None and not price.ref.batch_factor:
        said = f"{name} has no price for service tier flex: its batchFactor on {view.today} is not below 1"
        yield _against(model, "service-tier", said)


def _standing(
    one: Prepared, to: Deliberation, view: CallView, outcomes: tuple[Outcome, ...]
) -> Standing:
    """What the outcomes of the rules on models come to for one of them."""
    model, scope = one.model, view.scope
    call, item = view.environment, model.environment
    held = tuple(compress(zip(scope.model_rules, outcomes, strict=True), outcomes))
    permits = [r for r, o in held if r.effect == "permit" and o is True]
    reasons: list[Dropped] = []
    for rule, outcome in held:
        if not rule.blocks:
            continue
        lifted = lifts(view.exceptions, rule, outcome, model)
        if lifted is not None:
            to.lifted.append(of_rule(lifted, rule, (call, item), model.label))
            continue
        message, ref = rule.says(outcome, call, item), rule.ref(outcome, call, item)
        reasons.append(Dropped(model=model.label, rule=ref, message=message))
    permitted = {rule.tenant for rule in permits}
    for level in scope.model_permit_levels:
        if level not in permitted:
            whose = f'tenant "{level}"' if level else "the organisation"
            said = f"no permission of {whose} permits {model.label}"
            reasons.append(_against(model, NO_PERMIT, said))
    owed = [r.obligations for r in permits if r.obligations is not None]
    refs = tuple(r.ref(True, call, item) for r in permits)  # noqa: FBT003  # an outcome
    return Standing(held, tuple(reasons), merged(owed) if owed else None, refs)


def _make_candidate(
    found: Considered, to: Deliberation, view: CallView, limits: Sequence[int]
) -> None:
    one, own = found.prepared, found.owed
    model, price = one.model, one.price
    if price is None:
        said = f"no price of {model.label} is known for {view.today}"
        found.reasons += (_against(model, "price", said),)
    if own is not None and own.max_output_tokens:
        limits = [*limits, own.max_output_tokens]
    tokens, reason = output_tokens(view, model, limits)
    if reason:
        found.reasons += (_against(model, "context", reason),)
    if found.reasons or price is None:
        return
    if own is not None:
        # the token limit of a permit on a model binds that model alone; the rest binds the whole plan
        rest = msgspec.structs.replace(own, max_output_tokens=0)
        to.obligations = merged([to.obligations, rest])
    found.candidate = candidate = _candidate(view, model, price, tokens)
    if candidate.rest_key not in one.rest:
        one.rest[candidate.rest_key] = rest_of(candidate)


def output_tokens(view: CallView, model: ModelView, limits: Sequence[int]) -> tuple[int, str]:
    """How many output tokens the model is asked for, and the reason against it where that does not fit.

    What the caller asked for is never cut in silence: only obligations and budgets do that. Without a wish it is what fits.
    """
    asked = view.facts.request.output_tokens_asked
    room = model.context_window - view.facts.request.input_tokens_estimate
    wanted = asked or min(model.max_output_tokens, room)
    if limits:
        wanted = min(wanted, *limits)
    if 1 <= wanted <= room and wanted <= model.max_output_tokens:
        return wanted, ""
    if room < 1:
        return (
            0,
            f"{model.label} takes {model.context_window} tokens, the input alone has about {model.context_window - room}",
        )
    if wanted > model.max_output_tokens:
        return (
            0,
            f"{model.label} gives at most {model.max_output_tokens} output tokens, not {wanted}",
        )
    if wanted > room:
        return (
            0,
            f"{model.label} takes {model.context_window} tokens; input and {wanted} output tokens do not fit",
        )
    return wanted, ""


def _candidate(view: CallView, model: ModelView, price: Rated, tokens: int) -> Candidate:
    request = view.facts.request
    given = request.input_tokens_max
    # INVARIANT: what is held is the full price: the provider may serve at it, whatever was asked
    ref = price.ref
    if request.service_tier == FLEX:
        ref = msgspec.structs.replace(ref, asked=True)
    if request.input_unbounded is True:
        # a model never reads more than its window, whatever lies at an address
        given = max(given, model.context_window)
    if price.tiers:
        price = price.at(given)
    # tokens at a price, rounded up to the next nano unit: `pricing.bound`, written out where it is asked most
    up, down = price.input_ratio
    # a bill has three input lines or more, each rounded up: two units more than one line can have
    fixed = price.roundings - (-given * up // down)
    up, down = price.output_ratio
    most = tokens * request.n
    least = most if tokens <= MIN_OUTPUT_TOKENS else MIN_OUTPUT_TOKENS * request.n
    return Candidate(
        model=model.key[1],
        model_tenant=model.key[0],
        provider=model.provider[1],
        provider_tenant=model.provider[0],
        provider_type=model.provider_type,
        upstream_name=model.upstream_name,
        max_output_tokens=tokens,
        input_tokens_max=given,
        fixed_nano=fixed,
        output_nano_per_million=price.output_nano_per_million,
        amount_nano=fixed - (-most * up // down),
        min_amount_nano=fixed - (-least * up // down),
        price=ref,
        budgets=for_model(view.budgets, model) if view.budgets else (),
    )
