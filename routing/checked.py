"""A call whose answer is checked: the walk through its tiers, with the door to models and the judge in hand."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass

from policies.engine.checking import may_hold_failure
from policies.engine.decide import deliberate
from policies.engine.decision import Candidate, Plan
from policies.engine.weigh import Weighed
from routing.attempts import Door, Ended
from routing.case import Case
from routing.dialects import dialect
from routing.dialects.redacted import CODE, NotRedactable, of_answer, of_body, of_request
from routing.exchange import UnreadableAnswer
from routing.judge import Judge
from routing.ledger.headroom import model_label
from routing.reviews import drafts
from routing.strategies import cascade
from routing.tried import Repair, Tried
from routing.validation.judged import Judged, Place
from routing.validation.repair import repaired


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a checked walk ended: what was weighed last, and the answer that it was about, where there was one."""

    weighed: Weighed
    chosen: Tried | None


async def walk(case: Case, door: Door, plan: Plan) -> Verdict | None:
    """Walk the tiers of a plan. None where a model's failure is how the call ends. Raises what the door raises."""
    steps = _Walk(case, door, door.fresh(plan))
    judged = await cascade.run(plan, steps)
    return Verdict(judged.weighed, steps.chosen) if judged else None


async def redact(case: Case, tried: Tried) -> bool:
    """Take out of an answer what must go before anybody sees it. False where that cannot be done: then nobody does.

    A streamed answer is written anew: its text and its calls of tools, and nothing that we do not read.
    """
    names = case.decision.obligations.redact_answers
    if not names:
        return True
    try:
        tried.body, case.redacted_answer = await asyncio.to_thread(_without, case, tried, names)
    except (NotRedactable, UnreadableAnswer):
        return False
    return True


def _without(case: Case, tried: Tried, names: tuple[str, ...]) -> tuple[bytes, Mapping[str, int]]:
    if not case.row.stream:
        return of_body(tried.body, names)
    speaks = dialect(case.row.dialect)
    answer = drafts.streamed(speaks, tried.body)
    if answer is None:
        raise UnreadableAnswer("the stream cannot be read back", error_class="server_error")
    said, counts = of_answer(answer, names)
    return drafts.as_stream(speaks, said, case.request, case.row.call), counts


class _Walk:
    """See `cascade.Walk`. `chosen` is the answer that was judged last."""

    def __init__(self, case: Case, door: Door, fresh: frozenset[str]) -> None:
        self._case, self._door, self._fresh = case, door, fresh
        self._judge = Judge(case)
        self.chosen: Tried | None = None

    def pause(self, seconds: float) -> Awaitable[object]:
        """Let seconds pass between two attempts."""
        return self._door.pause(seconds)

    def may(self, candidate: Candidate) -> bool:
        """Whether the candidate is still to be tried."""
        return model_label(candidate) in self._fresh

    async def attempt(self, candidate: Candidate, repair: Judged | None) -> Tried:
        """One attempt; with a judgement, the one that puts right what it misses."""
        return await self._door.attempt(candidate, self._repair(repair) if repair else None)

    async def judge(self, place: Place, given: Sequence[Tried]) -> Judged:
        """Weigh the answers of one tier, and record it."""
        judged = await self._judge.judge(place, given)
        self.chosen = given[judged.chosen] if judged.chosen >= 0 else None
        return judged

    async def failed(self, place: Place, error_class: str) -> Judged:
        """Weigh a last tier that gave no answer."""
        self.chosen = None
        return await self._judge.failed(place, error_class)

    def may_hold_failure(self) -> bool:
        """Whether some rule could give a failure to a person."""
        view = deliberate(self._case.bundle, self._case.facts).view
        return view is not None and bool(may_hold_failure(view))

    def _repair(self, judged: Judged) -> Repair:
        request = self._case.outgoing
        again = repaired(dialect(request.dialect), request, judged.text, judged.problems)
        # what a model said of itself is redacted as what the caller said
        try:
            sent = of_request(again, self._case.decision.obligations.redact).request
        except NotRedactable:
            raise Ended(CODE) from None
        # no tokenizer makes more tokens than bytes
        return Repair(sent, max(0, len(sent.raw) - len(request.raw)))
