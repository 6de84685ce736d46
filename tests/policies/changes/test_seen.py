"""Two people in one draft: the second save that began from the same text is refused, and says what the first wrote."""

from collections.abc import Callable
from typing import Any

import pytest

from controlplane.kernel.errors import NotFound
from controlplane.kernel.principal import Principal
from policies.bundles.publish import BaseMoved
from policies.bundles.read import require_published
from policies.changes import commands
from policies.changes.commands import NewChange
from policies.changes.models import ChangeRequest, Edit
from policies.changes.seen import ANYTHING, DELETED, NOTHING, Overtaken, Unseen, digest
from policies.documents.document import Identity
from tests.policies.changes.world import World, force, opened
from tests.policies.people import entries
from tests.policies.texts import permission

pytestmark = pytest.mark.usefixtures("application_role")


def begun(world: World) -> tuple[ChangeRequest, Identity, str]:
    """A draft with one text, which Tariq wrote."""
    text = permission("shared", world.tenant)
    row = opened(world.tariq, text, of=world.tenant, submit=False)
    return row, ("Permission", world.tenant, "shared"), text


def stored(row: ChangeRequest) -> tuple[str, str]:
    edit = Edit.objects.get(change=row)
    return edit.source, edit.edited_by


def refused(*told: Any, by: Principal, text: str) -> dict[str, Any]:
    """What the refusal says stands there."""
    with pytest.raises(Overtaken) as error:
        commands.put_text(*told)
    theirs = error.value.details["theirs"]
    assert isinstance(theirs, dict)
    assert (theirs["source"], theirs["editedBy"]) == (text, by.actor)
    assert theirs["digest"] == digest(text)
    return theirs


def test_of_two_saves_from_one_text_the_second_is_refused_and_changes_nothing(
    world: World,
) -> None:
    row, identity, text = begun(world)
    seen = digest(Edit.objects.get(change=row).source)
    hers, his = text + "# Cleo's\n", text + "# Tariq's\n"
    commands.put_text(world.cleo, row.id, identity, hers, seen)
    told = len(entries(row.subject))
    refused(world.tariq, row.id, identity, his, seen, by=world.cleo, text=hers)
    assert stored(row) == (hers, world.cleo.actor)
    row.refresh_from_db()
    assert (row.last_editor, len(entries(row.subject))) == (world.cleo.actor, told)
    # who has read the other's text may go over it, knowingly
    commands.put_text(world.tariq, row.id, identity, his, digest(hers))
    assert stored(row) == (his, world.tariq.actor)


def test_the_same_text_is_no_quarrel(world: World) -> None:
    row, identity, text = begun(world)
    other = text + "# one\n"
    commands.put_text(world.cleo, row.id, identity, other, digest(text))
    commands.put_text(world.tariq, row.id, identity, other, digest(text))
    assert stored(row) == (other, world.tariq.actor)
    commands.put_text(world.tariq, row.id, identity, other)
    assert stored(row) == (other, world.tariq.actor)


def test_what_does_not_say_what_it_began_from_goes_over_nothing(world: World) -> None:
    row, identity, text = begun(world)
    told, other = len(entries(row.subject)), text + "# blind\n"
    blind_saves: list[Callable[[], object]] = [
        lambda: commands.put_text(world.cleo, row.id, identity, other),
        lambda: commands.put_texts(world.cleo, row.id, other),
        lambda: commands.remove_edit(world.cleo, row.id, identity),
    ]
    for blind in blind_saves:
        with pytest.raises(Unseen) as error:
            blind()
        assert (error.value.status, error.value.code) == (428, "if_match_missing")
        theirs = error.value.details["theirs"]
        assert isinstance(theirs, dict)
        assert (theirs["source"], theirs["digest"]) == (text, digest(text))
    assert stored(row) == (text, world.tariq.actor)
    assert len(entries(row.subject)) == told
    # who says so goes over whatever stands there
    commands.put_text(world.cleo, row.id, identity, other, ANYTHING)
    assert stored(row) == (other, world.cleo.actor)
    commands.put_texts(world.tariq, row.id, text, ANYTHING)
    assert stored(row) == (text, world.tariq.actor)


