"""What approving, publishing and moving a change request refuse, each with a code of its own."""

from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest
from policies.bundles.publish import BaseMoved


class RulesMoved(BaseMoved):
    """The Organisation changed, and with it the rules that approvals were given under."""

    code = "rules_moved"


class FieldsClash(Conflict):
    """A rebase found fields that both sides changed. `details` name them."""

    code = "fields_clash"


class EditedMeanwhile(Conflict):
    """Somebody edited it between reading and writing."""

    code = "edited_meanwhile"


class StaleApproval(Conflict):
    """What was read is not what stands there now: another text, another base or another replay."""

    code = "approval_stale"


class SeenMissing(InvalidRequest):
    """A yes that does not say what it is to: the base, the text and the replay that were read."""

    code = "seen_missing"
    status = 428


class ReplayMissing(Conflict):
    """The base bundle wants a replay of what it would have changed, and there is none."""

    code = "replay_missing"


class ReplayStale(Conflict):
    """The replay is of another base or another text."""

    code = "replay_stale"


class WrongState(Conflict):
    """It is not in a state in which this can be done."""

    code = "wrong_state"


class TooEarly(Conflict):
    """It was approved for a time that has not come."""

    code = "too_early"


class PublishedAlready(WrongState):
    """Somebody else published it first."""

    code = "already_published"


class OwnChange(Forbidden):
    """In four-eyes nobody approves what they wrote or last edited."""

    code = "own_change"


class RoleMissing(Forbidden):
    """Nothing that it needs is approved by a role that this person holds there."""

    code = "role_missing"


class RoleRemoved(Forbidden):
    """The role was held when the request began, and is held no more."""

    code = "role_removed"


class NoMember(Forbidden):
    """In four-eyes members approve."""

    code = "not_a_member"


class ApprovedAlready(Forbidden):
    """One person is one approval."""

    code = "approved_already"


class ApprovalsMissing(Forbidden):
    """It still needs people."""

    code = "approvals_missing"


class OrganisationNeedsTwo(ApprovalsMissing):
    """The Organisation takes two others, whatever it says of itself."""

    code = "organisation_needs_two"


class NotForGlass(Forbidden):
    """One person alone may only tighten, or go back to what others approved."""

    code = "not_for_break_glass"


class OwnGlass(Forbidden):
    """Who broke the glass does not review it."""

    code = "own_break_glass"
