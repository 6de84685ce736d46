"""A recorded call as a PolicyTest, in a change request of its own."""

from dataclasses import dataclass
from uuid import UUID

from controlplane.kernel.errors import Conflict
from controlplane.kernel.ids import call_name
from controlplane.kernel.principal import Principal
from policies.analysis.drafting import Drafted, drafted
from policies.bundles.snapshot import bundle_at
from policies.changes import access
from policies.changes.commands import NewChange, draft, put_text
from policies.changes.models import ChangeRequest
from policies.changes.seen import ANYTHING
from policies.decisions.models import Decision
from policies.engine.decide import decide
from policies.engine.facts import decode


@dataclass(frozen=True, slots=True)
class Supposed:
    """The draft, and what of the call does not stand in it."""

    change: ChangeRequest
    test: Drafted


def suppose(principal: Principal, call: UUID, tenant: str) -> Supposed:
    """Draft a test of a call that the caller has found to be visible: of its last decision before any model.

    Raises Forbidden or NotFound for who may not draft there, Conflict where the decision cannot be made again.
    """
    access.require_draft(principal, tenant)
    row = Decision.objects.filter(call=call, stage="request", tenant=tenant).order_by("-no").first()
    if row is None:
        raise Conflict("nothing was decided about this call yet; ask again in a moment")
    facts = decode(bytes(row.facts))
    decision = decide(bundle_at(row.revision), facts)
    if decision.digest != bytes(row.digest):
        raise Conflict("its decision cannot be made again as it was recorded; look at its page")
    test = drafted(facts, decision)
    wanted = NewChange(title=f"A test of {call_name(call)}", reason=_reason(test), tenant=tenant)
    change = draft(principal, wanted)
    put_text(principal, change.id, ("PolicyTest", tenant, test.name), test.text, ANYTHING)
    change.refresh_from_db()
    return Supposed(change, test)


def _reason(test: Drafted) -> str:
    if not test.left_out:
        return "Made of a recorded call. Everything that was decided on stands in it."
    return "Made of a recorded call. Not in it:\n" + "\n".join(f"- {one}" for one in test.left_out)
