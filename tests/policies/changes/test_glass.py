"""Invariant 8 in an emergency: one person alone only tightens, says why, and another looks at it afterwards."""

from collections.abc import Callable

import pytest

from controlplane.kernel.errors import InvalidRequest, MandateError
from controlplane.kernel.principal import Principal
from policies.bundles.models import Bundle
from policies.bundles.publish import publish
from policies.bundles.read import published_documents
from policies.changes import glass, publishing
from policies.changes.bound import Seen
from policies.changes.models import ChangeRequest, Glass
from policies.order.lock import control
from tests.policies.changes.world import FOUR_EYES, World, force, grant, opened
from tests.policies.people import entries
from tests.policies.texts import permission

pytestmark = pytest.mark.usefixtures("application_role")
WHY = "the model answers with account numbers"


def soft(world: World, name: str = "f") -> str:
    return permission(name, world.tenant, effect="forbid") + "  level: soft\n"


def handed(world: World, *texts: str) -> ChangeRequest:
    return opened(world.ada, *(texts or (soft(world),)), title="Close the tap")


def code_of(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except MandateError as error:
        return error.code
    return "done"


def refused(row: ChangeRequest, code: str, who: Principal, reason: str = WHY) -> None:
    """It is not published alone, and nothing happened."""

    def stands() -> tuple[object, ...]:
        now = ChangeRequest.objects.get(pk=row.pk)
        return control(), now.state, Bundle.objects.count(), len(entries(row.subject))

    before = stands()
    assert (code_of(lambda: glass.break_glass(who, row.id, reason)), stands()) == (code, before)
    assert not Glass.objects.filter(change=row).exists()


def test_an_admin_alone_closes_the_tap_and_it_is_flagged(world: World) -> None:
    row = handed(world)
    assert row.state == "approval"
    done = glass.break_glass(world.ada, row.id, f" {WHY} ", Seen(row.base, row.digest, ""))
    revision = control().revision
    assert (done.state, done.published_revision, done.flagged) == ("published", revision, True)
    assert Bundle.objects.get(pk=revision).flagged is True
    broken = Glass.objects.get(change=row)
    assert (broken.actor, broken.reason, broken.roles, broken.revision, broken.verdict) == (
        world.ada.actor,
        WHY,
        ["admin"],
        revision,
        "",
    )
    (told,) = entries(row.subject, "change.glass-broken")
    assert told["actor"] == world.ada.actor
    assert {k: told["data"][k] for k in ("reason", "roles", "revision", "flagged")} == {
        "reason": WHY,
        "roles": ["admin"],
        "revision": revision,
        "flagged": True,
    }
    assert row.approvals.count() == 0


@pytest.mark.parametrize("what", ["permit", "grant", "organisation", "hard", "lifted", "mixed"])
def test_alone_one_only_tightens(world: World, what: str) -> None:
    hard = permission("h", world.tenant, effect="forbid")
    force(hard)
    texts = {
        "permit": [permission("p", world.tenant)],
        "grant": [grant(world.ada.id, "admin", "approver")],
        "organisation": [FOUR_EYES + "  approvals: {default: {count: 0}}\n"],
        "hard": [permission("g", world.tenant, effect="forbid")],
        "lifted": [hard + "  level: soft\n"],
        "mixed": [soft(world), permission("p", world.tenant)],
    }[what]
    refused(handed(world, *texts), "not_for_break_glass", world.ada)


def test_who_may_is_said_by_the_bundle_in_force(world: World) -> None:
    row = handed(world)
    for who in (world.cleo, world.dora, world.finn):
        refused(row, "not_for_break_glass", who)
    refused(row, "not_found", world.mallory)
    operator = Principal(kind="cli", id="root", name="root", roles=world.ada.roles)
    refused(row, "not_for_break_glass", operator)
    force(grant(world.ada.id, "auditor"))
    refused(row, "not_for_break_glass", world.ada)


def test_an_organisation_may_allow_nobody_or_others(world: World) -> None:
    force(FOUR_EYES + "  breakGlass: {roles: []}\n")
    refused(handed(world), "not_for_break_glass", world.ada)
    force(FOUR_EYES + "  breakGlass: {roles: [approver]}\n")
    row = handed(world, soft(world, "g"))
    refused(row, "not_for_break_glass", world.ada)
    assert glass.break_glass(world.dora, row.id, WHY).state == "published"


def test_a_reason_is_kept_so_there_must_be_one(world: World) -> None:
    row = handed(world)
    refused(row, "invalid_request", world.ada, "  ")
    with pytest.raises(InvalidRequest, match="say why this cannot wait"):
        glass.break_glass(world.ada, row.id, "")


def test_the_role_is_asked_again_under_the_lock(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = handed(world)
    real = publish

    def taken_away(edits: object, consent: object) -> object:
        force(grant(world.ada.id, "auditor"))
        return real(edits, consent)  # type: ignore[arg-type]

    monkeypatch.setattr(publishing, "publish", taken_away)
    assert code_of(lambda: glass.break_glass(world.ada, row.id, WHY)) == "not_for_break_glass"
    row.refresh_from_db()
    assert (row.state, Glass.objects.filter(change=row).count()) == ("approval", 0)


def test_an_edit_of_the_same_document_between_page_and_click(world: World) -> None:
    row = handed(world)
    stale = Seen(row.base, "0" * 64)
    assert code_of(lambda: glass.break_glass(world.ada, row.id, WHY, stale)) == "approval_stale"
    force(soft(world).replace("'true'", "'request.stream'"))
    refused(row, "base_moved", world.ada)


def test_without_four_eyes_there_is_no_glass(alone: World) -> None:
    refused(handed(alone), "conflict", alone.ada)
    base = published_documents()
    row = handed(alone, soft(alone, "g"))
    assert "no glass to break" in glass.refusal(alone.ada, base, row, list(row.edits.all()))


def test_another_confirms_it_once(world: World) -> None:
    row = handed(world)
    glass.break_glass(world.ada, row.id, WHY)

    def judge(who: Principal) -> str:
        return code_of(lambda: glass.review(who, row.id, "confirmed", "right so"))

    assert [judge(who) for who in (world.ada, world.finn, world.mallory)] == [
        "own_break_glass",
        "role_missing",
        "not_found",
    ]
    assert Glass.objects.get(change=row).verdict == ""
    assert entries(row.subject, "change.glass-reviewed") == []
    found, opened_now = glass.review(world.dora, row.id, "confirmed", "right so")
    assert (found.verdict, found.reviewed_by, found.note, opened_now) == (
        "confirmed",
        world.dora.actor,
        "right so",
        None,
    )
    (told,) = entries(row.subject, "change.glass-reviewed")
    assert told["data"] == {
        "verdict": "confirmed",
        "by": world.ada.actor,
        "revision": found.revision,
        "reason": "right so",
    }
    assert judge(world.cleo) == "wrong_state"
    other = handed(world, soft(world, "g"))
    assert code_of(lambda: glass.review(world.dora, other.id, "confirmed")) == "not_found"


def test_who_wrote_it_does_not_review_it_either(world: World) -> None:
    row = opened(world.cleo, soft(world))
    glass.break_glass(world.ada, row.id, WHY)
    assert code_of(lambda: glass.review(world.cleo, row.id, "confirmed")) == "own_change"


def test_taking_it_back_is_a_change_that_others_approve(world: World) -> None:
    raised = soft(world, "old")
    force(raised.replace("soft", "advisory"))
    row = handed(world, soft(world), raised)
    glass.break_glass(world.ada, row.id, WHY)
    found, back = glass.review(world.cleo, row.id, "taken back", "too much")
    assert back is not None
    assert (found.verdict, found.undone_by, back.state) == ("taken back", back.id, "approval")
    assert sorted((e.name, e.deletes, e.source) for e in back.edits.all()) == [
        ("f", True, ""),
        ("old", False, raised.replace("soft", "advisory")),
    ]
    assert code_of(lambda: publishing.approve(world.cleo, back.id)) == "own_change"
    assert publishing.approve(world.dora, back.id).state == "published"


def test_a_reviewer_reverts_it_with_one_click_which_counts_as_one_approval(world: World) -> None:
    raised = soft(world, "old")
    force(raised.replace("soft", "advisory"))
    row = handed(world, soft(world), raised)
    glass.break_glass(world.ada, row.id, WHY)
    revision = control().revision
    found, back, waits = glass.revert(world.dora, row.id, "it stops the claims desk")
    assert (found.verdict, found.undone_by, back.state, waits) == ("taken back", back.id, "published", None)  # fmt: skip
    assert (control().revision, back.published_revision, back.flagged) == (revision + 1, revision + 1, False)  # fmt: skip
    rows = published_documents().rows
    assert ("Permission", world.tenant, "f") not in rows
    assert rows["Permission", world.tenant, "old"].source == raised.replace("soft", "advisory")
    told = entries(back.subject)
    assert [(e["kind"], e["actor"]) for e in told if e["kind"] in ("change.opened", "change.approved")][-1] == (
        "change.approved", world.dora.actor,
    )  # fmt: skip
    assert back.author == "job:changes"
    (reviewed,) = entries(row.subject, "change.glass-reviewed")
    assert (reviewed["actor"], reviewed["data"]["reason"]) == (world.dora.actor, "it stops the claims desk")  # fmt: skip


def test_a_revert_needs_another_and_a_reason_and_the_texts_as_they_were_published(
    world: World,
) -> None:
    row = handed(world)
    glass.break_glass(world.ada, row.id, WHY)

    def tried(who: Principal, note: str = "too much") -> tuple[str, int, str]:
        code = code_of(lambda: glass.revert(who, row.id, note))
        return code, control().revision, Glass.objects.get(change=row).verdict

    at = control().revision
    assert tried(world.ada) == ("own_break_glass", at, "")
    assert tried(world.finn) == ("role_missing", at, "")
    assert tried(world.mallory) == ("not_found", at, "")
    assert tried(world.dora, " ") == ("invalid_request", at, "")
    force(soft(world).replace("soft", "advisory"))
    assert tried(world.dora) == ("conflict", at + 1, "")


def test_where_one_approval_is_not_enough_the_revert_waits_for_the_other(world: World) -> None:
    force(FOUR_EYES + "  approvals: {default: {count: 2, roles: [approver]}}\n")
    row = handed(world)
    glass.break_glass(world.ada, row.id, WHY)
    at = control().revision
    found, back, waits = glass.revert(world.dora, row.id, "too much")
    assert (found.verdict, back.state, waits, control().revision) == (
        "taken back",
        "approval",
        None,
        at,
    )
    assert [one.actor for one in back.approvals.all()] == [world.dora.actor]
    assert publishing.approve(world.cleo, back.id).state == "published"
