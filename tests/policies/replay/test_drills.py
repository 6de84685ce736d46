"""Exit drills: who still serves what without a vendor, a provider, a model or a region; what is evidence of it, and for whom."""

import json

import pytest

from controlplane.kernel.errors import Forbidden, InvalidRequest, NotFound
from policies.bundles.snapshot import published
from policies.order.lock import control
from policies.replay import access, commands, drills, job
from policies.replay.models import Replay
from policies.replay.results import part_of
from policies.replay.values import Attempted
from tests.policies.changes.world import World, force
from tests.policies.people import entries
from tests.policies.replay.world import Past, record, yaml
from tests.refusing import refuses_first

pytestmark = pytest.mark.usefixtures("application_role")


def ran(row: Replay, past: Past) -> Replay:
    while job.run_next(past) is not None:
        pass
    row.refresh_from_db()
    return row


def test_without_the_vendor_of_the_first_model_the_second_serves_and_costs_more(
    world: World,
) -> None:
    calls = [record(world.tenant, hours) for hours in (3, 2, 1)]
    record(world.other, team="x")
    used = (Attempted(f"{world.tenant}/cheap", 1000, 0, 0, 500),)
    before = control()
    row = drills.begin(world.cleo, drills.Drill("vendor", "there", 7, world.tenant))
    assert (row.what, row.state, row.away["models"]) == (
        "drill",
        "queued",
        [f"{world.tenant}/cheap"],
    )
    ran(row, Past(used=dict.fromkeys(calls, used)))
    counts = part_of(row.result, None).counts
    assert (counts.calls, counts.rerouted, counts.served_before, counts.served_after) == (
        3,
        3,
        3,
        3,
    )
    assert counts.served == {f"{world.tenant}/dear": 3}
    assert (counts.cost_before_nano, counts.cost_nano) == (3 * 1_500_000, 3 * 13_500_000)
    found = drills.evidence(world.cleo, row.id)
    assert found["sentence"] == (
        "100 % of what was served still would be: 3 of 3 calls, 0.0405 EUR dearer in this time."
    )
    assert found["result"]["away"] == {
        "kind": "vendor",
        "name": "there",
        "models": [f"{world.tenant}/cheap"],
    }
    assert json.loads(json.dumps(found))["digest"] == row.digest
    assert [one["before"] for one in found["samples"]] == [f"{world.tenant}/cheap"] * 3
    told = entries(f"drill:{row.id.hex}")
    assert [(e["kind"], e["tenant"]) for e in told] == [
        ("replay.started", world.tenant),
        ("replay.finished", world.tenant),
    ]
    assert told[1]["data"]["digest"] == row.digest
    assert control() == before


def test_a_hard_rule_then_blocks_and_is_named(world: World) -> None:
    force(
        yaml(
            "Permission",
            "not-dear",
            {
                "effect": "forbid",
                "level": "hard",
                "on": "model",
                "when": 'model.name == "dear" && request.stream',
            },
            world.tenant,
        )
    )
    record(world.tenant, stream=True)
    record(world.tenant)
    row = ran(drills.begin(world.ada, drills.Drill("region", "us", 1, world.tenant)), Past())
    counts = part_of(row.result, None).counts
    assert (counts.denied, counts.rerouted, counts.served_after) == (1, 1, 1)
    assert counts.blocked == {f"Permission {world.tenant}/not-dear": 1}


def test_what_goes_away_with_what(world: World) -> None:
    bundle, of = published().bundle, world.tenant
    both = [f"{of}/cheap", f"{of}/dear"]

    def gone(kind: str, name: str) -> list[str]:
        return drills.models_of(bundle, drills.Drill(kind, name, 7, of))

    assert gone("vendor", "here") == [f"{of}/dear"]
    assert gone("provider", f"{of}/p") == both
    assert gone("model", f"{of}/cheap") == [f"{of}/cheap"]
    assert gone("region", "eu") == [f"{of}/dear"]
    assert gone("nothing", "eu") == []
    # a tenant's drill knows no model of another
    assert gone("model", f"{world.other}/cheap") == []
    assert f"{world.other}/cheap" not in drills.choices(bundle, of)["model"]
    assert f"{world.other}/cheap" in drills.choices(bundle, "")["model"]


@refuses_first("replay.begin", "replay.cancel_drill")
def test_who_may_and_who_sees_it(world: World) -> None:
    wanted = drills.Drill("vendor", "there", 7, world.tenant)
    with pytest.raises(Forbidden, match="run by its admins, authors, approvers or auditors"):
        drills.begin(world.tariq, wanted)
    with pytest.raises(NotFound):
        drills.begin(world.mallory, wanted)
    with pytest.raises(Forbidden):
        drills.begin(world.mallory, drills.Drill("vendor", "there", 7))
    with pytest.raises(InvalidRequest, match='no model goes away with the vendor "nobody"'):
        drills.begin(world.ada, drills.Drill("vendor", "nobody", 7))
    assert not Replay.objects.filter(what="drill", tenant=world.tenant).exists()
    row = drills.begin(world.ada, wanted)
    assert drills.begin(world.cleo, wanted).id == row.id
    with pytest.raises(InvalidRequest, match="this exit drill is queued"):
        drills.evidence(world.ada, row.id)
    with pytest.raises(NotFound):
        access.drill(world.mallory, row.id)
    with pytest.raises(NotFound):
        commands.cancel_drill(world.mallory, row.id)
    theirs = drills.begin(world.mallory, drills.Drill("vendor", "there", 7, world.other))
    assert list(access.drills(world.mallory)) == [theirs]
    assert commands.cancel_drill(world.mallory, theirs.id).state == "cancelled"
    assert commands.cancel_drill(world.cleo, row.id).state == "cancelled"
