"""The page of a change request: what a yes binds, why one's own is off, what clashes, the time, and publishing alone."""

from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from policies.changes import publishing, scheduling, shadows
from policies.changes.models import ChangeRequest, Glass, Shadow
from policies.changes.waiting import lately
from policies.order.lock import control, mandate_now
from tests.policies.changes.world import World, budget, force, opened
from tests.policies.replay.world import Past, documents, record
from tests.policies.texts import permission
from tests.policies.ui.conftest import Pages, words


def page(row: ChangeRequest) -> str:
    return f"/change-requests/{row.id}/"


def test_what_a_yes_binds_is_shown_and_travels_in_the_form(world: World) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    cleo = Pages(world.cleo)
    found = cleo.get(page(row)).content.decode()
    for name, value in (("base", row.base), ("digest", row.digest), ("replay", "")):
        assert f'name="{name}" value="{value}"' in found
    assert f'<code title="{row.digest}">' in found
    before = control()
    said = words(cleo.post(f"{page(row)}approve/", base=row.base, digest="0" * 64, replay=""))
    assert "Somebody edited this since you read it" in said
    said = words(cleo.post(f"{page(row)}approve/", base=row.base - 1, digest=row.digest))
    assert f"You read it over revision {row.base - 1}" in said
    said = words(cleo.post(f"{page(row)}approve/", base="x", digest=row.digest))
    assert "Load the page again" in said
    assert control() == before
    done = cleo.post(f"{page(row)}approve/", base=row.base, digest=row.digest, replay="")
    assert f"Revision {before.revision + 1} is in force." in words(done)


def test_on_ones_own_approve_is_off_and_says_why(world: World) -> None:
    row = opened(world.cleo, permission("p", world.tenant), of=world.tenant)
    found = Pages(world.cleo).get(page(row))
    assert "You wrote or last edited this; another person approves it" in words(found)
    assert 'type="button" disabled>' in found.content.decode()
    assert "approve/" not in found.content.decode()
    assert 'aria-current="step"' in found.content.decode()


def test_the_difference_side_by_side(world: World) -> None:
    force(permission("p", world.tenant))
    text = permission("p", world.tenant, "request.stream")
    row = opened(world.tariq, text, of=world.tenant)
    cleo = Pages(world.cleo)
    assert "diff-side" not in cleo.get(page(row)).content.decode()
    side = cleo.get(f"{page(row)}?view=side").content.decode()
    assert side.count("diff-side") == 1
    assert 'class="diff-text diff-out"' in side
    assert 'class="diff-text diff-in"' in side


def test_clashing_fields_are_chosen_on_the_page(world: World) -> None:
    force(budget("b", world.tenant))
    row = opened(world.tariq, budget("b", world.tenant, "200.00"), of=world.tenant)
    force(budget("b", world.tenant, "50.00").replace("month", "quarter"))
    tariq = Pages(world.tariq)
    found = words(tariq.get(page(row)))
    assert "Both changed spec.limit, which was '100.00'" in found
    assert "Theirs: '50.00'" in found
    assert "This change request's: '200.00'" in found
    assert "Comes in by itself: spec.period." in found
    field = f"side|Budget|{world.tenant}|b|spec.limit"
    assert "choose a side for each" in words(tariq.post(f"{page(row)}rebase/"))
    said = words(tariq.post(f"{page(row)}rebase/", **{field: "mine"}))
    assert "It is written against the bundle in force now." in said
    source = row.edits.get().source
    assert ('limit: "200.00"' in source, "period: quarter" in source) == (True, True)


