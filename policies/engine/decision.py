"""What a decision says. Every type here is part of its canonical bytes; a change of any raises `ENGINE`."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from policies.engine.prices import PriceRef, written

ENGINE: Final = 1
"""Changes when the bytes of any decision would."""

Effect = Literal["permit", "deny", "escalate"]
OnExhausted = Literal["clamp", "downgrade", "deny", "escalate"]
OnFailure = Literal["repair", "next", "escalate", "reject"]

BUILT_IN: Final = "builtIn"
"""The `kind` of a rule that is built in; its name is one of those below."""
NO_PERMIT: Final = "no-permit"


class Part(msgspec.Struct, frozen=True, rename="camel", kw_only=True, gc=False):
    """The base of every part of a decision: values alone, never a circle, so that the collector need not look."""


class RuleRef(Part, frozen=True, kw_only=True):
    """A rule that counted: a Permission with the line that decided, or a built-in (`kind` builtIn, `line` 0).

    `line` is counted in the text the document was read from; `error` says what went wrong where the condition failed.
    """

    kind: str
    tenant: str
    name: str
    line: int = 0
    error: str = ""


class Dropped(Part, frozen=True, kw_only=True):
    """A model that is not in the plan, one entry for each rule against it. `message` is for people."""

    model: str
    rule: RuleRef
    message: str


class BudgetClaim(Part, frozen=True, kw_only=True):
    """One budget window a call draws on. `subject` tells the windows of an `each` apart; `rank` orders locks, narrow to wide."""

    budget: str
    tenant: str
    subject: str
    period: str
    time_zone: str
    fiscal_starts_on: str
    limit_nano: int
    hard: bool
    on_exhausted: OnExhausted
    rank: int


class Candidate(Part, frozen=True, kw_only=True):
    """One model the call may go to, and what it may cost at most.

    `amount_nano` is `fixed_nano` (all input at the dearest input price) plus `max_output_tokens` × n at
    `output_nano_per_million`, each rounded up. `min_amount_nano` is the least that is worth reserving: the same
    with MIN_OUTPUT_TOKENS.
    """

    model: str
    model_tenant: str
    provider: str
    provider_tenant: str
    provider_type: str
    upstream_name: str
    max_output_tokens: int
    input_tokens_max: int
    fixed_nano: int
    output_nano_per_million: str
    amount_nano: int
    min_amount_nano: int
    price: PriceRef
    budgets: tuple[BudgetClaim, ...]

    @property
    def rest_key(self) -> str:
        """What `rest_of` of the same model on the same day depends on: what its answers cost, and any batch factor."""
        text = self.output_nano_per_million
        return f"{text} {self.price.batch_factor}" if self.price.asked else text


class Retry(Part, frozen=True, kw_only=True):
    """Attempts at one model in all, the error classes that are tried again, and the pause between them (a decimal)."""

    attempts: int
    on: tuple[str, ...]
    backoff: str = msgspec.field(name="backoffSeconds")

    @property
    def backoff_seconds(self) -> float:
        """The pause as a number, for a timer."""
        return float(self.backoff)


class Tier(Part, frozen=True, kw_only=True):
    """Steps of the plan, by their place in it, that are alternates in order. `conditional`: an answer must be accepted."""

    steps: tuple[int, ...]
    conditional: bool = False


class Checks(Part, frozen=True, kw_only=True):
    """What an answer must pass before the caller sees a byte of it; documents are named as `name` or `tenant/name`.

    `samples` attempts of a tier are compared where `method` is agreement. `escalations` are the rules that may hold this
    call's answer, `otherwise` the queue for what no tier answered, `hold` the queue that an obligation names. `tools` are
    the documents (`Permission claims/no-payments`) that may have a say about a tool that an answer asks for.
    """

    tiers: tuple[Tier, ...]
    method: str = ""
    samples: int = 1
    validators: tuple[str, ...] = ()
    escalations: tuple[str, ...] = ()
    otherwise: str = ""
    hold: str = ""
    tools: tuple[str, ...] = ()


class Plan(Part, frozen=True, kw_only=True):
    """The ordered steps a permitted call may take; `fallback_on` are the error classes after which the next step is taken.

    `checks` is None where the answer goes to the caller as it comes.
    """

    strategy: str
    steps: tuple[Candidate, ...]
    retry: Retry
    fallback_on: tuple[str, ...]
    checks: Checks | None = None


class Obligations(Part, frozen=True, kw_only=True):
    """What the executor must do. `max_output_tokens` 0 and an empty `hold` mean none.

    `redact` names what is taken out of the request before it goes upstream, `redact_answers` out of what comes back.
    """

    max_output_tokens: int = 0
    redact: tuple[str, ...] = ()
    strip_tools: tuple[str, ...] = ()
    hold: str = ""
    redact_answers: tuple[str, ...] = ()


class Hold(Part, frozen=True, kw_only=True):
    """A person must decide: at which queue, because of which rules, and in words without content."""

    queue: str
    queue_tenant: str
    rules: tuple[RuleRef, ...]
    message: str


class Lifted(Part, frozen=True, kw_only=True):
    """What an Exception changed: the soft forbid it lifted (for a model, where it is about one), or the budget it raised."""

    exception: str
    exception_tenant: str
    rule: RuleRef
    model: str = ""
    raise_nano: int = 0


class Denial(Part, frozen=True, kw_only=True):
    """Why not, in words, and whom to ask. `code` is stable."""

    code: str
    message: str
    rules: tuple[str, ...]
    owner: str


class Decision(Part, frozen=True, kw_only=True):
    """The answer. `plan` is None exactly where the effect is deny, which is where `denial` says why.

    Where the effect is escalate, `hold` says who must look before any model is asked; the plan is what runs once a person
    has let the call go on. `lifted` are the exceptions that counted.
    `determining` names the rules that made it so, `advisories` the advisory forbids that matched, `errors` every
    rule whose condition failed, `warnings` sunsets to come. `digest` is SHA-256 of `encode`, which leaves out
    `revision` and itself: the same documents published again decide the same bytes.
    """

    effect: Effect
    determining: tuple[RuleRef, ...]
    plan: Plan | None = None
    obligations: Obligations = Obligations()
    dropped: tuple[Dropped, ...] = ()
    denial: Denial | None = None
    advisories: tuple[RuleRef, ...] = ()
    errors: tuple[RuleRef, ...] = ()
    warnings: tuple[str, ...] = ()
    hold: Hold | None = None
    lifted: tuple[Lifted, ...] = ()
    revision: int
    bundle: str
    digest: bytes = b""


_encoder = msgspec.json.Encoder()


def encode(decision: Decision, rests: Sequence[bytes] = ()) -> bytes:
    """Canonical JSON (RFC 8785): amounts in nano units are decimal strings, since JSON's numbers end at 2^53.

    `rests` are the ends of the steps (`rest_of`) where somebody has them at hand.
    """
    # INVARIANT: every mapping here and below is written in the order of its keys; they are ASCII and no value is a float,
    # so that this is RFC 8785's order. Sorting them for each decision took as long as deciding.
    whole: dict[str, object] = {
        "advisories": list(map(_ref, decision.advisories)),
        "bundle": decision.bundle,
        "denial": decision.denial and _denial(decision.denial),
        "determining": list(map(_ref, decision.determining)),
        "dropped": list(map(_dropped, decision.dropped)),
        "effect": decision.effect,
        "engine": ENGINE,
        "errors": list(map(_ref, decision.errors)),
    }
    # what came later is written only where it says something: older decisions keep their bytes
    if decision.hold:
        whole["hold"] = _hold(decision.hold)
    if decision.lifted:
        whole["lifted"] = [_lifted(one) for one in decision.lifted]
    owed = decision.obligations
    answers = {"redactAnswers": owed.redact_answers} if owed.redact_answers else {}
    whole["obligations"] = {
        "hold": owed.hold,
        "maxOutputTokens": owed.max_output_tokens,
        "redact": owed.redact,
        **answers,
        "stripTools": owed.strip_tools,
    }
    whole["plan"] = decision.plan and _plan(decision.plan, rests)
    whole["warnings"] = decision.warnings
    return _encoder.encode(whole)


def _ref(ref: RuleRef) -> dict[str, object]:
    return {
        "error": ref.error,
        "kind": ref.kind,
        "line": ref.line,
        "name": ref.name,
        "tenant": ref.tenant,
    }


def _denial(denial: Denial) -> dict[str, object]:
    return {
        "code": denial.code,
        "message": denial.message,
        "owner": denial.owner,
        "rules": denial.rules,
    }


def _dropped(one: Dropped) -> dict[str, object]:
    return {"message": one.message, "model": one.model, "rule": _ref(one.rule)}


def _hold(hold: Hold) -> dict[str, object]:
    return {
        "message": hold.message,
        "queue": hold.queue,
        "queueTenant": hold.queue_tenant,
        "rules": list(map(_ref, hold.rules)),
    }


def _plan(plan: Plan, rests: Sequence[bytes]) -> dict[str, object]:
    retry, steps = plan.retry, plan.steps
    checks = {"checks": _checks(plan.checks)} if plan.checks else {}
    return checks | {
        "fallbackOn": plan.fallback_on,
        "retry": {"attempts": retry.attempts, "backoffSeconds": retry.backoff, "on": retry.on},
        "steps": _steps(steps, rests or [rest_of(step) for step in steps]),
        "strategy": plan.strategy,
    }


def _checks(checks: Checks) -> dict[str, object]:
    tools = {"tools": checks.tools} if checks.tools else {}
    return {
        "escalations": checks.escalations,
        "hold": checks.hold,
        "method": checks.method,
        "otherwise": checks.otherwise,
        "samples": checks.samples,
        "tiers": [{"conditional": t.conditional, "steps": t.steps} for t in checks.tiers],
        **tools,
        "validators": checks.validators,
    }


def _steps(steps: Sequence[Candidate], rests: Sequence[bytes]) -> list[msgspec.Raw]:
    found: list[msgspec.Raw] = []
    budgets: tuple[BudgetClaim, ...] = ()
    claims = b"[]"
    for step, rest in zip(steps, rests, strict=True):
        if step.budgets is not budgets:
            budgets = step.budgets
            claims = _encoder.encode([_claim(claim) for claim in budgets])
        text = (
            b'{"amountNano":"%d","budgets":%b,"fixedNano":"%d","inputTokensMax":%d,"maxOutputTokens":%d,"minAmountNano":"%d",%b'
        ) % (
            step.amount_nano, claims, step.fixed_nano, step.input_tokens_max, step.max_output_tokens, step.min_amount_nano, rest,
        )  # fmt: skip
        found.append(msgspec.Raw(text))
    return found


def rest_of(step: Candidate) -> bytes:
    """The members of a step from `model` on: the same for every call to a model at a price."""
    return _encoder.encode(
        {
            "model": step.model,
            "modelTenant": step.model_tenant,
            "outputNanoPerMillion": step.output_nano_per_million,
            "price": written(step.price),
            "provider": step.provider,
            "providerTenant": step.provider_tenant,
            "providerType": step.provider_type,
            "upstreamName": step.upstream_name,
        }
    ).removeprefix(b"{")


def _lifted(one: Lifted) -> dict[str, object]:
    return {
        "exception": one.exception,
        "exceptionTenant": one.exception_tenant,
        "model": one.model,
        "raiseNano": str(one.raise_nano),
        "rule": _ref(one.rule),
    }


def _claim(claim: BudgetClaim) -> dict[str, object]:
    return {
        "budget": claim.budget,
        "fiscalStartsOn": claim.fiscal_starts_on,
        "hard": claim.hard,
        "limitNano": str(claim.limit_nano),
        "onExhausted": claim.on_exhausted,
        "period": claim.period,
        "rank": claim.rank,
        "subject": claim.subject,
        "tenant": claim.tenant,
        "timeZone": claim.time_zone,
    }
