"""How the answers of a call were weighed: made again from the records, the bundles, and what lies sealed beside them.

What an answer said is read to weigh it again and shown to nobody: also not where a condition failed over a part of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from controlplane.kernel.errors import MandateError
from policies.bundles.snapshot import bundle_at
from policies.decisions.models import Decision as Record
from policies.engine.answer import output_of
from policies.engine.explain import Considering
from policies.engine.facts import decode
from policies.engine.telling import without_quotes
from policies.engine.tool_stage import ToolFacts
from policies.engine.tool_trace import trace_tool
from policies.engine.weigh import AnswerFacts, Weighed, decode_facts, weigh
from routing.reports.content import weighed_text

STAGES = ("response", "tool", "failure")
_GONE = "what this answer said is gone: it cannot be weighed again"
_OF_TOOL: Mapping[str, str] = {
    "accept": "tool allowed",
    "reject": "tool forbidden, the answer is shown to nobody",
    "escalate": "a person must decide about a tool",
}
_WORDS: Mapping[str, str] = {
    "accept": "accepted",
    "next": "not accepted, on to the next",
    "repair": "not accepted, asked again",
    "reject": "not accepted, shown to nobody",
    "escalate": "a person must decide",
}


@dataclass(frozen=True, slots=True)
class Weighing:
    """One weighing, made again. `error` says why it could not be, and then there is no `weighed`."""

    no: int
    stage: str
    revision: int
    digest: str
    facts: AnswerFacts | None
    weighed: Weighed | None
    error: str = ""
    rules: tuple[Considering, ...] = ()
    """At stage `tool` every rule that was held against it, with its atoms."""

    @property
    def identical(self) -> bool:
        """Whether it came out as recorded."""
        return self.weighed is not None and self.weighed.digest.hex() == self.digest

    @property
    def tool(self) -> ToolFacts | None:
        """The tool that it is about, at stage `tool`."""
        found = self.facts.tool if self.facts else msgspec.UNSET
        return None if found is msgspec.UNSET else found

    @property
    def result(self) -> str:
        """In words."""
        words = _OF_TOOL if self.tool else _WORDS
        return words[self.weighed.action] if self.weighed else self.error

    @property
    def because(self) -> str:
        """The rules with the line that decided."""
        refs = self.weighed.determining if self.weighed else ()
        return ", ".join(f"{r.name}, line {r.line}" if r.line else r.name for r in refs)

    @property
    def measured(self) -> str:
        """What was measured: `tier 1, agreement 0.666667, fails triage-schema`."""
        if self.facts is None:
            return ""
        if self.tool is not None:
            return f"{self.tool.model} asks for {self.tool.name or 'a tool that no document names'}"
        found = [f"tier {self.facts.tier + 1}"]
        if self.facts.error_class:
            found.append(self.facts.error_class.replace("_", " "))
        elif self.facts.method:
            found.append(f"{self.facts.method} {self.facts.confidence or 'unknown'}")
        failed = [one.validator for one in self.facts.validators if not one.passed]
        if failed:
            found.append(f"fails {', '.join(failed)}")
        if self.facts.repairs:
            found.append("after a repair")
        return ", ".join(found)


def weighings(records: Sequence[Record]) -> list[Weighing]:
    """Every weighing among the records of one call, in order."""
    calls = {bytes(r.digest).hex(): r for r in records if r.stage == "request"}
    return [_weighing(r, calls.get) for r in records if r.stage in STAGES]


def _weighing(record: Record, call_of: Callable[[str], Record | None]) -> Weighing:
    digest = bytes(record.digest).hex()

    def told(facts: AnswerFacts | None, weighed: Weighed | None, error: str = "") -> Weighing:
        return Weighing(record.no, record.stage, record.revision, digest, facts, weighed, error)

    try:
        facts = decode_facts(bytes(record.facts))
        call = call_of(facts.of)
        text = "" if facts.error_class else weighed_text(record.call, record.no)
        if call is None or text is None:
            return told(facts, None, _GONE)
        bundle, asked, output = (
            bundle_at(record.revision),
            decode(bytes(call.facts)),
            output_of(text),
        )
        found = told(facts, without_quotes(weigh(bundle, asked, facts, output)))
        if facts.tool is msgspec.UNSET:
            return found
        return replace(found, rules=trace_tool(bundle, asked, facts.tool, output))
    except MandateError as error:
        return told(None, None, error.message)
