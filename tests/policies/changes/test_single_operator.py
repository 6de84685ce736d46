"""One person may do all; each step is flagged; leaving takes two others who could approve."""

import pytest

from controlplane.kernel.errors import Conflict, Forbidden
from controlplane.kernel.principal import ORGANISATION as EVERYWHERE
from controlplane.kernel.principal import ROLES, Principal
from policies.bundles.models import Bundle
from policies.bundles.publish import Edits, publish
from policies.changes import publishing
from policies.documents.parse import parse_text
from policies.documents.problems import InvalidDocuments
from policies.identity.models import User
from policies.order.lock import control
from tests.policies.changes.world import FOUR_EYES, RULES, World, budget, force, opened
from tests.policies.people import entries
from tests.policies.texts import permission

pytestmark = pytest.mark.usefixtures("application_role")
OPERATOR = Principal(kind="cli", id="root", name="root", roles={EVERYWHERE: frozenset(ROLES)})


def test_one_person_drafts_approves_and_publishes_flagged(alone: World) -> None:
    row = opened(alone.cleo, permission("p", alone.tenant))
    assert row.state == "approval"
    done = publishing.approve(alone.cleo, row.id)
    assert (done.state, done.flagged) == ("published", True)
    assert Bundle.objects.get(pk=done.published_revision or 0).flagged is True
    flagged = {e["kind"]: e["data"].get("flagged") for e in entries(row.subject)}
    assert flagged["change.approved"] is True
    assert flagged["change.published"] is True
    *_, activated = entries(kind="bundle.activated")
    assert activated["data"]["flagged"] is True


def test_the_roles_of_each_kind_are_still_asked_for(alone: World) -> None:
    row = opened(alone.cleo, permission("p", alone.tenant), budget("b", alone.tenant))
    assert publishing.approve(alone.cleo, row.id).state == "approval"
    with pytest.raises(Forbidden, match="does not hold it"):
        publishing.approve(alone.ada, row.id)
    with pytest.raises(Forbidden, match="approved this already"):
        publishing.approve(alone.cleo, row.id)
    assert publishing.approve(alone.finn, row.id).state == "published"


def test_the_operator_of_the_machine_counts_for_one_person_with_every_role(alone: World) -> None:
    row = opened(OPERATOR, permission("p", alone.tenant), budget("b", alone.tenant))
    done = publishing.approve(OPERATOR, row.id)
    assert (done.state, done.flagged) == ("published", True)


def test_what_the_operator_approved_alone_counts_no_more_in_four_eyes(alone: World) -> None:
    row = opened(alone.cleo, permission("p", alone.tenant), budget("b", alone.tenant))
    publishing.approve(alone.cleo, row.id)
    force(FOUR_EYES + RULES)
    with pytest.raises(Conflict, match="rebase it first"):
        publishing.approve(alone.finn, row.id)
    with pytest.raises(
        Forbidden, match="still needs 1 more with the role finance for Budget, 1 more"
    ):
        publishing.publish_change(alone.cleo, row.id)


def test_publishing_without_a_change_request_is_flagged(alone: World) -> None:
    text = permission("p", alone.tenant)
    done = publish(Edits(actor="cli:root", origin="git", put=parse_text(text)))
    assert done.flagged is True


def test_leaving_takes_two_others_who_may_approve(alone: World) -> None:
    rules = FOUR_EYES + "  approvals: {default: {count: 1, roles: [approver]}}\n"
    before = control()
    User.objects.filter(email=alone.dora.id).update(is_active=False)
    row = opened(alone.cleo, rules)
    assert row.state == "checks"
    (failed,) = row.checks.filter(ok=False)
    ((*_, told),) = failed.problems
    assert told == (
        "four-eyes needs two other members who may approve a change of the Organisation; there are 0: "
        "invite them and grant them a role first"
    )
    with pytest.raises(Conflict, match="does not pass its checks"):
        publishing.approve(alone.cleo, row.id)
    with pytest.raises(InvalidDocuments, match="there is 1"):
        publish(Edits(actor="cli:root", origin="git", put=parse_text(rules)))
    assert control() == before
    User.objects.filter(email=alone.dora.id).update(is_active=True)
    alone.add("eve", "approver")
    force(*alone.grants())
    publishing.check(alone.cleo, row.id)
    done = publishing.approve(alone.cleo, row.id)
    assert (done.state, done.flagged) == ("published", True)
    with pytest.raises(Forbidden, match="four-eyes mode"):
        publish(Edits(actor="cli:root", origin="git", put=parse_text(permission("p"))))
