"""Invariant 8: only a published bundle decides, and nobody publishes alone what needs two."""

from collections.abc import Callable

import pytest

from controlplane.kernel.errors import Conflict, Forbidden, NotFound
from controlplane.kernel.principal import ORGANISATION as EVERYWHERE
from controlplane.kernel.principal import ROLES, Principal
from policies.bundles.models import Bundle, Document
from policies.bundles.publish import Edits, NeedsApproval, publish
from policies.bundles.read import published_documents
from policies.changes import commands, publishing, rebasing
from policies.changes.bound import Seen
from policies.changes.models import Approval, ChangeRequest
from policies.changes.seen import ANYTHING
from policies.documents.parse import parse_text
from policies.identity.models import User
from policies.order.lock import control
from tests.policies.changes.world import FOUR_EYES, RULES, World, budget, force, grant, opened
from tests.policies.people import entries
from tests.policies.texts import permission, tenant

pytestmark = pytest.mark.usefixtures("application_role")
OPERATOR = Principal(kind="cli", id="root", name="root", roles={EVERYWHERE: frozenset(ROLES)})


def state_of(row: ChangeRequest) -> tuple[str, int | None, int]:
    """State, published revision, standing approvals."""
    row.refresh_from_db()
    return row.state, row.published_revision, row.approvals.filter(dismissed_at=None).count()


def told_by(kind: type[Exception], attempt: Callable[[], object]) -> str:
    """What a refusal said; that there was none is a failed assertion, not an error."""
    try:
        attempt()
    except kind as error:
        return str(error)
    return "it was done"


def refused(kind: type[Exception], row: ChangeRequest, who: Principal, says: str) -> None:
    """`who` may not approve it, and nothing happened."""
    before = (control(), state_of(row), Bundle.objects.count(), len(entries(row.subject)))
    assert says in told_by(kind, lambda: publishing.approve(who, row.id))
    assert (control(), state_of(row), Bundle.objects.count(), len(entries(row.subject))) == before


def test_what_a_developer_wrote_is_published_by_an_approvers_yes(world: World) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    assert state_of(row) == ("approval", None, 0)
    before = control().revision
    assert not Document.objects.filter(tenant=world.tenant, name="p").exists()
    done = publishing.approve(world.cleo, row.id, reason="fine")
    assert state_of(done) == ("published", before + 1, 1)
    assert control().revision == before + 1
    document = Document.objects.get(tenant=world.tenant, name="p")
    assert (document.actor, document.revision, document.origin) == (
        world.cleo.actor,
        before + 1,
        "console",
    )
    assert Bundle.objects.get(pk=before + 1).flagged is False
    told = entries(row.subject)
    assert [(e["kind"], e["actor"]) for e in told] == [
        ("change.opened", world.tariq.actor),
        ("change.edited", world.tariq.actor),
        ("change.submitted", world.tariq.actor),
        ("change.checked", world.tariq.actor),
        ("change.approved", world.cleo.actor),
        ("change.published", world.cleo.actor),
    ]
    assert {e["tenant"] for e in told} == {world.tenant}
    *_, activated = entries(kind="bundle.activated")
    assert activated["data"]["change"] == row.id.hex
    assert told[-1]["data"]["bundle"] == activated["data"]["digest"]
    assert told[-1]["data"]["approvedBy"] == [world.cleo.actor]
    assert told[-2]["data"] == {
        "base": row.base,
        "digest": row.digest,
        "flagged": False,
        "reason": "fine",
        "replay": "",
        "roles": ["approver", "auditor", "author"],
    }


def test_nobody_approves_what_they_wrote(world: World) -> None:
    row = opened(world.cleo, permission("p", world.tenant), of=world.tenant)
    refused(Forbidden, row, world.cleo, "you wrote or last edited this")


def test_nobody_approves_what_they_last_edited(world: World) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    wanted = permission("p", world.tenant, "request.stream")
    commands.put_texts(world.cleo, row.id, wanted, row.digest)
    refused(Forbidden, row, world.cleo, "you wrote or last edited this")
    assert publishing.approve(world.dora, row.id).state == "published"


def test_who_edited_what_another_wrote_over_again_may_approve(world: World) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    commands.put_texts(world.cleo, row.id, permission("q", world.tenant))
    commands.remove_edit(world.tariq, row.id, ("Permission", world.tenant, "q"), ANYTHING)
    assert publishing.approve(world.cleo, row.id).state == "published"


