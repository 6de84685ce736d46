"""PolicyTests: whether a bundle decides as they expect. Pure; publishing runs those of the bundle it is about to publish."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from policies.engine.bundle import Bundle, Governed, label
from policies.engine.decide import decide
from policies.engine.decision import Decision
from policies.engine.facts import (
    BudgetFacts,
    Facts,
    KeyFacts,
    RequestFacts,
    RunFacts,
    StopFact,
    UserFacts,
)

_CALL: Final = "00" * 16
_DIALECT: Final = "openai.chat"


def policy_tests(bundle: Bundle) -> list[Governed]:
    """Every PolicyTest of a bundle."""
    return [d for d in bundle.documents.values() if d.kind == "PolicyTest"]


def given(bundle: Bundle, test: Governed, now: str) -> Facts:
    """The facts a test describes; what it leaves out is the least that a call has. `now` is for tests that name no day."""
    said = test.spec["given"]
    tenant = bundle.documents.get(("Tenant", "", said["tenant"]))
    teams = tenant.spec["teams"] if tenant else []
    moment = said["now"] or now
    return Facts(
        now=moment if "T" in moment else f"{moment}T12:00:00.000Z",
        call=_CALL,
        tenant=said["tenant"],
        team=said["team"] or next(iter(teams), ""),
        key=KeyFacts(id=said["key"] or "test", labels=dict(said.get("keyLabels") or {})),
        route=said["route"],
        user=UserFacts(known=bool(said["user"]), ref=said["user"] or ""),
        request=_request(said["request"] or {}),
        run=_run(said.get("run") or {}),
        budgets=_budgets(said.get("budget") or {}),
        stops=tuple(
            StopFact(kind=stop["kind"], tenant=stop["tenant"] or "", name=stop["name"] or "")
            for stop in said.get("stops") or ()
        ),
    )


def _request(said: Mapping[str, Any]) -> RequestFacts:
    return RequestFacts(
        dialect=_DIALECT,
        data_classes=tuple(said.get("dataClasses") or ()),
        tools=tuple(said.get("tools") or ()),
        needs=tuple(said.get("needs") or ()),
        input_tokens_max=said.get("inputTokensMax") or 1,
        input_tokens_estimate=said.get("inputTokensMax") or 1,
        output_tokens_asked=said.get("outputTokensMax") or 0,
        stream=bool(said.get("stream")),
        language=said.get("language") or "",
        labels=dict(said.get("labels") or {}),
    )


def _run(said: Mapping[str, Any]) -> RunFacts:
    cost = said.get("cost") or "0.00"
    return RunFacts(calls=said.get("calls") or 0, cost=cost, seconds=said.get("seconds") or 0)


def _budgets(said: Mapping[str, Any]) -> tuple[BudgetFacts, ...]:
    """One budget, of which as much is used: conditions see no more than the share of the fullest."""
    if not said:
        return ()
    return (BudgetFacts(name="test", share_used_permille=int(Decimal(said["shareUsed"]) * 1000)),)


def broken(bundle: Bundle, test: Governed, now: str) -> list[str]:
    """What the decision misses of what a test expects; empty where it passes. Lists mean "contains", `modelsNever` "none of"."""
    return list(misses(test, decide(bundle, given(bundle, test, now))))


def misses(test: Governed, decision: Decision) -> Iterator[str]:
    """The same of a decision that was made."""
    expect = test.spec["expect"]
    if expect["effect"] and decision.effect != expect["effect"]:
        why = f": {decision.denial.message}" if decision.denial else ""
        yield f"expected {expect['effect']}, the decision is {decision.effect}{why}"
    planned = (
        [label((s.model_tenant, s.model)) for s in decision.plan.steps] if decision.plan else []
    )
    # a model of a tenant goes by its bare name too: that is all a document may say
    known = {*planned, *(name.rpartition("/")[2] for name in planned)}
    for name in expect["models"]:
        if name not in known:
            yield f'expected "{name}" in the plan, which has: {", ".join(planned) or "nothing"}'
    for name in expect["modelsNever"]:
        if name in known:
            yield f'"{name}" must never be in the plan, and is'
    names = [rule.name for rule in decision.determining]
    for name in expect["determiningRules"]:
        if name not in names:
            yield f'expected the rule "{name}" to determine it; these do: {", ".join(names) or "none"}'
