"""Rebase: different fields merge, the same field is chosen, nothing is lost, and approvals go exactly where something changed."""

from typing import Any

import pytest

from controlplane.kernel.errors import InvalidRequest
from policies.bundles.read import published_documents
from policies.changes import commands, publishing, rebasing
from policies.changes.commands import NewChange
from policies.changes.models import ChangeRequest
from policies.changes.refusals import FieldsClash
from policies.changes.seen import ANYTHING
from policies.documents.document import Identity
from policies.order.lock import control
from tests.policies.changes.world import World, budget, force, opened
from tests.policies.people import entries
from tests.policies.texts import permission

pytestmark = pytest.mark.usefixtures("application_role")


def of(world: World) -> Identity:
    return "Budget", world.tenant, "b"


def raised(world: World) -> tuple[ChangeRequest, str]:
    """Tariq raises a published limit, with a word of his own beside it."""
    force(budget("b", world.tenant))
    text = budget("b", world.tenant, "200.00").replace("spec:", "# asked by sales\nspec:")
    row = opened(world.tariq, text, permission("p", world.tenant), of=world.tenant)
    return row, text


def standing(row: ChangeRequest) -> int:
    return row.approvals.filter(dismissed_at=None).count()


def source(row: ChangeRequest) -> str:
    return row.edits.get(kind="Budget").source


def test_different_fields_merge_and_approvals_begin_anew(world: World) -> None:
    row, text = raised(world)
    publishing.approve(world.finn, row.id)
    force(budget("b", world.tenant).replace("month", "quarter"))
    digest = row.digest
    done = rebasing.rebase(world.cleo, row.id)
    assert source(row) == text.replace("month", "quarter")
    assert (done.state, standing(row), done.base) == ("approval", 0, control().revision)
    assert (done.digest != digest, done.last_editor) == (True, world.cleo.actor)
    edit = row.edits.get(kind="Budget")
    assert edit.before == budget("b", world.tenant).replace("month", "quarter")
    assert (edit.written_by, edit.edited_by) == (world.tariq.actor, world.cleo.actor)
    (told,) = entries(row.subject, "change.rebased")
    named = f"Budget {world.tenant}/b"
    assert told["data"] == {
        "from": row.base,
        "base": done.base,
        "kept": [],
        "merged": [named],
        "chosen": [],
    }


@pytest.mark.parametrize(("side", "limit"), [("mine", "200.00"), ("theirs", "50.00")])
def test_the_same_field_is_shown_with_both_values_and_chosen(
    world: World, side: str, limit: str
) -> None:
    row, _ = raised(world)
    theirs = budget("b", world.tenant, "50.00").replace("month", "quarter")
    force(theirs)
    before = (row.digest, row.base, source(row))
    with pytest.raises(FieldsClash, match=r"choose a side") as error:
        rebasing.rebase(world.tariq, row.id)
    assert error.value.details["fields"] == [
        {
            "kind": "Budget",
            "tenant": world.tenant,
            "name": "b",
            "path": "spec.limit",
            "was": "'100.00'",
            "theirs": "'50.00'",
            "mine": "'200.00'",
        }
    ]
    row.refresh_from_db()
    assert (row.digest, row.base, source(row)) == before
    done = rebasing.rebase(
        world.tariq, row.id, choices=rebasing.choices_of([(of(world), "spec.limit", side)])
    )
    assert done.state == "approval"
    if side == "theirs":
        assert not row.edits.filter(kind="Budget").exists()
        return
    assert f'limit: "{limit}"' in source(row)
    assert "period: quarter" in source(row)
    assert "# asked by sales" in source(row)


def test_what_they_took_away_and_what_one_takes_away_oneself(world: World) -> None:
    row, text = raised(world)
    force(delete=[of(world)])
    with pytest.raises(FieldsClash) as error:
        rebasing.rebase(world.tariq, row.id)
    fields: Any = error.value.details["fields"]
    assert [(f["path"], f["theirs"], f["mine"]) for f in fields] == [("", "", text)]
    rebasing.rebase(world.tariq, row.id, choices={of(world): {"": "mine"}})
    edit = row.edits.get(kind="Budget")
    assert (edit.source, edit.before) == (text, None)


def test_a_deletion_over_a_change_of_theirs_is_chosen(world: World) -> None:
    force(budget("b", world.tenant))
    row = commands.draft(world.tariq, NewChange(title="x", tenant=world.tenant))
    commands.delete_document(world.tariq, row.id, of(world), ANYTHING)
    publishing.submit(world.tariq, row.id)
    force(budget("b", world.tenant, "1.00"))
    with pytest.raises(FieldsClash):
        rebasing.rebase(world.tariq, row.id)
    rebasing.rebase(world.tariq, row.id, choices={of(world): {"": "mine"}})
    edit = row.edits.get()
    assert (edit.deletes, edit.before) == (True, budget("b", world.tenant, "1.00"))


def test_a_base_that_moved_elsewhere_leaves_approvals(world: World) -> None:
    row, text = raised(world)
    publishing.approve(world.finn, row.id)
    moved = force(permission("elsewhere", world.other))
    done = rebasing.rebase(world.tariq, row.id)
    assert (done.base, done.digest, source(row)) == (moved, row.digest, text)
    assert (done.state, standing(row), done.last_editor) == ("approval", 1, world.tariq.actor)
    assert publishing.approve(world.cleo, row.id).state == "published"


def test_rules_that_moved_dismiss_though_no_text_did(world: World) -> None:
    row, _ = raised(world)
    publishing.approve(world.finn, row.id)
    organisation = next(
        d.source for d in published_documents().documents if d.kind == "Organisation"
    )
    force(organisation.replace("UTC", "Europe/Berlin"))
    done = rebasing.rebase(world.tariq, row.id)
    assert (done.digest, standing(row)) == (row.digest, 0)


def test_nothing_to_rebase_writes_nothing(world: World) -> None:
    row, _ = raised(world)
    before = len(entries(row.subject))
    assert rebasing.rebase(world.tariq, row.id).digest == row.digest
    assert len(entries(row.subject)) == before


def test_a_side_is_mine_or_theirs(world: World) -> None:
    with pytest.raises(InvalidRequest, match='"both" is neither'):
        rebasing.choices_of([(of(world), "spec.limit", "both")])
