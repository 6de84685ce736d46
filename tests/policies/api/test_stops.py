"""A stop with an Idempotency-Key is set once."""

from policies.stops.models import Stop
from tests.policies.api.conftest import api
from tests.policies.changes.world import World


def test_the_same_key_sets_one_stop(world: World) -> None:
    ada = api(world.ada)
    wanted = {"scope": {"kind": "tenant", "name": world.tenant}, "reason": "tried twice"}
    first = ada("POST", "stops/", wanted, key="stop-1")
    assert first[0] == 201
    assert ada("POST", "stops/", wanted, key="stop-1") == first
    assert Stop.objects.filter(scope__name=world.tenant).count() == 1
    again = {**wanted, "reason": "another reason"}
    assert ada("POST", "stops/", again, key="stop-1")[0] == 409
    # without lifting it, later tests of this database would meet it
    Stop.objects.filter(scope__name=world.tenant).update(lifted_at=first[1]["setAt"])
