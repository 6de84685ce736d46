"""PURE: one call decided under two bundles, and what is different. The same facts both times, as they were recorded.

1. can it be decided at all: facts of this engine, and nothing that rules read is missing
2. decide it under the base, and under the draft (or without the models that are taken away)
3. is the effect another, the plan, or its terms
4. where rules look at the answer: weigh again what it said, if the same model would have given it; else nobody knows
5. what it would cost: the tokens that were used, at the prices of the two plans
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

import msgspec

from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.money import MILLION, NANO
from policies.engine.bundle import Bundle, label
from policies.engine.compile import load_bundle
from policies.engine.decide import undigested
from policies.engine.decision import BUILT_IN, Candidate, Checks, Decision, RuleRef
from policies.engine.facts import Facts, decode
from policies.engine.prices import PriceRef
from policies.engine.pricing import UsageCounts, bound, cost, served
from policies.engine.reads import Reads
from policies.replay import answers
from policies.replay.values import (
    ALTERED,
    DENIED,
    HELD,
    PERMITTED,
    REROUTED,
    SHOWN,
    UNCHANGED,
    UNDECIDABLE,
    Batch,
    Counts,
    Given,
    Kind,
    Looked,
    Sample,
    Setup,
    Tally,
)
from policies.replay.words import Asked, missing_words, opened


@dataclass(slots=True)
class Found:
    """What is different for one call."""

    kind: Kind
    facts: Facts | None = None
    before: Decision | None = None
    after: Decision | None = None
    missing: tuple[str, ...] = ()
    unknown: bool = False
    open: bool = False
    """Whether it depends on what the answers said, and nobody has told that yet."""


@dataclass(slots=True)
class Two:
    """Two compiled bundles."""

    base: Bundle
    draft: Bundle
    away: tuple[str, ...] = ()
    _same: dict[object, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, setup: Setup) -> "Two":
        """Compiled from their bytes. Raises InvalidBundle."""
        base = load_bundle(setup.base.revision, setup.base.text, setup.base.checked)
        same = setup.draft == setup.base
        draft = (
            base
            if same
            else load_bundle(setup.draft.revision, setup.draft.text, setup.draft.checked)
        )
        return cls(base, draft, setup.away)

    def batch(self, batch: Batch) -> Looked:
        """Every call of a batch; those that need what answers said are left open, and counted nowhere."""
        reads = [one.reads for one in batch.reads]
        tally, left, samples = Tally(), [], []
        for place, given in enumerate(batch.calls):
            found = self.look(given, reads[given.reads] if given.reads >= 0 else None)
            if found.open:
                left.append(place)
            else:
                samples += self.count(tally.of(given.tenant), given, found)
        tally.keep(samples)
        return Looked(tally, tuple(left))

    def look(
        self,
        given: Given,
        then: Reads | None,
        said: answers.Said | None = None,
        asked: Asked | None = None,
    ) -> Found:
        """Decide one call twice. `then` is what the rules read under which its facts were recorded.

        What hangs on words that were only committed, or on what answers said, is left open while nobody tells (`said` is None).
        """
        try:
            facts = decode(given.facts)
        except InvalidRequest:
            return Found(UNDECIDABLE, missing=("facts",))
        missing = self._missing(facts, then, given.revision)
        if missing:
            now = self._reads(facts) if asked and then else None
            known = opened(facts, then, now, asked) if asked and then and now else None
            if known is None:
                left = said is None and then is not None
                return Found(UNDECIDABLE, facts, missing=missing, open=left)
            facts = known
        before = undigested(self.base, facts)
        after = undigested(self.draft, self._without(facts))
        found = Found(compare(before, after), facts, before, after)
        self._answers(found, given, said)
        return found

    def count(self, counts: Counts, given: Given, found: Found) -> list[Sample]:
        """Add one call to the sums; its sample, if it is different."""
        counts.calls += 1
        counts.records += given.records
        setattr(counts, found.kind, getattr(counts, found.kind) + 1)
        counts.unknown += found.unknown
        for name in found.missing:
            counts.fields[name] = counts.fields.get(name, 0) + 1
        change: int | None = None
        if found.before is not None and found.after is not None:
            change = _money(counts, given, found)
            _serving(counts, found.before, found.after)
        if found.kind not in SHOWN:
            return []
        return [_sample(given, found, change)]

    def wants_words(self, given: Given, then: Reads | None) -> bool:
        """Whether a call can be decided only if somebody opens what its record has committed."""
        if then is None:
            return False
        try:
            return bool(self._missing(decode(given.facts), then, given.revision))
        except InvalidRequest:
            return False

    def _reads(self, facts: Facts) -> Reads:
        return self.base.scope(facts.tenant).reads | self.draft.scope(facts.tenant).reads

    def _missing(self, facts: Facts, then: Reads | None, revision: int) -> tuple[str, ...]:
        asked = facts.request
        if not (asked.labels_committed or asked.tools_committed):
            return ()
        if then is None:
            return (f"revision {revision}",)
        return missing_words(asked, then, self._reads(facts))

    def _without(self, facts: Facts) -> Facts:
        if not self.away:
            return facts
        return msgspec.structs.replace(facts, exclude=(*facts.exclude, *self.away))

    def _answers(self, found: Found, given: Given, said: answers.Said | None) -> None:
        """What becomes of the answer, where the call itself fares as before, or is permitted anew."""
        before, after, facts = found.before, found.after, found.facts
        if facts is None or before is None or after is None or after.plan is None:
            return
        checks = after.plan.checks
        if before.plan is None or before.effect != after.effect:
            found.unknown = after.effect == "permit" and checks is not None
        elif first(before) != first(after):
            found.unknown = checks is not None
        elif not self._same_checks(before.plan.checks, checks, facts):
            sides = answers.Side(self.base, facts, before), answers.Side(self.draft, facts, after)
            _weigh(found, given, sides, said)

    def _same_checks(self, before: Checks | None, after: Checks | None, facts: Facts) -> bool:
        if before is None and after is None:
            return True
        key = (facts.tenant, facts.route, before, after)
        same = self._same.get(key)
        if same is None:
            same = self._same[key] = answers.hangs_on(self.base, before, facts) == answers.hangs_on(
                self.draft, after, facts
            )
        return same


def _weigh(
    found: Found,
    given: Given,
    sides: tuple[answers.Side, answers.Side],
    said: answers.Said | None,
) -> None:
    """Weigh what was answered, where anything was; leave it open while nobody tells what the answers said."""
    if not (given.answers or given.attempts):
        return
    if said is None:
        found.open = True
        return
    fate, missing = answers.weigh_again(*sides, given.answers, said)
    if fate == answers.UNKNOWN:
        # nobody knows whether its answer would be the same, so it does not count as unchanged
        found.kind, found.unknown = ALTERED, True
    elif fate == answers.GONE:
        found.kind, found.missing = UNDECIDABLE, missing
    elif fate != answers.SAME:
        found.kind = fate


def compare(before: Decision, after: Decision) -> Kind:
    """How a decision differs from another over the same facts; prices and budgets are no difference of their own."""
    if before.effect != after.effect:
        return {"deny": DENIED, "escalate": HELD, "permit": PERMITTED}[after.effect]  # type: ignore[return-value] # the values are kinds
    if before.plan is None or after.plan is None:
        return UNCHANGED
    if _models(before) != _models(after):
        return REROUTED
    return UNCHANGED if _terms(before) == _terms(after) else ALTERED


def first(decision: Decision) -> str:
    """The model that is asked first; empty where none is."""
    return model_of(decision.plan.steps[0]) if decision.plan else ""


def model_of(step: Candidate) -> str:
    """`name` or `tenant/name`."""
    return label((step.model_tenant, step.model))


def _models(decision: Decision) -> list[tuple[str, str]]:
    """(tenant, name) of each, in order."""
    return [(s.model_tenant, s.model) for s in decision.plan.steps] if decision.plan else []


def _terms(decision: Decision) -> object:
    plan, hold = decision.plan, decision.hold
    assert plan is not None  # noqa: S101 - asked of decisions that have one
    return (
        decision.obligations,
        plan.strategy,
        plan.retry,
        [step.max_output_tokens for step in plan.steps],
        hold and (hold.queue_tenant, hold.queue),
    )


def _money(counts: Counts, given: Given, found: Found) -> int | None:
    """Add what the call would cost more or less. None where it cannot be said."""
    before, after = found.before, found.after
    assert before is not None and after is not None  # noqa: S101, PT018 - the caller has looked
    was = _spent(before, given, before)
    counts.cost_before_nano += was
    if found.kind == UNDECIDABLE or after.effect == "escalate" or found.kind == HELD:
        return None
    if after.plan is None or found.kind == DENIED:
        change = -was
    elif before.plan is None:
        # it never ran, so nothing was used: at most this
        change = after.plan.steps[0].amount_nano
        counts.bounded += 1
    elif _prices(before) == _prices(after):
        return 0
    else:
        change = _spent(after, given, before) - was
    counts.cost_nano += change
    return change


def _prices(decision: Decision) -> list[object]:
    plan = decision.plan
    return [(s.model, s.model_tenant, s.price) for s in plan.steps] if plan else []


def _spent(decision: Decision, given: Given, before: Decision) -> int:
    """The tokens of each attempt at the price of its model in a plan; of the plan's first, where that one is asked anew.

    An attempt that was served at the batch price is taken to be so again, wherever that price is to be had.
    """
    if decision.plan is None or not given.attempts:
        return 0
    head = decision.plan.steps[0]
    steps = (
        {model_of(step): step for step in decision.plan.steps}
        if first(decision) == first(before)
        else {}
    )
    return sum(
        spent(
            served(steps.get(one.model, head).price, one.service_tier),
            UsageCounts(one.input, one.cached_input, one.cache_write, one.output),
        )
        for one in given.attempts
    )


def spent(price: PriceRef, usage: UsageCounts) -> int:
    """`policies.engine.pricing.cost`, with what only the price says worked out once."""
    return cost(price, usage) if price.tiers else sum(map(bound, usage[:4], _ratios(price)))


@lru_cache(maxsize=1024)
def _ratios(price: PriceRef) -> tuple[tuple[int, int], ...]:
    """What a token of each line of a bill costs in nano units, as exact ratios."""
    rate = Fraction(price.rate) * NANO / MILLION
    lines = (price.input, price.cached_input, price.cache_write, price.output)
    return tuple((Fraction(line) * rate).as_integer_ratio() for line in lines)


def _serving(counts: Counts, before: Decision, after: Decision) -> None:
    counts.served_before += before.plan is not None
    counts.served_after += after.plan is not None
    if after.plan is not None:
        name = first(after)
        counts.served[name] = counts.served.get(name, 0) + 1
    elif before.plan is not None:
        for name in dict.fromkeys(map(named, _against(after))):
            counts.blocked[name] = counts.blocked.get(name, 0) + 1


def _against(decision: Decision) -> Sequence[RuleRef]:
    """The rules that deny, without that a model is left out of this replay."""
    return [r for r in decision.determining if (r.kind, r.name) != (BUILT_IN, "excluded")]


def named(rule: RuleRef) -> str:
    """`Permission insurance/eu-data-stays-in-eu`, or the name of what is built in."""
    if rule.kind == BUILT_IN:
        return rule.name
    return f"{rule.kind} {label((rule.tenant, rule.name))}"


def _sample(given: Given, found: Found, change: int | None) -> Sample:
    facts = found.facts
    return Sample(
        call=given.call,
        tenant=given.tenant,
        team=facts.team if facts else "",
        route=facts.route if facts else "",
        kind=found.kind,
        before=_words(found.before, found.after),
        after=_after_words(found),
        rule=", ".join(found.missing) if found.missing else _rule(found),
        cost_nano=change,
    )


def _after_words(found: Found) -> str:
    after = found.after
    if after is not None and after.effect == "permit" and found.kind in (DENIED, HELD):
        return f"answer {'refused' if found.kind == DENIED else 'held'}"
    return _words(after, found.before)


def _words(decision: Decision | None, other: Decision | None) -> str:
    """What becomes of the call: its models where both decisions permit, else the effect."""
    if decision is None:
        return ""
    if decision.plan is None:
        return "denied"
    if decision.hold is not None:
        return f"held, {decision.hold.queue}"
    if other is None or first(other) != first(decision):
        return first(decision)
    return ", ".join(map(label, _models(decision)))


def _rule(found: Found) -> str:
    """The rule that makes the difference, with its line; empty where no single one is new."""
    before, after = found.before, found.after
    if before is None or after is None:
        return ""
    known = {*before.determining, *(d.rule for d in before.dropped)}
    news = [r for r in (*after.determining, *(d.rule for d in after.dropped)) if r not in known]
    if not news:
        return ""
    rule = news[0]
    if (rule.kind, rule.name) == (BUILT_IN, "excluded"):
        return "taken away on trial"
    return f"{rule.name}, line {rule.line}" if rule.line else rule.name