def test_a_role_elsewhere_or_another_role_approves_nothing(world: World) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    refused(Forbidden, row, world.ada, "approved by the role approver; Ada does not hold it")
    refused(Forbidden, row, world.finn, "does not hold it")
    refused(NotFound, row, world.mallory, "there is no change request")
    refused(Forbidden, row, OPERATOR, "a member approves, not an account on the machine")
    key = Principal(
        kind="key", id="12345678", name="key", teams=frozenset({(world.tenant, "claims")})
    )
    refused(NotFound, row, key, "there is no change request")


def test_the_base_bundle_names_the_roles_not_the_principal_that_was_made_earlier(
    world: World,
) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    force(grant(world.dora.id, "auditor"))
    assert "approver" in world.dora.roles[""]
    refused(Forbidden, row, world.dora, "does not hold it")


def test_every_kind_asks_for_its_own_people(world: World) -> None:
    row = opened(
        world.tariq, permission("p", world.tenant), budget("b", world.tenant), of=world.tenant
    )
    before = control().revision
    assert publishing.approve(world.cleo, row.id).state == "approval"
    assert (control().revision, state_of(row)) == (before, ("approval", None, 1))
    refused(Forbidden, row, world.cleo, "you have approved this already")
    assert publishing.approve(world.finn, row.id).state == "published"
    told = entries(row.subject, "change.published")
    assert told[0]["data"]["approvedBy"] == [world.cleo.actor, world.finn.actor]


def test_the_organisation_takes_two_whatever_it_says(world: World) -> None:
    lowered = FOUR_EYES + "  approvals: {default: {count: 0}, Organisation: {count: 0}}\n"
    force(lowered)
    row = opened(world.ada, lowered.replace("UTC", "Europe/Berlin"))
    assert state_of(row) == ("approval", None, 0)
    assert publishing.approve(world.cleo, row.id).state == "approval"
    refused(Forbidden, row, world.cleo, "already")
    assert publishing.approve(world.dora, row.id).state == "published"


@pytest.mark.parametrize("floor", ["grant", "forbid", "lifted forbid", "softened forbid"])
def test_grants_and_hard_forbids_take_another_person_whatever_the_organisation_says(
    world: World, floor: str
) -> None:
    force(FOUR_EYES + "  approvals: {default: {count: 0}}\n")
    forbid = permission("f", world.tenant, effect="forbid")
    if floor in ("lifted forbid", "softened forbid"):
        force(forbid)
    row = commands.draft(world.cleo, commands.NewChange(title="x", tenant=world.tenant))
    if floor == "lifted forbid":
        commands.delete_document(world.cleo, row.id, ("Permission", world.tenant, "f"), ANYTHING)
    else:
        text = {
            "grant": grant(world.cleo.id, "admin", of=world.tenant),
            "forbid": forbid,
            "softened forbid": forbid + "  level: advisory\n",
        }[floor]
        commands.put_texts(world.cleo, row.id, text)
    publishing.submit(world.cleo, row.id)
    assert state_of(row) == ("approval", None, 0)
    refused(Forbidden, row, world.cleo, "you wrote")
    assert publishing.approve(world.dora, row.id).state == "published"


def test_a_count_of_zero_publishes_after_the_checks(world: World) -> None:
    row = opened(world.ada, tenant(world.tenant, "claims", "more"))
    assert row.state == "published"
    assert [e["kind"] for e in entries(row.subject)][-2:] == ["change.checked", "change.published"]
    force(FOUR_EYES + "  approvals: {default: {count: 0}}\n")
    soft = permission("s", world.tenant, effect="forbid") + "  level: soft\n"
    assert opened(world.tariq, soft, of=world.tenant).state == "published"


def test_a_change_does_not_lower_what_it_needs_itself(world: World) -> None:
    lowered = FOUR_EYES + "  approvals: {default: {count: 0, roles: [approver]}}\n"
    row = opened(world.ada, lowered, budget("b", world.tenant))
    publishing.approve(world.cleo, row.id)
    publishing.approve(world.dora, row.id)
    assert state_of(row) == ("approval", None, 2)
    assert publishing.approve(world.finn, row.id).state == "published"


