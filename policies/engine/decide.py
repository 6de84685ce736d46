"""The decision: a pure function of a bundle and facts. No clock, no database, no network, no randomness."""

from collections.abc import Iterator
from datetime import date, timedelta
from hashlib import sha256
from itertools import compress

import msgspec

from policies.engine import beside
from policies.engine.bundle import Bundle, RouteView
from policies.engine.checking import before_models, checks_of
from policies.engine.decision import (
    ENGINE,
    NO_PERMIT,
    Candidate,
    Decision,
    Denial,
    Dropped,
    Lifted,
    Plan,
    RuleRef,
    encode,
)  # fmt: skip
from policies.engine.deliberation import CallView, Deliberation, built_in, merged, view_of
from policies.engine.facts import Facts, StopFact
from policies.engine.lifting import lifts, of_budgets, of_rule
from policies.engine.older import OLDER
from policies.engine.required import RULE as REQUIRED_LABEL
from policies.engine.required import lacking
from policies.engine.rules import NOTHING, Outcome, Rule
from policies.engine.selection import consider
from policies.engine.values import Erred

WARN_DAYS = 30
_ONE_CHOICE = 'answers of the route "{}" are checked before they are seen, one at a time; ask for n = 1, not {}'
_NO_STREAM = 'answers of the route "{}" are checked before they are seen, and it refuses streams; ask without stream'

_NO_PICTURES = "{} must be taken out of this request, and nobody can look into its pictures and files; send text"
_NO_LOGPROBS = (
    "{} must be taken out of the answer, and token by token it cannot be; ask without logprobs"
)


def decide(bundle: Bundle, facts: Facts) -> Decision:
    """What may happen with a call, and the rules that determined it; `digest` is SHA-256 of the canonical bytes.

    A bundle of an earlier engine is decided by that engine.
    """
    if bundle.engine != ENGINE:
        return _older(bundle, facts)
    return decided(bundle, facts, deliberate(bundle, facts, whole=False))


def decided(bundle: Bundle, facts: Facts, to: Deliberation) -> Decision:
    """The decision that a deliberation comes to; not for a bundle of an earlier engine."""
    decision = _decision(bundle, facts, to)
    planned = [(c.prepared.rest, c.candidate) for c in to.considered if c.candidate]
    rests = [rest[one.rest_key] for rest, one in planned] if decision.plan else ()
    # nobody has seen it yet: copying it for this one field took as long as finding its digest
    msgspec.structs.force_setattr(decision, "digest", sha256(encode(decision, rests)).digest())
    return decision


def _older(bundle: Bundle, facts: Facts) -> Decision:
    older: Decision = OLDER[bundle.engine].decide(bundle, facts)
    return older


def undigested(bundle: Bundle, facts: Facts) -> Decision:
    """The same, mostly without its digest: for who compares what decisions say, many at a time."""
    if bundle.engine != ENGINE:
        return _older(bundle, facts)
    return _decision(bundle, facts, deliberate(bundle, facts, whole=False))


def deliberate(bundle: Bundle, facts: Facts, *, whole: bool = True) -> Deliberation:
    """Consider everything, in this order; without `whole` not what a model would cost where the call is denied anyway.

    1. Tenant, team, route: are they known?
    2. Stops of everything, the tenant, the key, the route; the use case; labels that are required.
    3. Permissions on the call; obligations of those that permit.
    4. The models of the route: built-in rules, permissions on models, prices and budgets.
    5. What sends the call to a person, and what its answer must pass before the caller sees it.
    6. Warnings of sunsets to come.
    """
    to = Deliberation()
    route = _known(to, bundle, facts)
    if route is None:
        return to
    view = to.view = view_of(bundle, facts, route)
    to.refusals += _refusals(view)
    outcomes = view.scope.on_call(view.environment, NOTHING)
    to.held += compress(zip(view.scope.call_rules, outcomes, strict=True), outcomes)
    if view.exceptions:
        to.lifted += _lifted_from_call(to.held, view)
        to.lifted += of_budgets(view.exceptions, (budget for budget, _ in view.budgets))
    to.obligations = merged(r.obligations for r, o in to.held if r.effect == "permit" and o is True)
    scope = view.scope
    denied = not whole and not scope.models_may_hold and _denied(to, view)
    # what is denied anyway needs its models only for what their rules say beside the outcome
    if not denied or scope.advises or scope.model_rules_may_fail or view.exceptions:
        consider(to, view, plan=not denied)
    to.escalations += [
        (rule, rule.holds(view.environment))
        for rule in view.scope.escalations
        if rule.on == "request"
    ]
    if beside.run_of(view) is None:
        to.checks = checks_of(to, view)
    if to.checks:
        to.refusals += _unchecked(view)
    to.refusals += (*_unredactable(to, view), *beside.refusals(to, view))
    to.warnings += _sunsets(to, view)
    return to


