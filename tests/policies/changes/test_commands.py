"""Writing change requests: who may, what is kept, what is checked, and that another tenant's do not exist."""

from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import pytest

from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest, NotFound
from controlplane.kernel.principal import Principal
from policies.changes import access, commands, glass, publishing, rebasing, scheduling
from policies.changes import checks as checks_room
from policies.changes.commands import NewChange
from policies.changes.models import ChangeRequest, Edit
from policies.changes.seen import ANYTHING
from policies.documents.problems import InvalidDocuments, Problem
from policies.order.lock import control, mandate_now
from tests.policies.changes.world import World, budget, force, opened
from tests.policies.people import entries
from tests.policies.texts import permission, tenant
from tests.refusing import refuses_first

pytestmark = pytest.mark.usefixtures("application_role")


def draft(who: Principal, of: str = "") -> ChangeRequest:
    return commands.draft(who, NewChange(title="A change", tenant=of))


def checks(row: ChangeRequest) -> dict[str, bool]:
    return dict(row.checks.values_list("kind", "ok"))


def test_a_draft_is_against_the_bundle_in_force_and_says_who_opened_it(world: World) -> None:
    row = commands.draft(
        world.tariq, NewChange(title="  More room ", reason="why not", tenant=world.tenant)
    )
    row.refresh_from_db()
    assert (row.title, row.reason, row.state, row.base) == (
        "More room",
        "why not",
        "draft",
        control().revision,
    )
    assert (row.author, row.last_editor, row.tenant) == (
        world.tariq.actor,
        world.tariq.actor,
        world.tenant,
    )
    (told,) = entries(row.subject)
    assert (told["kind"], told["tenant"], told["data"]) == (
        "change.opened",
        world.tenant,
        {"title": "More room", "base": row.base},
    )


def test_who_may_draft_where(world: World) -> None:
    for who, of in (
        (world.ada, ""),
        (world.ada, world.tenant),
        (world.cleo, ""),
        (world.cleo, world.tenant),
        (world.tariq, world.tenant),
        (world.mallory, world.other),
    ):
        assert draft(who, of).author == who.actor
    before = ChangeRequest.objects.count()
    for who, of, error in (
        (world.dora, "", Forbidden),
        (world.finn, world.tenant, Forbidden),
        (world.tariq, "", Forbidden),
        (world.mallory, "", Forbidden),
        (world.mallory, world.tenant, NotFound),
        (world.tariq, world.other, NotFound),
    ):
        with pytest.raises(error):
            draft(who, of)
    assert ChangeRequest.objects.count() == before


def test_a_developer_of_the_whole_organisation_drafts_in_the_own_tenant_only(world: World) -> None:
    devi = Principal(
        kind="member",
        id="devi@acme.example",
        name="Devi",
        roles={"": frozenset({"developer"})},
        teams=frozenset({(world.tenant, "claims")}),
    )
    assert access.may_draft(devi, world.tenant)
    assert not access.may_draft(devi, world.other)
    assert not access.may_draft(devi, "")
    assert access.drafts_somewhere(devi)
    assert not access.drafts_somewhere(world.dora)
    key = Principal(kind="key", id="k", name="k", teams=frozenset({(world.tenant, "claims")}))
    assert not access.may_draft(key, world.tenant)
    assert not access.visible(key).exists()


@pytest.mark.parametrize("title", ["", "  ", "two\nlines", "x" * 201])
def test_a_title_is_one_line(world: World, title: str) -> None:
    with pytest.raises(InvalidRequest, match="one line"):
        commands.draft(world.ada, NewChange(title=title))


