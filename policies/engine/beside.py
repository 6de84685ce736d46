"""Shadow runs: which models a route asks beside, for which calls, and on what terms such a run is decided.

A shadow run is a call of its own whose answer nobody gets: one model, asked once. Nothing is held for it, checked or
tried again, and what would make a person look denies it.
"""

from collections.abc import Iterator
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import msgspec

from policies.engine.bundle import Bundle, Key, RouteView, label
from policies.engine.checking import before_models
from policies.engine.decision import Candidate, Plan, Retry, RuleRef
from policies.engine.deliberation import CallView, Deliberation, built_in
from policies.engine.facts import ShadowFacts

RULE: Final = "shadow"
ONCE: Final = Retry(attempts=1, on=(), backoff="0")
_DRAWS: Final = 2**64
_HUNDRED: Final = Decimal(100)


def share_of(percent: Any) -> int:  # noqa: ANN401  # a number as the document has it
    """How many of 2^64 draws a percentage is."""
    return int(Decimal(str(percent)) * _DRAWS / _HUNDRED)


def draw_beside(call: bytes) -> int:
    """The draw of a call for shadow runs: the second eight bytes of SHA-256 of its id, so that it says nothing of `draw`."""
    return int.from_bytes(sha256(call).digest()[8:16])


def asked_beside(route: RouteView, call: bytes) -> tuple[str, ...]:
    """The models that are asked beside this call, as facts name them; the same for ever."""
    if not route.beside or draw_beside(call) >= route.beside_share:
        return ()
    return tuple(label(key) for key in route.beside)


def beside_call(bundle: Bundle, tenant: str, route: str, call: UUID) -> tuple[str, ...]:
    """The same by the route's name, as one of the tenant's calls finds it."""
    view = bundle.routes.get((tenant, route)) or bundle.routes.get(("", route))
    return asked_beside(view, call.bytes) if view is not None else ()


def run_of(view: CallView) -> ShadowFacts | None:
    """What the call is a shadow run of; None for every other call."""
    shadow = view.facts.shadow
    return None if isinstance(shadow, msgspec.UnsetType) else shadow


def models_beside(view: CallView, shadow: ShadowFacts) -> list[Key]:
    """The one model that a shadow run may go to; none where the route does not ask it beside (any more)."""
    return [key for key in view.route.beside if label(key) == shadow.model]


def refusals(to: Deliberation, view: CallView) -> Iterator[tuple[RuleRef, str]]:
    """What stands against a shadow run itself, beyond what stands against any call; nothing for every other call."""
    shadow = run_of(view)
    if shadow is None:
        return
    if not models_beside(view, shadow):
        said = f'the route "{view.route.key[1]}" does not ask {shadow.model} beside'
        yield built_in(RULE), said
    hold = before_models(to, view)
    if hold is not None:
        # INVARIANT: nothing that asks a person: nobody waits for this answer
        yield built_in(RULE), f"a shadow run waits for nobody: {hold.message}"
    owed = to.obligations
    if owed.hold:
        said = f"its answer would wait for a person at {owed.hold}"
        yield built_in(RULE), f"a shadow run waits for nobody: {said}"
    if owed.redact_answers:
        named = ", ".join(owed.redact_answers)
        yield built_in(RULE), f"{named} must be taken out of its answer, which nobody checks"


def plan_beside(steps: tuple[Candidate, ...]) -> Plan:
    """One model, once; its answer goes to nobody, so that nothing is checked before it is kept."""
    return Plan(strategy="single", steps=steps, retry=ONCE, fallback_on=())