def test_a_published_text_is_seen_before_it_is_changed_or_taken_away(world: World) -> None:
    published = permission("known", world.tenant)
    force(published)
    identity = ("Permission", world.tenant, "known")
    row = commands.draft(world.tariq, NewChange(title="On known", tenant=world.tenant))
    with pytest.raises(Unseen):
        commands.put_text(world.tariq, row.id, identity, published + "# mine\n")
    with pytest.raises(Unseen):
        commands.delete_document(world.tariq, row.id, identity)
    assert not Edit.objects.filter(change=row).exists()
    with pytest.raises(NotFound):
        commands.remove_edit(world.tariq, row.id, identity)
    commands.delete_document(world.tariq, row.id, identity, digest(published))
    assert Edit.objects.get(change=row).deletes


def test_a_new_document_and_one_that_cannot_be_read_need_no_digest(world: World) -> None:
    row, _, _ = begun(world)
    fresh = ("Permission", world.tenant, "fresh")
    commands.put_text(world.cleo, row.id, fresh, permission("fresh", world.tenant))
    commands.put_texts(world.cleo, row.id, "kind: [")
    commands.put_texts(world.cleo, row.id, "kind: {")
    assert Edit.objects.filter(change=row).count() == 4


def test_texts_that_were_read_beside_an_older_revision_open_nothing(world: World) -> None:
    before, told = ChangeRequest.objects.count(), len(entries())
    now = require_published()
    with pytest.raises(BaseMoved) as error:
        commands.draft(world.cleo, NewChange(title="Old", tenant=world.tenant, base=now - 1))
    assert f"revision {now} was published since" in error.value.message
    assert (ChangeRequest.objects.count(), len(entries())) == (before, told)
    row = commands.draft(world.cleo, NewChange(title="New", tenant=world.tenant, base=now))
    assert row.base == now


def test_two_new_documents_of_one_name_meet(world: World) -> None:
    row = commands.draft(world.tariq, NewChange(title="Two at once", tenant=world.tenant))
    identity = ("Permission", world.tenant, "fresh")
    hers = permission("fresh", world.tenant)
    commands.put_text(world.cleo, row.id, identity, hers, NOTHING)
    his = hers + "# mine\n"
    refused(world.tariq, row.id, identity, his, NOTHING, by=world.cleo, text=hers)


def test_neither_taking_out_nor_deleting_goes_over_a_newer_text(world: World) -> None:
    published = permission("stands", world.tenant)
    force(published)
    identity = ("Permission", world.tenant, "stands")
    row = opened(world.tariq, published + "# mine\n", of=world.tenant, submit=False)
    seen = digest(published + "# mine\n")
    hers = published + "# hers\n"
    commands.put_text(world.cleo, row.id, identity, hers, seen)
    for act in (commands.delete_document, commands.remove_edit):
        with pytest.raises(Overtaken):
            act(world.tariq, row.id, identity, seen)
    assert stored(row) == (hers, world.cleo.actor)
    commands.delete_document(world.tariq, row.id, identity, digest(hers))
    with pytest.raises(Overtaken) as error:
        commands.put_text(world.cleo, row.id, identity, hers, digest(hers))
    assert error.value.theirs.deletes
    commands.remove_edit(world.cleo, row.id, identity, DELETED)
    with pytest.raises(NotFound):
        commands.remove_edit(world.cleo, row.id, identity, digest(published))


def test_many_texts_replace_nothing_that_came_meanwhile(world: World) -> None:
    row, identity, text = begun(world)
    before = row.digest
    hers = text + "# hers\n"
    commands.put_text(world.cleo, row.id, identity, hers, digest(text))
    new = permission("another", world.tenant)
    with pytest.raises(Overtaken):
        commands.put_texts(world.tariq, row.id, f"{new}---\n{text}", before)
    assert stored(row) == (hers, world.cleo.actor)
    commands.put_texts(world.tariq, row.id, new, before)
    assert Edit.objects.filter(change=row).count() == 2


def test_a_text_begun_from_what_is_published_meets_what_stands_in_the_draft(world: World) -> None:
    published = permission("live", world.tenant)
    force(published)
    identity = ("Permission", world.tenant, "live")
    row = commands.draft(world.tariq, NewChange(title="On live", tenant=world.tenant))
    newer = published + "# a later revision\n"
    force(newer)
    # neither the base's text nor the newest is another's edit: a rebase tells those two apart
    commands.put_text(world.tariq, row.id, identity, newer + "# mine\n", digest(newer))
    refused(
        world.cleo, row.id, identity, published, digest(published),
        by=world.tariq, text=newer + "# mine\n",
    )  # fmt: skip
