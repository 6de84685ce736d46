"""What leads round four-eyes, one by one: each is refused with its own error, and nothing changed."""

from collections.abc import Callable
from threading import Barrier, Thread

import pytest
from django.db import connection

from controlplane.kernel.errors import MandateError
from policies.bundles.models import Bundle
from policies.bundles.publish import publish
from policies.changes import commands as writing
from policies.changes import publishing, rebasing, replays
from policies.changes.bound import Seen, replay_digest
from policies.changes.models import ChangeRequest
from policies.order.lock import control
from policies.replay import job
from policies.replay.models import OPEN as OPEN_REPLAYS
from policies.replay.models import Replay
from tests.policies.changes.world import FOUR_EYES, RULES, World, budget, force, grant, opened
from tests.policies.people import entries
from tests.policies.replay.world import Past
from tests.policies.texts import permission, tenant

pytestmark = pytest.mark.usefixtures("application_role")


def code_of(attempt: Callable[[], object]) -> str:
    """The code of a refusal; that there was none is a failed assertion, not an error."""
    try:
        attempt()
    except MandateError as error:
        return error.code
    return "done"


def stands(row: ChangeRequest) -> tuple[object, ...]:
    """Everything that a refusal must leave as it was."""
    now = ChangeRequest.objects.get(pk=row.pk)
    return (
        control(),
        Bundle.objects.count(),
        now.state,
        now.digest,
        now.base,
        list(now.approvals.order_by("id").values_list("actor", "dismissed_at")),
        len(entries(row.subject)),
    )


def refused(row: ChangeRequest, code: str, attempt: Callable[[], object]) -> None:
    """It is refused with this code, and nothing changed."""
    before = stands(row)
    assert (code_of(attempt), stands(row)) == (code, before)


def of_claims(world: World, *more: str) -> ChangeRequest:
    return opened(world.tariq, permission("p", world.tenant), *more, of=world.tenant)


def test_the_author_approving(world: World) -> None:
    row = opened(world.cleo, permission("p", world.tenant), of=world.tenant)
    refused(row, "own_change", lambda: publishing.approve(world.cleo, row.id))


def test_who_does_not_hold_the_role_and_who_approved_already(world: World) -> None:
    row = of_claims(world, budget("b", world.tenant))
    refused(row, "role_missing", lambda: publishing.approve(world.ada, row.id))
    publishing.approve(world.cleo, row.id)
    refused(row, "approved_already", lambda: publishing.approve(world.cleo, row.id))
    refused(row, "approvals_missing", lambda: publishing.publish_change(world.tariq, row.id))


@pytest.mark.parametrize("what", ["digest", "base", "replay"])
def test_a_stale_approval_is_of_another_text_base_or_replay(world: World, what: str) -> None:
    row = of_claims(world)
    seen = {
        "digest": Seen(row.base, "0" * 64),
        "base": Seen(row.base - 1, row.digest),
        "replay": Seen(row.base, row.digest, "f" * 64),
    }[what]
    refused(row, "approval_stale", lambda: publishing.approve(world.cleo, row.id, seen=seen))
    now = Seen(row.base, row.digest, "")
    assert publishing.approve(world.cleo, row.id, seen=now).state == "published"


def test_a_base_that_moved(world: World) -> None:
    row = of_claims(world)
    force(permission("p", world.tenant, "request.stream"))
    refused(row, "base_moved", lambda: publishing.approve(world.cleo, row.id))
    refused(row, "fields_clash", lambda: rebasing.rebase(world.tariq, row.id))


def test_rules_that_moved(world: World) -> None:
    row = of_claims(world)
    force(FOUR_EYES + "  approvals: {default: {count: 0}}\n")
    refused(row, "rules_moved", lambda: publishing.approve(world.cleo, row.id))
    refused(row, "rules_moved", lambda: publishing.publish_change(world.tariq, row.id))


def test_an_organisation_that_needs_nobody(world: World) -> None:
    nobody = FOUR_EYES + "  approvals: {default: {count: 0}, Organisation: {count: 0}}\n"
    row = opened(world.cleo, nobody)
    assert row.state == "approval"
    refused(row, "own_change", lambda: publishing.approve(world.cleo, row.id))
    refused(row, "organisation_needs_two", lambda: publishing.publish_change(world.cleo, row.id))
    assert publishing.approve(world.dora, row.id).state == "approval"
    refused(row, "organisation_needs_two", lambda: publishing.publish_change(world.cleo, row.id))


