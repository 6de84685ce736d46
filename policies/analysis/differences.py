"""Boundary cases: the smallest calls that a draft decides otherwise than the bundle in force.

Facts come from the conditions' own constants, on both sides of each, for every team and route; the plainest calls are decided
first, so that the first that differs is the smallest. MAX_DECIDED bounds the work: a count, not a clock.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, combinations, islice, product
from typing import Any, Final, Literal

import msgspec

from policies.analysis.looks import FREE, Looks, looks_of
from policies.analysis.situations import Place, World, facts_of, places
from policies.analysis.values import choices, said
from policies.documents.document import Identity
from policies.engine.bundle import Bundle, Governed, label
from policies.engine.decide import decide
from policies.engine.decision import Decision
from policies.engine.facts import Facts

MAX_DECIDED: Final = 3000
MAX_SHOWN: Final = 12
MAX_VARIED: Final = 3
"""A call differs from the plainest in at most so many things at once."""
_STRICTER: Final[dict[str, "Change"]] = {"deny": "newly denied", "escalate": "newly held"}
_Case = tuple[Place, dict[str, Any]]
Change = Literal[
    "newly permitted", "newly denied", "newly held", "no longer held", "other models", "other checks", "other obligations"
]  # fmt: skip


class Side(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What one of the two bundles decides: the effect, the models of the plan in order, and the reason of a denial or hold."""

    effect: str
    models: tuple[str, ...]
    why: str


