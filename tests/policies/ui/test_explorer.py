"""The explorer as members use it: filters, saved views, exports, and who may not."""

import json

from audit.saved.models import SavedView
from tests.policies.changes.world import World
from tests.policies.people import entries
from tests.policies.ui.conftest import Pages, words


def test_a_filter_is_kept_and_its_link_handed_on(world: World) -> None:
    cleo, ada = Pages(world.cleo), Pages(world.ada)
    said = words(cleo.post("/log/views/", name="Mine", what="policy", tenant=world.tenant))
    assert "Kept as “Mine”." in said
    (row,) = SavedView.objects.filter(owner=world.cleo.actor)
    assert row.query == f"tenant={world.tenant}&what=policy"
    handed = ada.get(f"/log/views/{row.pk}/")
    assert (handed.status_code, handed["location"]) == (302, f"/log/?{row.query}")
    assert "Keep this filter as" in words(ada.get(handed["location"]))
    assert ada.post(f"/log/views/{row.pk}/remove/").status_code == 404
    assert "You keep a view" in words(cleo.post("/log/views/", name="Mine", what="stops"))
    assert "The view is removed" in words(cleo.post(f"/log/views/{row.pk}/remove/"))
    assert SavedView.objects.filter(owner=world.cleo.actor).count() == 0


def test_a_filter_that_cannot_be_read_shows_nothing(world: World) -> None:
    said = words(Pages(world.cleo).get("/log/?call=4711"))
    assert "“4711” is no call" in said
    assert "Nothing is shown until it is right." in said
    assert "No entry matches" in said


def test_an_export_is_a_file_and_an_entry(world: World) -> None:
    cleo = Pages(world.cleo)
    answer = cleo.post("/log/export/", format="jsonl", tenant=world.tenant)
    told = entries(kind="export.created", tenant=world.tenant)
    assert (answer.status_code, answer["content-type"]) == (200, "application/jsonl")
    lines = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
    assert {line["entry"]["tenant"] for line in lines} <= {world.tenant}
    assert [e["data"]["filter"] for e in told] == [{"tenant": world.tenant}]
    assert told[0]["data"]["entries"] == len(lines)
    assert cleo.post("/log/export/", format="xls").status_code == 400
    assert cleo.post("/log/export/", format="csv", call="4711").status_code == 400
    assert len(entries(kind="export.created", tenant=world.tenant)) == 1


def test_who_reads_no_log_gets_no_page_no_file_and_no_view(world: World) -> None:
    tariq = Pages(world.tariq)
    before = len(entries(kind="export.created"))
    assert tariq.get("/log/").status_code == 403
    assert tariq.post("/log/export/", format="csv").status_code == 403
    assert tariq.post("/log/views/", name="x", what="policy").status_code == 403
    assert len(entries(kind="export.created")) == before
    assert SavedView.objects.filter(owner=world.tariq.actor).count() == 0
