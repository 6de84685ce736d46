"""When money is short: how to decide again with what `onExhausted` of the refusing budgets allows. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from controlplane.kernel.money import MILLION
from policies.engine.decision import Candidate
from policies.engine.pricing import MIN_OUTPUT_TOKENS
from routing.calls.answers import NoHeadroom
from routing.ledger.reserve import after_refusal


@dataclass(frozen=True, slots=True)
class Way:
    """How to decide again: with at most `clamp` output tokens (0: as before), or without the `exclude`d models.

    Or with a person's look first: `exhausted` names the budgets that ask for one, as `name` or `tenant/name`.
    """

    clamp: int = 0
    exclude: tuple[str, ...] = ()
    exhausted: tuple[str, ...] = ()


def cheaper(candidates: Sequence[Candidate], choices: int, refused: NoHeadroom) -> Way | None:
    """The way that the refusing budgets allow, for a request of `choices` answers; None when there is none."""
    first, following = candidates[0], after_refusal(refused)
    match following.action:
        case "escalate":
            asking = (
                left.window for left in refused.binding if left.window.on_exhausted == "escalate"
            )
            return Way(
                exhausted=tuple(sorted(f"{w.tenant}/{w.budget}".lstrip("/") for w in asking))
            )
        case "downgrade":
            dear = _too_dear(candidates, refused)
            return Way(exclude=dear) if len(dear) < len(candidates) else None
        case "clamp":
            tokens = _tokens_for(first, choices, following.target_nano)
            return (
                Way(clamp=tokens) if MIN_OUTPUT_TOKENS <= tokens < first.max_output_tokens else None
            )
    return None


def _too_dear(candidates: Sequence[Candidate], refused: NoHeadroom) -> tuple[str, ...]:
    """The models that cost no less than the first one, and those that draw on an exhausted budget more than it has left."""
    first = candidates[0]
    left = {(one.window.tenant, one.window.budget): one.left_nano for one in refused.binding}
    return tuple(
        model_label(c)
        for c in candidates
        if c.amount_nano >= first.amount_nano
        or any(c.amount_nano > left.get((b.tenant, b.budget), c.amount_nano) for b in c.budgets)
    )


def model_label(candidate: Candidate) -> str:
    """How facts name its model: `name`, or `tenant/name`."""
    return (
        f"{candidate.model_tenant}/{candidate.model}" if candidate.model_tenant else candidate.model
    )


def _tokens_for(candidate: Candidate, choices: int, target_nano: int) -> int:
    """How many output tokens of each choice the money buys beside the input."""
    price = Decimal(candidate.output_nano_per_million)
    spendable = target_nano - candidate.fixed_nano
    if spendable <= 0 or price <= 0:
        return 0
    each = spendable * MILLION / price / choices
    return int(each.to_integral_value(rounding=ROUND_FLOOR))