def _denied(to: Deliberation, view: CallView) -> bool:
    """Whether the call itself is denied, whatever is found of its models."""
    if to.refusals or not any(r.effect == "permit" and o is True for r, o in to.held):
        return True
    return any(r.blocks and not lifts(view.exceptions, r, o, None) for r, o in to.held)


def _known(to: Deliberation, bundle: Bundle, facts: Facts) -> RouteView | None:
    tenant = bundle.documents.get(("Tenant", "", facts.tenant))
    if tenant is None:
        to.refusals.append((built_in("unknown-tenant"), f'there is no tenant "{facts.tenant}"'))
        return None
    if facts.team not in tenant.spec["teams"]:
        message = f'the tenant "{facts.tenant}" has no team "{facts.team}"'
        to.refusals.append((built_in("unknown-team"), message))
        return None
    route = bundle.routes.get((facts.tenant, facts.route)) or bundle.routes.get(("", facts.route))
    if route is None:
        to.refusals.append((built_in("unknown-route"), f'there is no route "{facts.route}"'))
    return route


def _refusals(view: CallView) -> Iterator[tuple[RuleRef, str]]:
    for stop in view.facts.stops:
        if _stops_call(stop, view):
            what = (
                "every call"
                if stop.kind == "everything"
                else f"the {stop.kind} {stop.name or stop.tenant}"
            )
            yield built_in("stop"), f"{what} is stopped"
    name, validation = view.use_case.name, view.use_case.spec["validation"]
    if validation is None:
        yield built_in("use-case"), f'the use case "{name}" has not been validated'
    elif view.today < validation["on"]:
        yield built_in("use-case"), f'the use case "{name}" is valid only from {validation["on"]}'
    elif view.today > validation["validUntil"]:
        yield (
            built_in("use-case"),
            f'the validation of the use case "{name}" ended on {validation["validUntil"]}',
        )
    for words in lacking(
        view.facts.request, view.bundle.required_of(view.facts.tenant, view.route.key[1])
    ):
        yield built_in(REQUIRED_LABEL), words


def _unchecked(view: CallView) -> Iterator[tuple[RuleRef, str]]:
    """What would show an answer that nobody checked."""
    name, asked = view.route.key[1], view.facts.request
    if asked.stream and view.route.stream == "refuse":
        yield built_in("stream"), _NO_STREAM.format(name)
    if asked.n > 1:
        yield built_in("choices"), _ONE_CHOICE.format(name, asked.n)


def _unredactable(to: Deliberation, view: CallView) -> Iterator[tuple[RuleRef, str]]:
    """What would carry past an obligation what it takes out."""
    owed, needs = to.obligations, view.facts.request.needs
    if owed.redact and "vision" in needs:
        yield built_in("redact"), _NO_PICTURES.format(", ".join(owed.redact))
    if owed.redact_answers and "logprobs" in needs:
        yield built_in("redact"), _NO_LOGPROBS.format(", ".join(owed.redact_answers))


def _stops_call(stop: StopFact, view: CallView) -> bool:
    facts = view.facts
    return {
        "everything": True,
        "tenant": facts.tenant in (stop.name, stop.tenant if not stop.name else None),
        "key": stop.name == facts.key.id,
        "route": (stop.tenant, stop.name) == view.route.key,
    }.get(stop.kind, False)


def _lifted_from_call(outcomes: list[tuple[Rule, Outcome]], view: CallView) -> Iterator[Lifted]:
    for rule, outcome in outcomes:
        one = lifts(view.exceptions, rule, outcome, None) if rule.blocks else None
        if one is not None:
            yield of_rule(one, rule, (view.environment, NOTHING))


def _sunsets(to: Deliberation, view: CallView) -> Iterator[str]:
    for found in to.considered:
        model = found.model
        if not found.candidate or not model.sunset_on:
            continue
        if date.fromisoformat(model.sunset_on) - date.fromisoformat(view.today) <= timedelta(
            days=WARN_DAYS
        ):
            then = (
                f"{model.replacement[1]} takes its place"
                if model.replacement
                else "it has no replacement"
            )
            yield f"{model.label} is used until {model.sunset_on}; then {then}"