def test_another_tenants_change_does_not_exist_by_any_command(world: World) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    own = opened(world.mallory, permission("p", world.other), of=world.other, submit=False)
    organisation = draft(world.ada)
    assert list(access.visible(world.mallory)) == [own]
    identity = ("Permission", world.tenant, "p")
    for found in (row, organisation):
        for attempt in (
            lambda i: access.get(world.mallory, i),
            lambda i: commands.put_texts(world.mallory, i, permission("q", world.other)),
            lambda i: commands.put_text(world.mallory, i, identity, "x"),
            lambda i: commands.delete_document(world.mallory, i, identity),
            lambda i: commands.remove_edit(world.mallory, i, identity),
            lambda i: commands.describe(world.mallory, i, "t", ""),
            lambda i: commands.check(world.mallory, i),
            lambda i: rebasing.rebase(world.mallory, i),
            lambda i: commands.withdraw(world.mallory, i),
            lambda i: publishing.submit(world.mallory, i),
            lambda i: publishing.approve(world.mallory, i),
            lambda i: publishing.publish_change(world.mallory, i),
            lambda i: publishing.request_changes(world.mallory, i, "no"),
            lambda i: publishing.check(world.mallory, i),
            lambda i: scheduling.schedule(world.mallory, i, mandate_now() + timedelta(hours=1)),
            lambda i: scheduling.unschedule(world.mallory, i),
            lambda i: glass.break_glass(world.mallory, i, "why"),
            lambda i: glass.review(world.mallory, i, "confirmed"),
        ):
            with pytest.raises(NotFound, match="there is no change request"):
                attempt(found.id)
    row.refresh_from_db()
    assert (row.state, row.edits.count()) == ("approval", 1)
    with pytest.raises(NotFound):
        access.get(world.ada, uuid4())


def test_a_tenants_change_touches_and_shows_nothing_of_others(world: World) -> None:
    force(permission("secret", world.other, "request.stream"))
    row = draft(world.tariq, world.tenant)
    commands.put_texts(
        world.tariq,
        row.id,
        "---\n".join((permission("secret", world.other), tenant(world.tenant, "claims", "mine"))),
    )
    found = {e.identity: (e.before, len(e.problems)) for e in row.edits.all()}
    assert found == {
        ("Permission", world.other, "secret"): (None, 1),
        ("Tenant", "", world.tenant): (None, 1),
    }
    with pytest.raises(InvalidRequest, match="is of tenant"):
        commands.put_text(world.tariq, row.id, ("Permission", world.other, "secret"), "x")
    with pytest.raises(InvalidRequest, match="is of tenant"):
        commands.delete_document(world.tariq, row.id, ("Permission", world.other, "secret"))
    publishing.submit(world.tariq, row.id)
    row.refresh_from_db()
    assert row.state == "checks"


@refuses_first(
    "changes.draft", "changes.entry", "changes.put_texts", "changes.run_checks", "changes.check"
)
def test_what_fails_in_another_tenant_is_not_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    wrong = [
        Problem(f"published/{world.other}/PolicyTest/theirs.yaml", 3, 1, "spec", "secret words"),
        Problem(f"published/{world.tenant}/PolicyTest/ours.yaml", 4, 2, "spec", "the test fails"),
    ]

    def refuse(*_: object) -> None:
        raise InvalidDocuments(wrong)

    monkeypatch.setattr("policies.changes.checks.compiled", refuse)
    commands.check(world.tariq, row.id)
    told = row.checks.get(kind="whole").problems
    assert [problem[0] for problem in told] == ["<bundle>", wrong[1].file]
    assert "secret words" not in str(told)
    assert world.other not in str(told)
    monkeypatch.undo()
    commands.check(world.tariq, row.id)
    monkeypatch.setattr("policies.changes.publishing.publish", refuse)
    with pytest.raises(InvalidDocuments) as error:
        publishing.approve(world.cleo, row.id)
    assert "secret words" not in str(error.value)
    whole = draft(world.ada)
    assert checks_room.seen_in(whole, InvalidDocuments(wrong)).problems == sorted(wrong)