@pytest.mark.parametrize("last", [True, False])
def test_a_role_removed_in_mid_request(
    world: World, monkeypatch: pytest.MonkeyPatch, last: bool
) -> None:
    row = of_claims(world, *([] if last else [budget("b", world.tenant)]))
    real = publishing.roles_of
    asked = iter((True, False))

    def removed_after(*args: object) -> frozenset[str]:
        found = real(*args)  # type: ignore[arg-type]
        if next(asked, False):
            # between the question and the lock somebody else takes the role away
            force(grant(world.dora.id, "auditor"))
        return found

    monkeypatch.setattr(publishing, "roles_of", removed_after)
    assert code_of(lambda: publishing.approve(world.dora, row.id)) == "role_removed"
    row.refresh_from_db()
    assert (row.state, row.published_revision, row.approvals.count()) == ("approval", None, 0)
    assert entries(row.subject, "change.approved") == []


def test_two_publishers_of_one_change(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    row = of_claims(world)
    real = publish

    def second(edits: object, consent: object) -> object:
        monkeypatch.setattr(publishing, "publish", real)
        publishing.approve(world.dora, row.id)
        return real(edits, consent)  # type: ignore[arg-type]

    monkeypatch.setattr(publishing, "publish", second)
    before = control().revision
    assert code_of(lambda: publishing.approve(world.cleo, row.id)) == "already_published"
    row.refresh_from_db()
    assert (control().revision, row.published_revision) == (before + 1, before + 1)
    assert [a.actor for a in row.approvals.all()] == [world.dora.actor]
    assert len(entries(row.subject, "change.published")) == 1


def test_two_publishers_of_the_same_document_at_once(world: World) -> None:
    rows = [
        opened(world.tariq, permission("p", world.tenant, when), of=world.tenant)
        for when in ("true", "request.stream")
    ]
    before, ready, said = control().revision, Barrier(2), {}

    def approve(number: int) -> None:
        try:
            ready.wait(30)
            said[number] = code_of(lambda: publishing.approve(world.cleo, rows[number].id))
        finally:
            connection.close()

    threads = [Thread(target=approve, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(said.values()) == ["base_moved", "done"]
    assert control().revision == before + 1
    states = [ChangeRequest.objects.get(pk=row.pk).state for row in rows]
    assert sorted(states) == ["approval", "published"]


def test_what_is_at_its_end_or_still_a_draft(world: World) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant, submit=False)
    refused(row, "wrong_state", lambda: publishing.approve(world.cleo, row.id))
    publishing.submit(world.tariq, row.id)
    publishing.approve(world.cleo, row.id)
    text = permission("p", world.tenant, "request.stream")
    refused(row, "already_published", lambda: writing.put_texts(world.tariq, row.id, text))
    refused(row, "already_published", lambda: publishing.approve(world.dora, row.id))


REPLAYED = FOUR_EYES.replace("required: false", "required: true") + RULES


def replayed(row: ChangeRequest) -> str:
    """Its replay, worked to the end; the digest."""
    while job.run_next(Past()) is not None:
        pass
    return replay_digest(row)


def test_where_the_base_wants_a_replay_nobody_approves_without_a_current_one(world: World) -> None:
    Replay.objects.filter(state__in=OPEN_REPLAYS).update(state="cancelled")
    force(REPLAYED)
    row = of_claims(world, budget("b", world.tenant))
    refused(row, "replay_missing", lambda: publishing.approve(world.cleo, row.id))
    first = replayed(row)
    publishing.approve(world.finn, row.id, seen=Seen(row.base, row.digest, first))
    assert [(a.actor, a.replay) for a in row.approvals.all()] == [(world.finn.actor, first)]
    force(permission("elsewhere", world.other))
    refused(row, "replay_stale", lambda: publishing.approve(world.cleo, row.id))
    replays.begin(world.tariq, row.id)
    second = replayed(row)
    assert second != first
    stale = Seen(row.base, row.digest, first)
    refused(row, "approval_stale", lambda: publishing.approve(world.cleo, row.id, seen=stale))
    # a yes on evidence about another base does not count any more
    assert publishing.approve(world.cleo, row.id).state == "approval"
    refused(row, "approvals_missing", lambda: publishing.publish_change(world.tariq, row.id))
    done = publishing.approve(world.finn, row.id, seen=Seen(row.base, row.digest, second))
    assert done.state == "published"
    given = row.approvals.filter(dismissed_at=None).order_by("id")
    assert [(a.actor, a.replay) for a in given] == [
        (world.cleo.actor, second),
        (world.finn.actor, second),
    ]


def test_what_needs_nobody_needs_no_replay(world: World) -> None:
    force(REPLAYED)
    assert opened(world.ada, tenant(world.tenant, "claims", "more")).state == "published"
