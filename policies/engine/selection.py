"""Which models a call may go to, in which order, and why not the others."""

from collections.abc import Iterator
from itertools import compress

import msgspec

from policies.engine.bundle import Bundle, Key, ModelView, RouteView
from policies.engine.claims import for_model
from policies.engine.decision import NO_PERMIT, Candidate, Dropped
from policies.engine.deliberation import NOTHING_OWED, CallView, Considered, Deliberation, merged
from policies.engine.lifting import lifts, of_rule
from policies.engine.pricing import MIN_OUTPUT_TOKENS, Rated, bound, price_on


def consider(to: Deliberation, view: CallView, *, plan: bool = True) -> None:
    """Hold every model of the route against the built-in rules and the permissions on models.

    1. The order of the strategy; for `weighted` the drawn model first.
    2. What replaces a model that has reached its sunset.
    3. Stops, exclusions, breakers, lifecycle, clearance, capability, context, price.
    4. Forbids and permits on models.
    5. The candidate, with what it may cost; not without `plan`, where the call is denied whatever its models are.
    """
    seen: dict[Key, Considered] = {}
    for key in ordered(view.route, int(view.facts.draw)):
        model, reason = in_force(view.bundle, key, view.today)
        if model.key in seen:
            seen[model.key].named.append(key)
            continue
        found = seen[model.key] = Considered(model, [key])
        if reason:
            found.against("lifecycle", reason)
        if not _plainly_fit(view, model):
            for name, message in _built_in_reasons(view, model):
                found.against(name, message)
        _hold_against_rules(found, to, view)
        if plan:
            _make_candidate(found, to, view)
        to.considered.append(found)


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


def _plainly_fit(view: CallView, model: ModelView) -> bool:
    """Whether nothing built in stands against a model: what most calls find, at a glance."""
    facts = view.facts
    return (
        not (facts.stops or facts.exclude or facts.breakers_open)
        and model.clearance.issuperset(view.data_classes)
        and model.capabilities.issuperset(facts.request.needs)
    )


def _built_in_reasons(view: CallView, model: ModelView) -> Iterator[tuple[str, str]]:
    facts, name = view.facts, model.label
    for stop in facts.stops:
        if (stop.kind, stop.tenant, stop.name) in (
            ("model", *model.key),
            ("provider", *model.provider),
        ):
            yield "stop", f"{name} is stopped: the {stop.kind} {stop.name}"
    if name in facts.exclude:
        yield "excluded", f"{name} is left out of this decision"
    if name in facts.breakers_open:
        yield "breaker", f"{name} fails too often at the moment"
    for missing in (c for c in view.data_classes if c not in model.clearance):
        yield "clearance", f"{name} has no clearance for {missing} data"
    for missing in (n for n in facts.request.needs if n not in model.capabilities):
        yield "capability", f"{name} cannot do {missing}"


def _hold_against_rules(found: Considered, to: Deliberation, view: CallView) -> None:
    call, item = view.environment, found.model.environment
    found.rules = view.scope.model_rules
    outcomes = view.scope.on_model(call, item)
    found.held += compress(zip(found.rules, outcomes, strict=True), outcomes)
    permitted = set()
    for rule, outcome in found.held:
        if rule.effect == "permit":
            permitted |= {rule.tenant} if outcome is True else set()
        elif rule.blocks:
            lifted = lifts(view.exceptions, rule, outcome, found.model)
            if lifted is not None:
                to.lifted.append(of_rule(lifted, rule, (call, item), found.model.label))
                continue
            message = rule.says(outcome, call, item)
            found.reasons.append(
                Dropped(
                    model=found.model.label, rule=rule.ref(outcome, call, item), message=message
                )
            )
    for level in view.scope.model_permit_levels:
        if level not in permitted:
            whose = f'tenant "{level}"' if level else "the organisation"
            found.against(NO_PERMIT, f"no permission of {whose} permits {found.model.label}")


def _make_candidate(found: Considered, to: Deliberation, view: CallView) -> None:
    model = found.model
    price = price_on(view.bundle, model, view.today)
    if price is None:
        found.against("price", f"no price of {model.label} is known for {view.today}")
    owed = [r.obligations for r, o in found.held if r.obligations is not None and o is True]
    own = merged(owed) if owed else NOTHING_OWED
    limits = [
        n for n in (to.obligations.max_output_tokens, own.max_output_tokens, view.facts.clamp) if n
    ]
    tokens, reason = output_tokens(view, model, limits)
    if reason:
        found.against("context", reason)
    if found.reasons or price is None:
        return
    if own is not NOTHING_OWED:
        # the token limit of a permit on a model binds that model alone; the rest binds the whole plan
        rest = msgspec.structs.replace(own, max_output_tokens=0)
        to.obligations = merged([to.obligations, rest])
    found.candidate = _candidate(view, model, price, tokens)


def output_tokens(view: CallView, model: ModelView, limits: list[int]) -> tuple[int, str]:
    """How many output tokens the model is asked for, and the reason against it where that does not fit.

    What the caller asked for is never cut in silence: only obligations and budgets do that. Without a wish it is what fits.
    """
    asked = view.facts.request.output_tokens_asked
    room = model.context_window - view.facts.request.input_tokens_estimate
    wanted = min([asked, *limits]) if asked else min([model.max_output_tokens, room, *limits])
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
    # a bill has three input lines, each rounded up: two units more than one line can have
    fixed = bound(request.input_tokens_max, price.input_ratio) + 2
    return Candidate(
        model=model.key[1],
        model_tenant=model.key[0],
        provider=model.provider[1],
        provider_tenant=model.provider[0],
        provider_type=model.provider_type,
        upstream_name=model.upstream_name,
        max_output_tokens=tokens,
        input_tokens_max=request.input_tokens_max,
        fixed_nano=fixed,
        output_nano_per_million=price.output_nano_per_million,
        amount_nano=fixed + bound(tokens * request.n, price.output_ratio),
        min_amount_nano=fixed
        + bound(min(tokens, MIN_OUTPUT_TOKENS) * request.n, price.output_ratio),
        price=price.ref,
        budgets=for_model(view.budgets, model),
    )