def test_text_that_cannot_be_read_is_kept_with_line_and_column(world: World) -> None:
    row = draft(world.tariq, world.tenant)
    broken = permission("p", world.tenant).replace("effect: permit", "effect: maybe")
    (edit,) = commands.put_texts(world.tariq, row.id, broken)
    edit.refresh_from_db()
    assert edit.source == broken
    assert [problem[:3] for problem in edit.problems] == [[5, 11, "spec.effect"]]
    commands.put_texts(world.tariq, row.id, "hello: [")
    commands.put_texts(world.tariq, row.id, "again: [")
    names = set(Edit.objects.filter(change=row, kind="").values_list("name", "source"))
    assert names == {("text-1", "hello: [\n"), ("text-2", "again: [\n")}
    publishing.submit(world.tariq, row.id)
    row.refresh_from_db()
    assert (row.state, checks(row)) == ("checks", {"schema": False, "base": True})
    schema = row.checks.get(kind="schema")
    assert f"{world.tenant}/Permission/p.yaml" in {problem[0] for problem in schema.problems}


def test_types_and_references_are_told_at_their_place(world: World) -> None:
    row = opened(
        world.tariq,
        permission("p", world.tenant, "request.nothing"),
        budget("b", world.tenant).replace(
            f"tenant: {world.tenant}}}, owner", "tenant: gone}, owner"
        ),
        of=world.tenant,
    )
    assert (row.state, checks(row)) == (
        "checks",
        {"schema": True, "base": True, "whole": False},
    )
    found = {(p[0], p[1], p[2]): p[4] for p in row.checks.get(kind="whole").problems}
    file = f"{world.tenant}/Permission/p.yaml"
    assert (file, 7, 17) in found
    assert any("there is no Tenant" in told for told in found.values())
    commands.put_texts(
        world.tariq, row.id, permission("p", world.tenant, "request.stream"), ANYTHING
    )
    commands.remove_edit(world.tariq, row.id, ("Budget", world.tenant, "b"), ANYTHING)
    row.refresh_from_db()
    assert (row.state, set(checks(row).values())) == ("approval", {True})


@refuses_first("changes.draft", "changes.entry", "changes.delete_document", "changes.remove_edit")
def test_deleting_a_document_and_taking_the_edit_back(world: World) -> None:
    force(permission("p", world.tenant))
    row = draft(world.tariq, world.tenant)
    identity = ("Permission", world.tenant, "p")
    edit = commands.delete_document(world.tariq, row.id, identity, ANYTHING)
    assert (edit.deletes, edit.before) == (True, permission("p", world.tenant))
    with pytest.raises(NotFound, match="in revision"):
        commands.delete_document(world.tariq, row.id, ("Permission", world.tenant, "nope"))
    commands.remove_edit(world.tariq, row.id, identity, ANYTHING)
    assert row.edits.count() == 0
    with pytest.raises(NotFound, match="does not edit"):
        commands.remove_edit(world.tariq, row.id, identity)
    with pytest.raises(InvalidRequest, match="nothing is edited yet"):
        publishing.submit(world.tariq, row.id)
    row.refresh_from_db()
    assert row.state == "draft"


@refuses_first("changes.draft", "changes.entry", "changes.put_text")
def test_the_text_at_an_address_must_be_of_that_document(world: World) -> None:
    row = draft(world.tariq, world.tenant)
    identity = ("Permission", world.tenant, "p")
    edit = commands.put_text(world.tariq, row.id, identity, permission("q", world.tenant))
    assert (edit.identity, len(edit.problems)) == (identity, 1)
    edit = commands.put_text(world.tariq, row.id, identity, permission("p", world.tenant), ANYTHING)
    assert (edit.identity, edit.problems, row.edits.count()) == (identity, [], 1)
    with pytest.raises(InvalidRequest, match="at most"):
        commands.put_text(world.tariq, row.id, identity, "x" * (commands.MAX_TEXT + 1))
    with pytest.raises(InvalidRequest, match="no document"):
        commands.put_texts(world.tariq, row.id, "# nothing\n")


