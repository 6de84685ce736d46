"""A budget that is raised by a dated Exception: for its own level only, and not a day longer, however long a call waited."""

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from policies.bundles.published import Governed, Published
from policies.documents.parse import parse_text
from policies.engine.bundle import Bundle
from policies.engine.check import check
from policies.engine.compile import compile_bundle
from policies.engine.decide import decide
from policies.engine.decision import BudgetClaim
from policies.engine.lifting import on_day
from routing.ui import budget as page
from tests.policies.engine.small import (
    EVERYONE,
    PARTS,
    budget,
    bundle,
    call,
    document,
    model,
    route,
    steps,
)
from tests.routing import walking

ONE = 1_000_000_000
WORLD = (EVERYONE, model("m"), route("r", "m"), budget("b"), budget("c"))


def raising(name: str, by: str, until: str, of: str = "b", tenant: str = "") -> str:
    spec = {"budget": of, "raiseBy": by, "reason": "a storm", "expiresOn": until}
    return document("Exception", name, spec, tenant)


STORM = bundle(*WORLD, raising("x", "2", "2026-11-25"), raising("y", "0.5", "2026-11-26"))


def limits(claims: Sequence[BudgetClaim]) -> dict[str, int]:
    return {claim.budget: claim.limit_nano for claim in claims}


@pytest.mark.parametrize(
    ("day", "limit"),
    [
        ("2026-11-24", 3_500_000_000),
        ("2026-11-25", 3_500_000_000),
        ("2026-11-26", 1_500_000_000),
        ("2026-11-27", ONE),
    ],
)
def test_what_was_decided_earlier_has_the_limits_of_the_day(day: str, limit: int) -> None:
    decision = decide(STORM, call())
    claims = steps(decision)[0].budgets
    assert limits(claims) == {"b": 3_500_000_000, "c": ONE}
    found = on_day(claims, decision.lifted, STORM.scope("a").exceptions, day)
    assert limits(found) == {"b": limit, "c": ONE}
    assert [claim.subject for claim in found] == [claim.subject for claim in claims]


@pytest.mark.parametrize(
    ("decided", "clock_day", "limit"),
    [("2026-11-22", "2026-11-24", ONE), ("2026-11-22", "2026-11-23", 3 * ONE)],
)
async def test_a_call_that_waited_longer_than_the_raise_is_held_to_the_limit_of_today(
    decided: str, clock_day: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's clock says 24 November; the raise ends with the day before, or with that day."""
    until = "2026-11-23" if clock_day == "2026-11-24" else "2026-11-24"
    seen: list[dict[str, int]] = []

    async def claimed(_self: object, claims: Sequence[BudgetClaim], *_: object) -> tuple[()]:
        seen.append(limits(claims))
        return ()

    monkeypatch.setattr(walking.Free, "claims_to_windows", claimed)
    of = bundle(*WORLD, raising("x", "2", until))
    found = await walking.walk(of, walking.request("hello"), now=f"{decided}T12:00:00.000Z")
    assert found.story[0] == "start m"
    assert seen == [{"b": limit, "c": ONE}]


def test_a_tenants_exception_raises_nothing_of_the_organisation_even_unchecked() -> None:
    # a whole that was not checked: the guard stands in the decision too
    decision = decide(unchecked(raising("more", "9", "2026-12-31", tenant="a")), call())
    assert limits(steps(decision)[0].budgets) == {"b": ONE, "c": ONE}
    assert decision.lifted == ()
    own = budget("b", "a")
    decision = decide(unchecked(own, raising("more", "9", "2026-12-31", tenant="a")), call())
    found = [(claim.tenant, claim.limit_nano) for claim in steps(decision)[0].budgets]
    assert sorted(found) == [("", ONE), ("", ONE), ("a", 10 * ONE)]


def unchecked(*documents: str) -> Bundle:
    parts: list[Any] = [*PARTS.values(), *WORLD, *documents]
    found = parse_text("\n---\n".join(parts) + "\n", "small.yaml")
    return compile_bundle(1, found, check(found))


def governed(name: str, tenant: str, by: str, until: str) -> Governed:
    spec = {"budget": "month", "raiseBy": by, "reason": "a storm", "expiresOn": until}
    return Governed("Exception", tenant, name, {"name": name, "tenant": tenant}, spec)


def test_the_page_lists_the_raises_in_force_of_that_budget_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The organisation has a budget of the same name, and a raise of it is none of the tenant's."""
    monkeypatch.setattr(page, "moment", lambda: datetime(2026, 11, 24, 12, tzinfo=UTC))
    spec = {"currency": "EUR", "timeZone": "UTC"}
    documents = (
        Governed("Organisation", "", "acme", {"name": "acme"}, spec),
        governed("own", "a", "2.50", "2026-11-24"),
        governed("over", "a", "9", "2026-11-23"),
        governed("theirs", "b", "9", "2026-12-31"),
        governed("wide", "", "1000", "2026-12-31"),
    )
    found = Published(
        1, "ab" * 32, 1, "cli:test", flagged=False, published_at=None, documents=documents
    )
    for tenant, expected in (("a", [("own", "€2.50")]), ("", [("wide", "€1,000.00")])):
        balance: Any = SimpleNamespace(tenant=tenant, name="month")
        assert [(one.name, one.by) for one in page._raises(found, balance)] == expected
