"""A tool that an answer asks for although its call did not offer it: such an answer is none. Pure.

Only where rules have a say about tools; elsewhere an answer is passed on as it came.
"""

from dataclasses import dataclass, field

from policies.engine.bundle import TenantScope
from policies.engine.decision import Obligations
from routing.dialects import tool_calls
from routing.dialects.tool_calls import Arriving
from routing.exchange import Outline, UnreadableAnswer


@dataclass(slots=True)
class Uninvited:
    """What one attempt was offered, and the tools that nobody may name unasked. A stream is read as it comes."""

    offered: frozenset[str]
    barred: frozenset[str]
    """Those that the policy takes away, and those that are never without a person."""
    _arriving: Arriving = field(default_factory=Arriving)

    def in_body(self, body: bytes) -> bool:
        """Whether a plain answer asks for one; what cannot be read might."""
        try:
            return any(self._is(wanted.name) for wanted in tool_calls.of_body(body))
        except UnreadableAnswer:
            return True

    def in_piece(self, data: bytes) -> bool:
        """The same of a stream, piece by piece."""
        try:
            return any(self._is(name) for name in self._arriving.names(data))
        except UnreadableAnswer:
            return True

    def _is(self, name: str) -> bool:
        return not self.offered or name in self.barred


def watch(scope: TenantScope, owed: Obligations, sent: Outline) -> Uninvited | None:
    """What to look for in the answer to a request; None where no rule has a say about tools, or about none but those offered."""
    ruled = scope.tool_rules or any(rule.on == "tool" for rule in scope.escalations)
    offered = frozenset(sent.tools)
    barred = frozenset((*scope.approvals, *owed.strip_tools)) - offered
    # INVARIANT: what the rules were never asked about goes to nobody, also where the model was offered nothing
    return Uninvited(offered, barred) if barred or (ruled and not offered) else None