@refuses_first(
    "changes.draft", "changes.entry", "changes.put_texts", "changes.run_checks", "changes.withdraw"
)
def test_withdrawing_is_for_the_author_or_an_admin_and_ends_it(world: World) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    with pytest.raises(Forbidden, match="withdrawn by who wrote it"):
        commands.withdraw(world.cleo, row.id)
    done = commands.withdraw(world.tariq, row.id, "never mind")
    assert (done.state, done.note, done.open) == ("withdrawn", "never mind", False)
    for attempt in (
        lambda: commands.put_texts(world.tariq, row.id, permission("p", world.tenant)),
        lambda: publishing.approve(world.cleo, row.id),
        lambda: publishing.submit(world.tariq, row.id),
        lambda: commands.withdraw(world.tariq, row.id),
    ):
        with pytest.raises(Conflict, match="is withdrawn"):
            attempt()
    other = opened(world.tariq, permission("q", world.tenant), of=world.tenant)
    assert commands.withdraw(world.ada, other.id).state == "withdrawn"


@refuses_first(
    "changes.draft", "changes.entry", "changes.put_texts", "changes.run_checks", "changes.describe"
)
def test_a_better_title_leaves_approvals(world: World) -> None:
    row = opened(
        world.tariq, permission("p", world.tenant), budget("b", world.tenant), of=world.tenant
    )
    publishing.approve(world.finn, row.id)
    done = commands.describe(world.tariq, row.id, "Better", "said")
    assert (done.title, done.reason, done.approvals.filter(dismissed_at=None).count()) == (
        "Better",
        "said",
        1,
    )
    with pytest.raises(InvalidRequest):
        commands.describe(world.tariq, row.id, "", "")


def test_what_is_scheduled_is_published_at_its_time_and_not_before(world: World) -> None:
    later = mandate_now() + timedelta(hours=1)
    row = commands.draft(
        world.tariq, NewChange(title="Later", tenant=world.tenant, publish_at=later)
    )
    commands.put_texts(world.tariq, row.id, permission("p", world.tenant))
    publishing.submit(world.tariq, row.id)
    before = control().revision
    assert publishing.approve(world.cleo, row.id).state == "scheduled"
    assert scheduling.publish_due() == []
    assert control().revision == before
    ChangeRequest.objects.filter(pk=row.pk).update(publish_at=mandate_now())
    assert scheduling.publish_due() == [row.id]
    row.refresh_from_db()
    assert (row.state, row.published_revision) == ("published", before + 1)
    assert entries(row.subject, "change.published")[0]["actor"] == "job:changes"


def test_a_scheduled_change_that_no_longer_fits_goes_back_to_its_checks(world: World) -> None:
    row = commands.draft(
        world.tariq,
        NewChange(
            title="Later", tenant=world.tenant, publish_at=mandate_now() + timedelta(hours=1)
        ),
    )
    commands.put_texts(world.tariq, row.id, permission("p", world.tenant))
    publishing.submit(world.tariq, row.id)
    publishing.approve(world.cleo, row.id)
    moved = force(permission("p", world.tenant, "request.stream"))
    ChangeRequest.objects.filter(pk=row.pk).update(publish_at=mandate_now())
    assert scheduling.publish_due() == []
    row.refresh_from_db()
    assert (row.state, checks(row), control().revision) == (
        "checks",
        {"schema": True, "base": False},
        moved,
    )


LEAKY = (
    "apiVersion: mandate/v1\nkind: Provider\nmetadata: {name: leaky}\n"
    "spec: {type: openai, credential: sk-live-canary-4711}\n"
)


def test_a_literal_secret_is_refused_at_its_place(world: World) -> None:
    row = draft(world.ada)
    with pytest.raises(InvalidRequest, match=r"line 4, spec\.credential: a literal secret is not"):
        commands.put_texts(world.ada, row.pk, LEAKY)
    with pytest.raises(InvalidRequest, match="write its name instead"):
        commands.put_text(world.ada, row.pk, ("Provider", "", "leaky"), LEAKY, ANYTHING)


def test_a_literal_secret_is_stored_nowhere(world: World) -> None:
    row = draft(world.ada)
    before = len(entries(row.subject))
    with suppress(InvalidRequest):
        commands.put_texts(world.ada, row.pk, LEAKY)
    assert (row.edits.count(), len(entries(row.subject))) == (0, before)
