"""Which budgets a call draws on: those whose whole scope it matches, one window for each subject of an `each`."""

from collections.abc import Iterable, Sequence

from policies.engine.bundle import BudgetView, Key, ModelView, RouteView, Scope
from policies.engine.decision import BudgetClaim
from policies.engine.facts import Facts


def matching(
    budgets: Iterable[BudgetView], facts: Facts, route: RouteView
) -> list[tuple[BudgetView, BudgetClaim]]:
    """The budgets that match a call whatever model it goes to, narrow to wide, each with its claim."""
    found = [(b, _claim(b, facts)) for b in budgets if in_scope(b.scope, facts, route)]
    return sorted(found, key=lambda pair: (pair[1].rank, pair[1].tenant, pair[1].budget))


def for_model(
    pairs: Sequence[tuple[BudgetView, BudgetClaim]], model: ModelView
) -> tuple[BudgetClaim, ...]:
    """Those of them that also match a model."""
    if not pairs:
        return ()
    return tuple(
        claim
        for budget, claim in pairs
        if budget.scope.model in (None, model.key)
        and budget.scope.provider in (None, model.provider)
    )


def in_scope(of: Scope, facts: Facts, route: RouteView) -> bool:
    """Whether a call lies in a scope, whatever model it goes to."""
    scope = of.parts
    if not scope:
        return True
    here: dict[str, str] = {
        "tenant": facts.tenant, "team": facts.team, "key": facts.key.id, "user": facts.user.ref,
    }  # fmt: skip
    if any(name in scope and scope[name] != value for name, value in here.items()):
        return False
    if not _is(of.route, route.key) or not _is(of.use_case, route.use_case):
        return False
    labels = scope.get("labels")
    return not labels or labels.items() <= {**facts.request.labels, **facts.key.labels}.items()


def _is(wanted: Key | None, found: Key) -> bool:
    return wanted is None or wanted == found


def _claim(budget: BudgetView, facts: Facts) -> BudgetClaim:
    return BudgetClaim(
        budget=budget.key[1],
        tenant=budget.key[0],
        subject=";".join(f"{each}={_subject(each, facts)}" for each in budget.each),
        period=budget.period,
        time_zone=budget.time_zone,
        fiscal_starts_on=budget.fiscal_starts_on,
        limit_nano=budget.limit_nano,
        hard=budget.hard,
        on_exhausted=budget.on_exhausted,
        rank=budget.rank,
    )


def _subject(each: str, facts: Facts) -> str:
    if each == "team":
        return f"{facts.tenant}/{facts.team}"
    if each == "key":
        return facts.key.id
    # a call outside any run is a run of its own; callers without a user share one budget
    return facts.user.ref if each == "user" else facts.run.id or facts.call