def test_an_edit_dismisses_every_approval_and_checks_again(world: World) -> None:
    row = opened(
        world.tariq, permission("p", world.tenant), budget("b", world.tenant), of=world.tenant
    )
    publishing.approve(world.cleo, row.id)
    digest = row.digest
    commands.put_texts(world.tariq, row.id, budget("b", world.tenant, "900.00"), ANYTHING)
    assert state_of(row) == ("approval", None, 0)
    assert row.digest != digest
    assert Approval.objects.get(change=row).dismissed_at is not None
    assert publishing.approve(world.finn, row.id).state == "approval"
    commands.put_texts(world.tariq, row.id, permission("p", world.tenant, "nothing.here"), ANYTHING)
    assert state_of(row) == ("checks", None, 0)
    refused(Conflict, row, world.cleo, "does not pass its checks")


def test_an_approval_is_of_what_was_read(world: World) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    digest = row.digest
    commands.put_texts(
        world.tariq, row.id, permission("p", world.tenant, "request.stream"), ANYTHING
    )
    with pytest.raises(Conflict, match="since you read it"):
        publishing.approve(world.cleo, row.id, seen=Seen(digest=digest))
    row.refresh_from_db()
    assert (
        publishing.approve(world.cleo, row.id, seen=Seen(row.base, row.digest, "")).state
        == "published"
    )


def test_an_edit_between_the_check_and_the_lock_stops_the_publishing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    real = publish

    def edited_first(edits: object, consent: object) -> object:
        commands.put_texts(
            world.tariq, row.id, permission("p", world.tenant, "request.stream"), ANYTHING
        )
        return real(edits, consent)  # type: ignore[arg-type]

    monkeypatch.setattr(publishing, "publish", edited_first)
    before = control().revision
    with pytest.raises(Conflict, match="somebody edited this meanwhile"):
        publishing.approve(world.cleo, row.id)
    assert (control().revision, state_of(row)) == (before, ("approval", None, 0))
    assert not Approval.objects.filter(change=row).exists()


def test_who_edited_while_approving_approves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = permission("p", world.tenant)
    row = opened(world.tariq, text, permission("q", world.tenant), of=world.tenant)
    real = publish

    def edited_first(edits: object, consent: object) -> object:
        # the digest is as it was: the same text, written by the approver, and another's hand last
        commands.put_texts(world.cleo, row.id, text)
        commands.put_texts(world.tariq, row.id, permission("q", world.tenant))
        return real(edits, consent)  # type: ignore[arg-type]

    monkeypatch.setattr(publishing, "publish", edited_first)
    before = control().revision
    said = told_by(Forbidden, lambda: publishing.approve(world.cleo, row.id))
    assert said == "you wrote or last edited this; another person approves it"
    assert (control().revision, state_of(row)) == (before, ("approval", None, 0))


def test_who_lost_the_role_or_left_before_the_last_yes_counts_no_more(world: World) -> None:
    row = opened(
        world.tariq, permission("p", world.tenant), budget("b", world.tenant), of=world.tenant
    )
    publishing.approve(world.dora, row.id)
    force(grant(world.dora.id, "auditor"))
    assert publishing.approve(world.finn, row.id).state == "approval"
    with pytest.raises(Forbidden, match="still needs 1 more with the role approver for Permission"):
        publishing.publish_change(world.tariq, row.id)
    assert publishing.approve(world.cleo, row.id).state == "published"
    again = opened(
        world.tariq, permission("q", world.tenant), budget("c", world.tenant), of=world.tenant
    )
    publishing.approve(world.cleo, again.id)
    User.objects.filter(email=world.cleo.id).update(is_active=False)
    assert publishing.approve(world.finn, again.id).state == "approval"


def test_publish_without_a_change_request_is_refused_in_four_eyes(world: World) -> None:
    before = (control(), Bundle.objects.count(), len(entries(kind="bundle.activated")))
    text = permission("p", world.tenant)
    edits = Edits(actor="cli:root", origin="git", put=parse_text(text))
    assert "four-eyes mode" in told_by(NeedsApproval, lambda: publish(edits))
    assert before == (control(), Bundle.objects.count(), len(entries(kind="bundle.activated")))
    assert not Document.objects.filter(tenant=world.tenant, name="p").exists()


def test_a_base_that_moved_elsewhere_does_not_matter(world: World) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    moved = force(permission("q", world.other))
    done = publishing.approve(world.cleo, row.id)
    assert (done.state, done.published_revision, done.base) == ("published", moved + 1, row.base)


