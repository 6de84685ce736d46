"""The judgement of one answer: measure it, weigh it by the policy, record what was weighed, and only then act.

1. read what the answers say; with several samples, the one that most agree with
2. validators, and how sure the answer is
3. weigh: a pure function of bundle, facts and answer    (policies/engine/weigh.py)
4. one commit: the decision record of stage `response` or `failure`, the answer sealed beside it
5. each tool that an answer asks for which somebody shall see: the same at stage `tool`    (policies/engine/tool_stage.py)
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from policies.engine.answer import Output, output_of
from policies.engine.decide import deliberate
from policies.engine.tool_stage import ToolFacts
from policies.engine.weigh import AnswerFacts, Checked, Weighed, encode_facts, weigh
from routing.calls import answers, commands, steps
from routing.case import Case, Dropped
from routing.dialects import dialect, tool_calls
from routing.dialects.tool_calls import Wanted
from routing.exchange import UnreadableAnswer
from routing.ledger.headroom import model_label
from routing.validation import confidence
from routing.validation.judged import Answer, Judged, Place
from routing.validation.registry import Result, results
from routing.validation.said import Said, read

UNREADABLE = "server_error"


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the answers of one call."""

    case: Case

    async def judge(self, place: Place, given: Sequence[Answer]) -> Judged:
        """Weigh the answers of one tier as one. Raises Dropped where the call is another's now."""
        try:
            said = [self._read(one) for one in given]
            chosen, found = self._measured(said, given)
            wanted = self._wanted(given[chosen])
        except UnreadableAnswer:
            return await self.failed(place, UNREADABLE)
        tokens = given[chosen].usage
        facts = AnswerFacts(
            of=self.case.decision.digest.hex(),
            tier=place.tier,
            last=place.last,
            attempts=self.case.attempts,
            repairs=place.repairs,
            finish_reason=said[chosen].finish,
            tokens=tokens.output if tokens else 0,
            method=self._method,
            confidence=found.confidence,
            validators=tuple(
                Checked(validator=one.validator, passed=not one.problem) for one in found.results
            ),
            output=self.case.keys.commit("output", said[chosen].text.encode()),
        )
        weighed = await self._record(facts, said[chosen].output())
        if weighed.action in ("accept", "escalate"):
            weighed = await self._tools(
                weighed, facts, model_label(given[chosen].candidate), wanted
            )
        problems = tuple(one.problem for one in found.results if one.problem)
        return Judged(weighed, chosen, said[chosen].text, problems)

    async def _tools(
        self, answer: Weighed, facts: AnswerFacts, model: str, wanted: Sequence[Wanted]
    ) -> Weighed:
        """Weigh every tool that the answer asks for; what decides about the answer then.

        INVARIANT: what is forbidden is shown to nobody, also to no reviewer. Else the first that asks for a person has the
        queue, the answer's own rules before those of its tools.
        """
        found = answer
        for number, one in enumerate(wanted):
            text = one.text()
            tool = ToolFacts(number=number, model=model, name=self._known(one.name))
            commits = self.case.keys.commit("tool", text.encode())
            weighed = await self._record(replace(facts, tool=tool, output=commits), output_of(text))
            if weighed.action == "reject" or found.action == "reject":
                found = found if found.action == "reject" else weighed
            elif weighed.hold is not None:
                found = _held_too(found, weighed)
        return found

    def _known(self, name: str) -> str:
        """The name of a tool where a document has it: any other is a word of the caller's."""
        return name if self.case.bundle.find("Tool", self.case.row.tenant, name) else ""

    def _wanted(self, answer: Answer) -> tuple[Wanted, ...]:
        """The tools that it asks for, where some rule may have a say about them."""
        checks = self.case.checks
        if checks is None or not checks.tools:
            return ()
        read_tools = tool_calls.of_stream if self.case.row.stream else tool_calls.of_body
        return read_tools(answer.body)

    async def failed(self, place: Place, error_class: str) -> Judged:
        """Weigh a tier that gave no answer."""
        facts = AnswerFacts(
            of=self.case.decision.digest.hex(),
            tier=place.tier,
            last=place.last,
            attempts=self.case.attempts,
            repairs=place.repairs,
            error_class=error_class,
            method=self._method,
        )
        return Judged(await self._record(facts, Output()))

    @property
    def _method(self) -> str:
        plan = self.case.decision.plan
        return plan.checks.method if plan and plan.checks else ""

    def _read(self, answer: Answer) -> Said:
        row = self.case.row
        return read(dialect(row.dialect), answer.body, stream=row.stream)

    def _measured(self, said: Sequence[Said], given: Sequence[Answer]) -> tuple[int, "_Measured"]:
        plan = self.case.decision.plan
        if plan is None or plan.checks is None:
            raise Dropped
        checks, chosen, sure = plan.checks, 0, ""
        if checks.method == "agreement":
            chosen, sure = confidence.by_agreement(said, checks.samples)
        elif checks.method == "logprob":
            sure = confidence.by_logprob(given[0].logprobs)
        view = deliberate(self.case.bundle, self.case.facts).view
        call = view.environment if view else ()
        found = results(self.case.bundle, checks.validators, said[chosen], call)
        if checks.method == "validators":
            sure = confidence.by_validators(found)
        return chosen, _Measured(sure, found)

    async def _record(self, facts: AnswerFacts, output: Output) -> Weighed:
        """INVARIANT: what was weighed is committed before anything is done about it."""
        case = self.case
        weighed = weigh(case.bundle, case.facts, facts, output)
        number = case.decision_no + 1
        sealed = case.keys.seal("weighed", output.text.encode(), number)
        weighing = steps.Weighing(
            call=case.row.call,
            worker=case.worker.lease.worker,
            revision=case.bundle.revision,
            decision=steps.Decided(
                number, weighed.effect, weighed.digest, encode_facts(facts), weighed.stage
            ),
            said=steps.Sealed(
                "weighed", sealed.tenant_key, sealed.subject_key, sealed.nonce, sealed.ciphertext, number,
            ),
        )  # fmt: skip
        patience = max(2.0, case.deadline - asyncio.get_running_loop().time())
        answer = await commands.record_weighing(case.worker.db, weighing, patience_seconds=patience)
        if isinstance(answer, answers.Moved):
            raise Dropped
        case.decision_no = number
        return weighed


def _held_too(found: Weighed, more: Weighed) -> Weighed:
    """Two that may both ask for a person: the queue of the first, the rules of both."""
    if found.hold is None or more.hold is None:
        return more
    rules = tuple(dict.fromkeys((*found.hold.rules, *more.hold.rules)))
    return replace(found, hold=replace(found.hold, rules=rules))


@dataclass(frozen=True, slots=True)
class _Measured:
    confidence: str
    results: list[Result]
