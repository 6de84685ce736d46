"""A test made of a recorded call: drafted for who may draft, and for nobody else."""

from uuid import UUID

import pytest
from django.db import connection

from controlplane.kernel.errors import Conflict, Forbidden, NotFound
from policies.bundles.snapshot import published
from policies.changes.models import ChangeRequest, Edit
from policies.changes.publishing import submit
from policies.changes.supposing import suppose
from policies.engine.decide import decide
from policies.engine.facts import Facts, KeyFacts, RequestFacts, UserFacts, encode
from policies.order.ids import new_id
from tests.policies.changes.test_analysed import callable_route
from tests.policies.changes.world import World, force


def recorded(world: World, *, digest: bytes | None = None) -> UUID:
    """A call of the tenant's route, decided and recorded as admission does."""
    force(*callable_route(world.tenant))
    call, bundle = new_id(), published().bundle
    facts = Facts(
        now="2026-11-28T12:00:00.000Z",
        call=call.hex,
        tenant=world.tenant,
        team="claims",
        key=KeyFacts(id="k1"),
        route="r",
        user=UserFacts(known=True, ref="5ec4e7"),
        request=RequestFacts(dialect="openai.chat", input_tokens_max=7, input_tokens_estimate=7),
    )
    decision = decide(bundle, facts)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT decision_put(%s, 1::smallint, 'request', %s, %s, %s, %s, %s)",
            [
                call,
                world.tenant,
                bundle.revision,
                decision.effect,
                digest or decision.digest,
                encode(facts),
            ],
        )
    return call


def test_a_call_becomes_a_draft_that_passes_its_checks(world: World) -> None:
    call = recorded(world)
    made = suppose(world.tariq, call, world.tenant)
    row = ChangeRequest.objects.get(pk=made.change.pk)
    assert (row.state, row.tenant, row.author) == ("draft", world.tenant, world.tariq.actor)
    assert row.title == f"A test of call_{call.hex}"
    assert row.reason.startswith("Made of a recorded call. Not in it:\n- who the user was")
    edit = Edit.objects.get(change=row)
    assert edit.identity == ("PolicyTest", world.tenant, f"call-{call.hex[-12:]}")
    assert (edit.problems, edit.source) == ([], made.test.text)
    assert "5ec4e7" not in edit.source
    row = submit(world.tariq, row.id)
    assert row.state == "approval"
    assert row.checks.get(kind="tests").told == "1 test; 1 of 1 rules decided by one"


def test_who_may_not_draft_there_makes_nothing(world: World) -> None:
    call = recorded(world)
    with pytest.raises(Forbidden):
        suppose(world.finn, call, world.tenant)
    with pytest.raises(NotFound):
        suppose(world.mallory, call, world.tenant)
    assert not ChangeRequest.objects.filter(tenant=world.tenant).exists()


def test_a_decision_that_cannot_be_made_again_makes_nothing(world: World) -> None:
    call = recorded(world, digest=b"\x01" * 32)
    with pytest.raises(Conflict, match="cannot be made again"):
        suppose(world.tariq, call, world.tenant)
    with pytest.raises(Conflict, match="nothing was decided"):
        suppose(world.tariq, new_id(), world.tenant)
    assert not ChangeRequest.objects.filter(tenant=world.tenant).exists()


def test_a_call_of_another_tenant_is_no_call_here(world: World) -> None:
    call = recorded(world)
    with pytest.raises(Conflict, match="nothing was decided"):
        suppose(world.cleo, call, world.other)
