"""The card of a replay and the pages of exit drills, as Tariq and Cleo see them."""

import json
from uuid import UUID

import pytest

from policies.replay import job
from policies.replay.models import OPEN, Replay
from tests.policies.changes.world import World, force, opened
from tests.policies.replay.world import Past, documents, record
from tests.policies.texts import permission
from tests.policies.ui.conftest import Pages, words


@pytest.fixture(autouse=True)
def _models(world: World) -> None:
    Replay.objects.filter(state__in=OPEN).update(state="cancelled")
    force(*documents(world.tenant), *documents(world.other))


def work() -> None:
    while job.run_next(Past()) is not None:
        pass


def draft(world: World) -> UUID:
    no = permission("no", world.tenant, "request.stream", "forbid")
    return opened(world.tariq, no, of=world.tenant).id


def test_tariq_replays_his_draft_and_cleo_reads_what_it_found(world: World) -> None:
    tariq, cleo = Pages(world.tariq), Pages(world.cleo)
    record(world.tenant, stream=True)
    record(world.tenant)
    change = draft(world)
    page = f"/change-requests/{change}/"
    assert "A replay decides every recorded call" in words(tariq.get(page))
    shown = tariq.post(f"{page}replay/begin/")
    assert "Waiting for its turn" in words(shown)
    assert f'hx-get="{page}replay/"' in shown.content.decode()
    part = tariq._client.get(f"{page}replay/", headers={"hx-request": "true"})
    assert "Waiting for its turn" in words(part)
    assert "<html" not in part.content.decode()
    assert tariq.get(f"{page}replay/").status_code == 302
    work()
    done = cleo.get(page)
    told = words(done)
    assert "1 of 2 calls would fare otherwise: 1 denied." in told
    assert "Run again" in told
    assert "hx-trigger" not in done.content.decode().split('id="replay"')[1].split(">")[0]
    assert told.index("would fare otherwise") < told.index("In plain words")
    assert 'class="k-denied"' in done.content.decode()
    assert f"{world.tenant}/cheap → denied" in words(
        cleo.get(f"{page}replay/samples/?class=denied")
    )
    assert "No sample" in words(cleo.get(f"{page}replay/samples/?class=held"))
    force(permission("elsewhere", world.other))
    assert "This is stale:" in words(cleo.get(page))
    mallory = Pages(world.mallory)
    for path in ("", "replay/", "replay/samples/"):
        assert mallory.get(f"{page}{path}").status_code == 404
    assert mallory.post(f"{page}replay/begin/").status_code == 404
    assert Replay.objects.filter(change=change).count() == 1


def test_it_is_cancelled_on_the_page(world: World) -> None:
    tariq, finn = Pages(world.tariq), Pages(world.finn)
    page = f"/change-requests/{draft(world)}/"
    tariq.post(f"{page}replay/begin/")
    assert finn.post(f"{page}replay/cancel/").status_code == 403
    assert "The last replay was cancelled" in words(tariq.post(f"{page}replay/cancel/"))
    assert "This replay is cancelled." in words(tariq.post(f"{page}replay/cancel/"))


def test_cleo_takes_a_model_away_and_files_the_evidence(world: World) -> None:
    cleo = Pages(world.cleo)
    record(world.tenant)
    page = "/reports/exit-drills/"
    assert f'value="model:{world.tenant}/cheap"' in cleo.get(page).content.decode()
    wanted = {"what": f"model:{world.tenant}/cheap", "tenant": world.tenant, "days": "7"}
    begun = cleo.post(page, **wanted)
    assert "Waiting for its turn" in words(begun)
    row = Replay.objects.get(what="drill", tenant=world.tenant)
    one = f"{page}{row.id}/"
    refused = cleo._client.get(f"{one}evidence/")
    assert (refused.status_code, refused["Location"]) == (302, one)
    work()
    told = words(cleo.get(one))
    assert "100 % of what was served still would be: 1 of 1 calls, at the same cost" in told
    assert f"{world.tenant}/dear" in told
    file = cleo.get(f"{one}evidence/")
    assert file["Content-Disposition"] == f'attachment; filename="exit-drill-{row.id.hex}.json"'
    assert json.loads(file.content)["digest"] == Replay.objects.get(pk=row.id).digest
    assert f"Without the model {world.tenant}/cheap" in words(cleo.get(page))
    assert "no model goes away" in words(cleo.post(page, what="model:none", days="x")).lower()
    mallory = Pages(world.mallory)
    assert mallory.get(one).status_code == 404
    assert mallory.get(f"{one}evidence/").status_code == 404
    assert f"Without the model {world.tenant}" not in words(mallory.get(page))
    assert Pages(world.tariq).post(page, **wanted).status_code == 403
    again = cleo.post(page, **wanted)
    assert "Waiting for its turn" in words(again)
    newest = Replay.objects.filter(what="drill", tenant=world.tenant).latest("id")
    assert "It was cancelled" in words(cleo.post(f"{page}{newest.id}/cancel/"))
