"""What a decision considered, before it is put in words: the call as rules see it, each rule's outcome, each model's fate."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from policies.engine.bundle import (
    BudgetView,
    Bundle,
    ExceptionView,
    Governed,
    Key,
    ModelView,
    Prepared,
    RouteView,
    TenantScope,
)
from policies.engine.calendar import today_at
from policies.engine.claims import matching
from policies.engine.decision import (
    BUILT_IN,
    BudgetClaim,
    Candidate,
    Checks,
    Dropped,
    Lifted,
    Obligations,
    RuleRef,
)
from policies.engine.facts import Facts
from policies.engine.lifting import in_force, raised
from policies.engine.required import completed
from policies.engine.rules import Environment, Outcome, Rule
from policies.engine.values import moment

NOTHING_OWED: Final = Obligations()
_BUILT_IN: dict[str, RuleRef] = {}


def built_in(name: str) -> RuleRef:
    """A rule that is built in."""
    found = _BUILT_IN.get(name)
    if found is None:
        found = _BUILT_IN[name] = RuleRef(kind=BUILT_IN, tenant="", name=name)
    return found


@dataclass(frozen=True, slots=True)
class CallView:
    """One call on a known route: what every rule and every model is held against."""

    bundle: Bundle
    facts: Facts
    scope: TenantScope
    route: RouteView
    use_case: Governed
    today: str
    data_classes: tuple[str, ...]
    environment: Environment
    budgets: tuple[tuple[BudgetView, BudgetClaim], ...]
    exceptions: tuple[ExceptionView, ...] = ()


@dataclass(slots=True)
class Considered:
    """One model: the reasons against it, the outcome of each rule, and the candidate it became if there was no reason.

    `held` are the rules that hold or failed, with their outcomes.
    """

    prepared: Prepared
    reasons: tuple[Dropped, ...] = ()
    rules: tuple[Rule, ...] = ()
    held: Sequence[tuple[Rule, Outcome]] = ()
    owed: Obligations | None = None
    permits: tuple[RuleRef, ...] = ()
    """What the permits that hold ask for, merged, and their names."""
    candidate: Candidate | None = None

    @property
    def model(self) -> ModelView:
        """The model itself."""
        return self.prepared.model

    @property
    def named(self) -> tuple[Key, ...]:
        """The models of the route that it stands for: itself, or those whose place it has taken."""
        return self.prepared.named

    @property
    def outcomes(self) -> list[tuple[Rule, Outcome]]:
        """Every rule with its outcome."""
        return every(self.rules, self.held)

    def against(self, name: str, message: str) -> None:
        """A built-in reason."""
        self.add(Dropped(model=self.model.label, rule=built_in(name), message=message))

    def add(self, reason: Dropped) -> None:
        """Any reason."""
        self.reasons = (*self.reasons, reason)


@dataclass(slots=True)
class Deliberation:
    """Everything that was considered. `refusals` are built-in reasons against the call itself, with their words.

    `held` are the rules on the call that hold or failed, with their outcomes.
    """

    view: CallView | None = None
    refusals: list[tuple[RuleRef, str]] = field(default_factory=list)
    held: list[tuple[Rule, Outcome]] = field(default_factory=list)
    obligations: Obligations = field(default_factory=Obligations)
    considered: list[Considered] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    escalations: list[tuple[Rule, Outcome]] = field(default_factory=list)
    lifted: list[Lifted] = field(default_factory=list)
    checks: Checks | None = None

    @property
    def outcomes(self) -> list[tuple[Rule, Outcome]]:
        """Every rule on the call with its outcome."""
        return every(self.view.scope.call_rules, self.held) if self.view else []


def every(
    rules: tuple[Rule, ...], held: Sequence[tuple[Rule, Outcome]]
) -> list[tuple[Rule, Outcome]]:
    """All rules with their outcomes; those that are not held do not hold."""
    known = {id(rule): outcome for rule, outcome in held}
    return [(rule, known.get(id(rule), False)) for rule in rules]


def view_of(bundle: Bundle, facts: Facts, route: RouteView) -> CallView:
    """The call as rules see it."""
    scope = bundle.scope(facts.tenant)
    required = bundle.required_of(facts.tenant, route.key[1])
    if required or facts.request.labels_given is not msgspec.UNSET:
        # facts of another bundle have what that one gave
        asked = completed(facts.request, facts.key, required)
        facts = msgspec.structs.replace(facts, request=asked)
    use_case = bundle.documents["UseCase", *route.use_case]
    tenant = bundle.documents["Tenant", "", facts.tenant]
    classes = tuple(sorted({*facts.request.data_classes, *use_case.spec["dataClasses"]}))
    asked, run = facts.request, facts.run
    # INVARIANT: the order is that of schema.EVERYWHERE
    environment = (
        classes, asked.tools, asked.input_tokens_max, asked.output_tokens_asked, asked.stream,
        asked.language, asked.labels, route.task,
        facts.tenant, tenant.spec["region"] or "", tenant.labels,
        facts.team, facts.key.id, facts.key.labels, facts.user.known,
        route.key[1], route.task, use_case.name, use_case.spec["riskClass"],
        run.calls, float(run.cost), run.seconds,
        max((b.share_used_permille for b in facts.budgets), default=0) / 1000,
        moment(facts.now),
    )  # fmt: skip
    today = today_at(facts.now, scope.time_zone)
    exceptions = in_force(scope, facts, route, today) if scope.exceptions else ()
    budgets = raised(scope.budgets, exceptions) if exceptions else scope.budgets
    return CallView(
        bundle=bundle,
        facts=facts,
        scope=scope,
        route=route,
        use_case=use_case,
        today=today,
        data_classes=classes,
        environment=environment,
        budgets=tuple(matching(budgets, facts, route)),
        exceptions=exceptions,
    )


def merged(obligations: Iterable[Obligations | None]) -> Obligations:
    """Obligations of several permits: lists by union, token limits by minimum, a hold if any."""
    owed = [o for o in obligations if o is not None]
    if not owed:
        return NOTHING_OWED
    return Obligations(
        max_output_tokens=min(
            (o.max_output_tokens for o in owed if o.max_output_tokens), default=0
        ),
        redact=tuple(sorted({r for o in owed for r in o.redact})),
        redact_answers=tuple(sorted({r for o in owed for r in o.redact_answers})),
        strip_tools=tuple(sorted({t for o in owed for t in o.strip_tools})),
        hold=min((o.hold for o in owed if o.hold), default=""),
    )
