"""Replays and exit drills by API alone: Tariq's draft, the part that each may see, and nothing for Mallory."""

from typing import Any

import pytest

from policies.replay import job
from policies.replay.models import OPEN, Replay
from tests.policies.api.conftest import api
from tests.policies.changes.world import World, force
from tests.policies.people import entries
from tests.policies.replay.world import Past, documents, record
from tests.policies.texts import permission


@pytest.fixture(autouse=True)
def _models(world: World) -> None:
    Replay.objects.filter(state__in=OPEN).update(state="cancelled")
    force(*documents(world.tenant), *documents(world.other))


def work() -> None:
    while job.run_next(Past()) is not None:
        pass


def drafted(tariq: Any, tenant: str) -> str:
    status, made = tariq(
        "POST",
        "change-requests/",
        {
            "title": "No streams",
            "tenant": tenant,
            "documents": permission("no", tenant, "request.stream", "forbid"),
            "submit": True,
        },
    )
    assert status == 201
    return f"change-requests/{made['id']}/"


def test_a_draft_is_replayed_and_its_samples_open(world: World) -> None:
    tariq, cleo, mallory = api(world.tariq), api(world.cleo), api(world.mallory)
    record(world.tenant, stream=True)
    record(world.tenant)
    one = drafted(tariq, world.tenant)
    assert tariq("GET", f"{one}replay/")[0] == 404
    status, begun = tariq("POST", f"{one}replay/", {"days": 3})
    assert (status, begun["state"], begun["days"], begun["found"]) == (202, "queued", 3, None)
    assert tariq("POST", f"{one}replay/", {"days": 3})[1]["id"] == begun["id"]
    assert tariq("GET", f"{one}replay/samples/")[0] == 404
    work()
    status, done = cleo("GET", f"{one}replay/")
    assert (status, done["state"], done["stale"], done["percent"]) == (200, "done", False, 100)
    assert done["found"]["sentence"] == "1 of 2 calls would fare otherwise: 1 denied."
    assert [t["tenant"] for t in done["found"]["tenants"]] == [world.tenant]
    assert len(done["digest"]) == 64
    status, found = cleo("GET", f"{one}replay/samples/?class=denied&limit=1")
    assert (status, len(found["items"]), found["next"]) == (200, 1, None)
    sample = found["items"][0]
    assert (sample["class"], sample["before"], sample["after"]) == (
        "denied",
        f"{world.tenant}/cheap",
        "denied",
    )
    assert cleo("GET", f"{one}replay/samples/?class=held")[1]["items"] == []
    assert cleo("GET", f"{one}replay/samples/?class=other")[0] == 400
    assert cleo("POST", f"{one}replay/cancel/")[0] == 409
    for path in ("replay/", "replay/samples/"):
        assert mallory("GET", f"{one}{path}")[0] == 404
    assert mallory("POST", f"{one}replay/", {})[0] == 404
    assert Replay.objects.filter(change=one.split("/")[1]).count() == 1


def test_an_exit_drill_and_its_evidence(world: World) -> None:
    cleo, tariq, mallory = api(world.cleo), api(world.tariq), api(world.mallory)
    record(world.tenant)
    wanted = {"kind": "model", "name": f"{world.tenant}/cheap", "tenant": world.tenant}
    assert tariq("POST", "exit-drills/", wanted)[0] == 403
    assert mallory("POST", "exit-drills/", wanted)[0] == 404
    status, begun = cleo("POST", "exit-drills/", wanted)
    assert (status, begun["state"], begun["stale"]) == (202, "queued", None)
    one = f"exit-drills/{begun['id']}/"
    assert cleo("GET", f"{one}evidence/")[0] == 400
    work()
    status, done = cleo("GET", one)
    assert (status, done["found"]["counts"]["served"]) == (200, {f"{world.tenant}/dear": 1})
    listed = {row["id"]: row for row in cleo("GET", "exit-drills/")[1]["items"]}[begun["id"]]
    assert (listed["found"], listed["sentence"]) == (None, done["sentence"])
    assert done["sentence"].startswith("100 % of what was served still would be: 1 of 1 calls")
    status, evidence = cleo("GET", f"{one}evidence/")
    assert (status, evidence["digest"]) == (200, done["digest"])
    assert evidence["result"]["counts"]["rerouted"] == 1
    assert len(cleo("GET", f"{one}samples/")[1]["items"]) == 1
    assert cleo("POST", f"{one}cancel/")[0] == 409
    assert mallory("GET", one)[0] == 404
    assert mallory("GET", "exit-drills/")[1]["items"] == []
    assert [e["kind"] for e in entries(f"drill:{begun['id'].replace('-', '')}")] == [
        "replay.started",
        "replay.finished",
    ]
