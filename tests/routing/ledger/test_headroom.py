"""How a call is decided again when money is short: shorter, at a cheaper model, after a person's look, or not at all."""

from policies.engine.decision import BudgetClaim, Candidate
from policies.engine.prices import PriceRef
from routing.calls.answers import Left, NoHeadroom
from routing.calls.steps import WindowRef
from routing.ledger.headroom import Way, cheaper

PRICE = PriceRef(
    since="2026-01-01", currency="EUR", input="1", cached_input="1", cache_write="2", output="10", rate="1",
)  # fmt: skip


def claim(budget: str) -> BudgetClaim:
    return BudgetClaim(
        budget=budget, tenant="", subject="", period="day", time_zone="UTC", fiscal_starts_on="",
        limit_nano=1, hard=True, on_exhausted="deny", rank=0,
    )  # fmt: skip


def candidate(name: str, amount: int, *budgets: str, tokens: int = 1000) -> Candidate:
    return Candidate(
        model=name,
        model_tenant="",
        provider="p",
        provider_tenant="",
        provider_type="sandbox",
        upstream_name=name,
        max_output_tokens=tokens,
        input_tokens_max=10,
        fixed_nano=1_000,
        output_nano_per_million="10000000000",
        amount_nano=amount,
        min_amount_nano=1,
        price=PRICE,
        budgets=tuple(map(claim, budgets)),
    )


def refused(amount: int, **left: tuple[int, str]) -> NoHeadroom:
    windows = [
        Left(WindowRef(n, 0, hard=True, budget=name, on_exhausted=wanted), nano)
        for n, (name, (nano, wanted)) in enumerate(left.items())
    ]
    return NoHeadroom(tuple(windows), amount)


def test_downgrade_leaves_out_what_costs_no_less() -> None:
    steps = [candidate("large", 900), candidate("twin", 900), candidate("small", 90)]
    short = refused(900, b=(500, "downgrade"))
    assert cheaper(steps, 1, short) == Way(exclude=("large", "twin"))


def test_downgrade_skips_a_tier_that_the_same_budget_cannot_pay_either() -> None:
    steps = [candidate("large", 900, "b"), candidate("medium", 600, "b"), candidate("small", 90, "b")]  # fmt: skip
    short = refused(900, b=(500, "downgrade"))
    assert cheaper(steps, 1, short) == Way(exclude=("large", "medium"))


def test_downgrade_keeps_a_model_that_does_not_draw_on_the_budget() -> None:
    steps = [candidate("large", 900, "of-large"), candidate("medium", 600)]
    short = refused(900, **{"of-large": (0, "downgrade")})
    assert cheaper(steps, 1, short) == Way(exclude=("large",))


def test_with_no_cheaper_model_there_is_no_way() -> None:
    short = refused(900, b=(500, "downgrade"))
    assert cheaper([candidate("only", 900)], 1, short) is None
    assert cheaper([candidate("a", 900), candidate("b", 1000)], 1, short) is None


def test_escalate_names_the_budgets_that_ask_for_a_person() -> None:
    short = refused(900, a=(500, "escalate"), b=(1, "clamp"))
    assert cheaper([candidate("large", 900)], 1, short) == Way(exhausted=("a",))
    # one that denies is stricter
    short = refused(900, a=(500, "escalate"), b=(1, "deny"))
    assert cheaper([candidate("large", 900)], 1, short) is None


def test_clamp_buys_what_is_left_beside_the_input() -> None:
    # 1 % below 601,000 is 594,990; less 1,000 for the input, at 10,000 nano a token
    short = refused(10_001_000, b=(601_000, "clamp"))
    assert cheaper([candidate("m", 10_001_000)], 1, short) == Way(clamp=59)
    assert cheaper([candidate("m", 10_001_000)], 2, short) == Way(clamp=29)
    # fewer than 16 tokens are no answer
    short = refused(10_001_000, b=(160_000, "clamp"))
    assert cheaper([candidate("m", 10_001_000)], 1, short) is None