class Example(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The smallest call of its sort. `facts` are what it has beyond the plainest call; `count` such calls were found."""

    change: Change
    tenant: str
    team: str
    route: str
    facts: tuple[tuple[str, str], ...]
    before: Side
    after: Side
    count: int


class Compared(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """`examined` calls were decided under both bundles; `whole`: those were all that the constants tell apart."""

    examples: tuple[Example, ...]
    examined: int
    whole: bool


def compare(base: Bundle, draft: Bundle, now: str, tenant: str = "") -> Compared:
    """What a draft decides otherwise, for the calls of one tenant or of all ("").

    First what the documents that differ look at is varied, then what any rule looks at: an old permit may need it.
    """
    where, changed = _places(base, draft, tenant), changed_documents(base, draft)
    near, _ = _variables(base, draft, now, changed)
    every, exact = _variables(base, draft, now, None)
    cases = _once(chain(_cases(where, near), _cases(where, every)))
    found: dict[tuple[object, ...], Example] = {}
    examined = 0
    for place, values in islice(cases, MAX_DECIDED):
        facts = _labelled(base, draft, facts_of(place, values, now))
        examined += 1
        before, after = decide(base, facts), decide(draft, facts)
        change = _change(before, after)
        if change is not None:
            _keep(found, change, (facts, values), (before, after))
    whole = exact and len(every) <= MAX_VARIED and next(cases, None) is None
    shown = sorted(found.values(), key=lambda e: len(e.facts))[:MAX_SHOWN]
    return Compared(examples=tuple(shown), examined=examined, whole=whole)


def _labelled(base: Bundle, draft: Bundle, facts: Facts) -> Facts:
    """With the labels that both bundles require: without them one denial would hide whatever else differs."""
    after = {one.name for one in draft.required_of(facts.tenant, facts.route)}
    given = {
        one.name: (one.values or ("some",))[0]
        for one in base.required_of(facts.tenant, facts.route)
        if one.name in after and not one.default
    }
    if not given:
        return facts
    asked = msgspec.structs.replace(facts.request, labels=given | facts.request.labels)
    return msgspec.structs.replace(facts, request=asked)


def _places(base: Bundle, draft: Bundle, tenant: str) -> list[Place]:
    both = dict.fromkeys([*places(draft), *places(base)])
    return [place for place in both if tenant in ("", place.tenant)]


def _cases(where: list[Place], varied: dict[str, list[Any]]) -> Iterator[_Case]:
    """The plainest calls first: nothing varied, then one thing, then two."""
    for size in range(min(MAX_VARIED, len(varied)) + 1):
        for names in combinations(varied, size):
            for values in product(*(varied[name][1:] for name in names)):
                for place in where:
                    yield place, dict(zip(names, values, strict=True))


def _once(cases: Iterable[_Case]) -> Iterator[_Case]:
    seen: set[str] = set()
    for case in cases:
        key = repr(case)
        if key not in seen:
            seen.add(key)
            yield case


def _variables(
    base: Bundle, draft: Bundle, now: str, changed: frozenset[Identity] | None
) -> tuple[dict[str, list[Any]], bool]:
    """What is varied, and whether that is all: what rules look at, sizes and classes of models; None: of all documents."""
    looks = Looks()
    for bundle in (base, draft):
        for rule in (*bundle.rules, *bundle.escalations):
            if rule.when is not None and _chosen(changed, (rule.kind, rule.tenant, rule.name)):
                found = looks_of(rule.when.checked)
                looks.add(found)
                looks.exact = looks.exact and found.exact
        for identity, document in sorted(bundle.documents.items()):
            if _chosen(changed, identity):
                _sizes(looks, document)
    varied, exact, world = {}, looks.exact, World(draft, now)
    for name in sorted(looks.names & FREE):
        varied[name], whole = choices(name, looks.constants[name], world.classes, world.moment)
        exact = exact and whole
    return varied, exact


def _chosen(changed: frozenset[Identity] | None, identity: Identity) -> bool:
    return changed is None or identity in changed


def changed_documents(base: Bundle, draft: Bundle) -> frozenset[Identity]:
    """The documents that are not the same in both."""
    every = base.documents.keys() | draft.documents.keys()
    return frozenset(i for i in every if base.documents.get(i) != draft.documents.get(i))


def _sizes(looks: Looks, document: Governed) -> None:
    """Where a model's window ends, how much it answers, what it may see, and what a permit allows: both sides of each."""
    if document.kind == "Model":
        looks.note("request.dataClasses", *document.spec["clearance"])
        looks.note("request.inputTokensMax", document.spec["contextWindow"])
        looks.note("request.outputTokensMax", document.spec["maxOutputTokens"])
    if document.kind == "Permission" and document.spec["obligations"]:
        most = document.spec["obligations"]["maxOutputTokens"]
        looks.note("request.outputTokensMax", *([most] if most else []))


def _change(before: Decision, after: Decision) -> Change | None:
    if before.effect != after.effect:
        eased: Change = "newly permitted" if before.effect == "deny" else "no longer held"
        return _STRICTER.get(after.effect, eased)
    if before.plan is None or after.plan is None:
        return None
    if _models(before) != _models(after):
        return "other models"
    if before.plan.checks != after.plan.checks:
        return "other checks"
    return "other obligations" if before.obligations != after.obligations else None


def _keep(
    found: dict[tuple[object, ...], Example],
    change: Change,
    case: tuple[Facts, dict[str, Any]],
    decided: tuple[Decision, Decision],
) -> None:
    facts, values = case
    before, after = map(_side, decided)
    rules = tuple(_rules(decided[0]) ^ _rules(decided[1]))
    key = (change, tuple(sorted(rules)), before.models, after.models)
    known = found.get(key)
    if known is not None:
        found[key] = msgspec.structs.replace(known, count=known.count + 1)
        return
    found[key] = Example(
        change=change,
        tenant=facts.tenant,
        team=facts.team,
        route=facts.route,
        facts=tuple((name, said(value)) for name, value in values.items()),
        before=before,
        after=after,
        count=1,
    )


def _side(decision: Decision) -> Side:
    told = decision.denial or decision.hold
    return Side(effect=decision.effect, models=_models(decision), why=told.message if told else "")


def _rules(decision: Decision) -> set[tuple[str, str, str]]:
    return {(r.kind, r.tenant, r.name) for r in decision.determining}


def _models(decision: Decision) -> tuple[str, ...]:
    if decision.plan is None:
        return ()
    return tuple(label((s.model_tenant, s.model)) for s in decision.plan.steps)