def test_a_time_in_the_organisations_zone_and_its_end(world: World) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    tariq = Pages(world.tariq)
    at = (timezone.now() + timedelta(days=1)).replace(second=0, microsecond=0)
    typed = at.strftime("%Y-%m-%dT%H:%M")
    assert "Day and time, UTC" in words(tariq.get(page(row)))
    assert "Choose a day and a time" in words(tariq.post(f"{page(row)}schedule/", publish_at="x"))
    said = words(tariq.post(f"{page(row)}schedule/", publish_at=typed))
    row.refresh_from_db()
    assert row.publish_at == at
    assert "Once approved it is published" in said
    publishing.approve(world.cleo, row.id)
    cleo = Pages(world.cleo)
    assert "Publish now" not in words(cleo.get(page(row)))
    assert "The time is taken away" in words(cleo.post(f"{page(row)}unschedule/"))
    now = ChangeRequest.objects.get(pk=row.pk)
    assert (now.publish_at, now.state) == (None, "approval")


def test_what_was_held_back_says_why_and_is_on_the_overview(world: World) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    scheduling.schedule(world.tariq, row.id, mandate_now() + timedelta(hours=1))
    publishing.approve(world.cleo, row.id)
    force(permission("p", world.tenant, "request.stream"))
    ChangeRequest.objects.filter(pk=row.pk).update(publish_at=mandate_now())
    scheduling.publish_due()
    tariq = Pages(world.tariq)
    assert "It was not published when its time came: others changed" in words(tariq.get(page(row)))
    assert "1 change was held back at the time to publish" in words(tariq.get("/"))
    assert lately(world.mallory).flagged == ()


def test_publishing_alone_is_flagged_until_another_confirms_it(world: World) -> None:
    soft = permission("f", world.tenant, effect="forbid") + "  level: soft\n"
    row = opened(world.ada, soft)
    ada, dora = Pages(world.ada), Pages(world.dora)
    assert "Publish alone in an emergency" in words(ada.get(page(row)))
    assert "Publish alone in an emergency" not in words(dora.get(page(row)))
    read = {"base": row.base, "digest": row.digest, "replay": ""}
    done = ada.post(f"{page(row)}break-glass/", reason="it leaks", **read)
    assert "is in force" in words(done)
    assert "Not reviewed yet. You published this alone; another person reviews it." in words(done)
    # other tests may have left some too: the organisation's people see all
    for who, seen in ((world.ada, ada), (world.dora, dora)):
        assert row in lately(who).flagged
        assert "Another member reviews it." in words(seen.get("/"))
    assert "another person reviews it" in words(ada.post(f"{page(row)}confirm-glass/"))
    assert Glass.objects.get(change=row).verdict == ""
    said = words(dora.post(f"{page(row)}confirm-glass/", reason="right so"))
    assert "Dora reviewed it: confirmed, “right so”" in said
    assert row not in lately(world.dora).flagged


def test_what_permits_more_is_not_offered_alone(world: World) -> None:
    row = opened(world.ada, permission("p", world.tenant))
    assert "Publish alone" not in words(Pages(world.ada).get(page(row)))


def test_a_shadow_is_begun_shown_and_stopped(world: World) -> None:
    force(*documents(world.tenant))
    text = permission("no-streams", world.tenant, "request.stream", "forbid")
    row = opened(world.tariq, text, of=world.tenant)
    tariq = Pages(world.tariq)
    assert "Say for how many hours" in words(tariq.post(f"{page(row)}shadow/", hours="x"))
    assert "No caller notices" in words(tariq.post(f"{page(row)}shadow/", hours="4"))
    Shadow.objects.filter(change=row).update(started_at=mandate_now() - timedelta(hours=1))
    call = record(world.tenant, 0.3, stream=True)
    shadows.run_all(Past())
    said = words(tariq.get(page(row)))
    assert "1 of 1 call would be different: 1 denied, 0 held" in said
    assert f"/calls/call_{call.hex}/" in tariq.get(page(row)).content.decode()
    # of the fifteen one is kept for who also reviews, and is told how many cases wait
    cleo = Pages(world.cleo)
    with CaptureQueriesContext(connection) as queries:
        assert "Shadow" in words(cleo.get(page(row)))
    assert len(queries) <= 14
    assert "Stopped. What it found stays." in words(tariq.post(f"{page(row)}stop-shadow/"))
    assert "stopped" in words(tariq.get(page(row)))
