"""What exceptions change: a soft forbid lifted within a scope, a budget raised, each through a day."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import msgspec

from policies.engine.bundle import BudgetView, ExceptionView, ModelView, RouteView, TenantScope
from policies.engine.claims import in_scope
from policies.engine.decision import BudgetClaim, Lifted, RuleRef
from policies.engine.facts import Facts
from policies.engine.rules import Environment, Outcome, Rule

EXCEPTION = "Exception"


def in_force(
    scope: TenantScope, facts: Facts, route: RouteView, today: str
) -> tuple[ExceptionView, ...]:
    """The exceptions that cover a call on a day, whatever model it goes to."""
    return tuple(
        e for e in scope.exceptions if today <= e.expires_on and in_scope(e.scope, facts, route)
    )


def lifts(
    exceptions: Iterable[ExceptionView], rule: Rule, outcome: Outcome, model: ModelView | None
) -> ExceptionView | None:
    """The exception that lifts a rule that holds; None where it binds.

    A forbid that errs is not lifted: nobody knows whether it is the one that was excepted.
    """
    if rule.level != "soft" or outcome is not True:
        return None
    for one in exceptions:
        # INVARIANT: a tenant's document lifts nothing of the organisation
        if one.permission != rule.key or one.key[0] not in ("", rule.tenant):
            continue
        if _covers(one, model):
            return one
    return None


def _covers(one: ExceptionView, model: ModelView | None) -> bool:
    """One that names a model or a provider says nothing about the call as a whole."""
    if model is None:
        return one.scope.model is None and one.scope.provider is None
    return one.scope.model in (None, model.key) and one.scope.provider in (None, model.provider)


def raised(
    budgets: Iterable[BudgetView], exceptions: Iterable[ExceptionView]
) -> Iterator[BudgetView]:
    """The budgets with their limits as the exceptions raise them."""
    by_budget: dict[object, int] = {}
    for one in exceptions:
        # INVARIANT: a tenant's document raises nothing of the organisation
        if one.budget is not None and one.key[0] in ("", one.budget[0]):
            by_budget[one.budget] = by_budget.get(one.budget, 0) + one.raise_nano
    for budget in budgets:
        more = by_budget.get(budget.key, 0)
        yield replace(budget, limit_nano=budget.limit_nano + more) if more else budget


def on_day(
    claims: tuple[BudgetClaim, ...],
    lifted: Iterable[Lifted],
    exceptions: Iterable[ExceptionView],
    day: str,
) -> tuple[BudgetClaim, ...]:
    """Claims that were decided on an earlier day, with their limits as they are now: a raise ends with its last day.

    A call may wait for a person longer than the raise lasts that stands in its decision.
    """
    ended = {one.key for one in exceptions if one.expires_on < day}
    less: dict[object, int] = {}
    for one in lifted:
        if (one.exception_tenant, one.exception) in ended and one.raise_nano:
            budget = (one.rule.tenant, one.rule.name)
            less[budget] = less.get(budget, 0) + one.raise_nano
    if not less:
        return claims
    return tuple(
        msgspec.structs.replace(
            claim, limit_nano=claim.limit_nano - less.get((claim.tenant, claim.budget), 0)
        )
        for claim in claims
    )


def of_budgets(exceptions: Iterable[ExceptionView], bound: Iterable[BudgetView]) -> list[Lifted]:
    """The trace of every budget that was raised and binds the call."""
    keys = {budget.key for budget in bound}
    return [
        _lifted(one, RuleRef(kind="Budget", tenant=one.budget[0], name=one.budget[1]))
        for one in exceptions
        if one.budget in keys and one.budget is not None and one.key[0] in ("", one.budget[0])
    ]


def of_rule(
    one: ExceptionView, rule: Rule, environments: tuple[Environment, Environment], model: str = ""
) -> Lifted:
    """The trace of a forbid that was lifted."""
    return _lifted(one, rule.ref(True, *environments), model)  # noqa: FBT003  # an outcome


def _lifted(one: ExceptionView, ref: RuleRef, model: str = "") -> Lifted:
    return Lifted(
        exception=one.key[1],
        exception_tenant=one.key[0],
        rule=ref,
        model=model,
        raise_nano=one.raise_nano,
    )