def test_a_base_that_moved_under_it_needs_a_rebase_which_dismisses_approvals(world: World) -> None:
    row = opened(
        world.tariq, permission("p", world.tenant), budget("b", world.tenant), of=world.tenant
    )
    publishing.approve(world.finn, row.id)
    force(permission("p", world.tenant, "request.stream"))
    refused(Conflict, row, world.cleo, f"others changed Permission {world.tenant}/p since")
    with pytest.raises(Conflict, match="others changed") as error:
        rebasing.rebase(world.tariq, row.id)
    assert error.value.details["conflicts"] == [["Permission", world.tenant, "p"]]
    assert state_of(row) == ("approval", None, 1)
    rebasing.rebase(world.tariq, row.id, mine=[("Permission", world.tenant, "p")])
    assert state_of(row) == ("approval", None, 0)
    assert row.base == published_documents().revision
    publishing.approve(world.finn, row.id)
    assert publishing.approve(world.cleo, row.id).state == "published"


def test_going_over_anothers_change_is_an_edit(world: World) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    force(permission("p", world.tenant, "request.stream"))
    rebasing.rebase(world.cleo, row.id, mine=[("Permission", world.tenant, "p")])
    refused(Forbidden, row, world.cleo, "you wrote or last edited")


def test_another_organisation_document_means_other_rules_and_a_rebase(world: World) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    force(FOUR_EYES + "  approvals: {default: {count: 2, roles: [approver]}}\n")
    refused(Conflict, row, world.cleo, "others changed Organisation acme")
    rebasing.rebase(world.tariq, row.id)
    assert publishing.approve(world.cleo, row.id).state == "approval"
    assert publishing.approve(world.dora, row.id).state == "published"


def test_what_others_published_already_is_said(world: World) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    force(permission("p", world.tenant))
    refused(Conflict, row, world.cleo, "others changed")
    rebasing.rebase(world.tariq, row.id, mine=[("Permission", world.tenant, "p")])
    assert state_of(row) == ("checks", None, 0)
    assert {c.kind: (c.ok, c.told) for c in row.checks.all()}["effect"] == (
        False,
        "all of this is published already",
    )


def test_changes_requested_go_back_to_the_author_with_the_reason(world: World) -> None:
    row = opened(
        world.tariq, permission("p", world.tenant), budget("b", world.tenant), of=world.tenant
    )
    publishing.approve(world.finn, row.id)
    with pytest.raises(Forbidden, match="may neither write nor approve"):
        publishing.request_changes(_auditor(), row.id, "no")
    done = publishing.request_changes(world.cleo, row.id, " too wide ")
    assert (done.note, state_of(row)) == ("too wide", ("draft", None, 0))
    told = entries(row.subject, "change.returned")
    assert [e["data"] for e in told] == [{"reason": "too wide"}]
    refused(Conflict, row, world.cleo, "still a draft")
    assert publishing.submit(world.tariq, row.id).state == "approval"


def _auditor() -> Principal:
    return Principal(
        kind="member", id="aud@acme.example", name="Aud", roles={"": frozenset({"auditor"})}
    )


def test_a_rollback_is_a_new_change_with_the_old_content(world: World) -> None:
    first = force(permission("p", world.tenant), permission("gone", world.tenant))
    text = bytes(Bundle.objects.get(pk=first).text)
    force(
        permission("p", world.tenant, "request.stream"),
        permission("new", world.tenant),
        delete=[("Permission", world.tenant, "gone")],
    )
    row = publishing.rollback(world.cleo, first, "it broke")
    assert (row.state, row.rollback_of, row.tenant) == ("approval", first, "")
    assert sorted((e.name, e.deletes) for e in row.edits.all()) == [
        ("gone", False),
        ("new", True),
        ("p", False),
    ]
    refused(Forbidden, row, world.cleo, "you wrote")
    done = publishing.approve(world.dora, row.id)
    assert done.published_revision is not None
    assert bytes(Bundle.objects.get(pk=done.published_revision).text) == text
    with pytest.raises(Conflict, match="has the documents of revision"):
        publishing.rollback(world.cleo, first)
    with pytest.raises(NotFound, match="was never published"):
        publishing.rollback(world.cleo, 10**9)
    with pytest.raises(Forbidden):
        publishing.rollback(world.tariq, first)


def test_going_back_to_single_operator_is_a_change_of_the_organisation(world: World) -> None:
    back = FOUR_EYES.replace("four-eyes", "single-operator") + RULES
    row = opened(world.cleo, back)
    refused(Forbidden, row, world.cleo, "you wrote")
    assert publishing.approve(world.dora, row.id).state == "approval"
    other = world.add("eve", "approver")
    force(*world.grants())
    assert publishing.approve(other, row.id).state == "published"
    assert published_documents().revision == control().revision