def _decision(bundle: Bundle, facts: Facts, to: Deliberation) -> Decision:
    against = _against_call(to)
    steps: list[Candidate] = []
    dropped: list[Dropped] = []
    for found in to.considered:
        if found.candidate:
            steps.append(found.candidate)
        dropped += found.reasons
    view = to.view
    if view is None or against or not steps:
        determining, denial = _denial(to, facts, against)
        return Decision(
            effect="deny",
            determining=determining,
            dropped=() if against else tuple(dropped),
            denial=denial,
            advisories=tuple(_advisories(to)),
            errors=tuple(_errors(to)),
            lifted=tuple(to.lifted),
            revision=bundle.revision,
            bundle=bundle.digest,
        )
    hold = before_models(to, view)
    return Decision(
        effect="escalate" if hold else "permit",
        determining=_once([*(hold.rules if hold else ()), *_for_permit(to, view)]),
        plan=_plan(to, view, tuple(steps)),
        hold=hold,
        lifted=tuple(to.lifted),
        obligations=to.obligations,
        dropped=tuple(dropped),
        advisories=tuple(_advisories(to)),
        errors=tuple(_errors(to)),
        warnings=tuple(to.warnings),
        revision=bundle.revision,
        bundle=bundle.digest,
    )


def _plan(to: Deliberation, view: CallView, steps: tuple[Candidate, ...]) -> Plan:
    if beside.run_of(view) is not None:
        return beside.plan_beside(steps)
    return Plan(
        strategy=view.route.strategy,
        steps=steps,
        retry=view.route.retry,
        fallback_on=view.route.fallback_on,
        checks=to.checks,
    )


def _against_call(to: Deliberation) -> list[tuple[RuleRef, str, str]]:
    """(rule, words, owner) of everything against the call itself: built-in rules, then forbids; else the missing permit."""
    found = [(ref, message, "") for ref, message in to.refusals]
    if to.view is None:
        return found
    call = to.view.environment
    found += [
        (r.ref(o, call), r.says(o, call), r.owner)
        for r, o in to.held
        if r.blocks and o is not False and not lifts(to.view.exceptions, r, o, None)
    ]
    permits = any(r.effect == "permit" and o is True for r, o in to.held)
    if not found and not permits:
        message = f'no permission permits calls of the team "{to.view.facts.team}" to the route "{to.view.facts.route}"'
        found.append((built_in(NO_PERMIT), message, ""))
    return found


def _denial(
    to: Deliberation, facts: Facts, against: list[tuple[RuleRef, str, str]]
) -> tuple[tuple[RuleRef, ...], Denial]:
    if against:
        refs, message = [ref for ref, _, _ in against], "; ".join(words for _, words, _ in against)
        owner = next((o for _, _, o in against if o), "")
    else:
        reasons = [reason for c in to.considered for reason in c.reasons]
        refs = [r.rule for r in reasons]
        words = "; ".join(dict.fromkeys(r.message for r in reasons))
        message = f'no model of the route "{facts.route}" may take this call: {words}'
        owner = _owner_of(to, reasons)
    first = refs[0]
    code = "forbidden" if first.kind == "Permission" else first.name
    names = tuple(dict.fromkeys(r.name for r in refs))
    owner = owner or (to.view.use_case.spec["owner"] if to.view else "")
    return _once(refs), Denial(code=code, message=message, rules=names, owner=owner)


def _owner_of(to: Deliberation, reasons: list[Dropped]) -> str:
    rules = {(r.tenant, r.name): r.owner for c in to.considered for r, _ in c.held}
    return next((o for r in reasons if (o := rules.get((r.rule.tenant, r.rule.name), ""))), "")


def _for_permit(to: Deliberation, view: CallView) -> tuple[RuleRef, ...]:
    """Every matching permit, and every rule that removed a model ranked before the last one in the plan."""
    call = view.environment
    refs = [r.ref(o, call) for r, o in to.held if r.effect == "permit" and o is True]
    pending: list[RuleRef] = []
    last: tuple[RuleRef, ...] = ()
    for found in to.considered:
        if found.candidate and (pending or found.permits != last):
            refs += (*pending, *found.permits)
            pending, last = [], found.permits
        # a reason counts where a model that ranks after it is in the plan
        pending += [reason.rule for reason in found.reasons]
    return _once(refs)


def _advisories(to: Deliberation) -> Iterator[RuleRef]:
    if to.view is None or not to.view.scope.advises:
        return
    call = to.view.environment
    for rule, outcome in to.held:
        if rule.level == "advisory" and outcome is True:
            yield rule.ref(outcome, call)
    seen = set()
    for found in to.considered:
        for rule, outcome in found.held:
            if rule.level == "advisory" and outcome is True and rule not in seen:
                seen.add(rule)
                yield rule.ref(outcome, call, found.model.environment)


def _errors(to: Deliberation) -> tuple[RuleRef, ...]:
    if to.view is None:
        return ()
    call = to.view.environment
    refs = [r.ref(o, call) for r, o in (*to.held, *to.escalations) if isinstance(o, Erred)]
    for found in to.considered if to.view.scope.model_rules_may_fail else ():
        item = found.model.environment
        refs += [r.ref(o, call, item) for r, o in found.held if isinstance(o, Erred)]
    return _once(refs)


def _once(refs: list[RuleRef]) -> tuple[RuleRef, ...]:
    return tuple(dict.fromkeys(refs))
