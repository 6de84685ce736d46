"""Every step of a change request from the command line, here and at a server; members alone say yes."""

import json

import pytest
from pytest_django.live_server_helper import LiveServer

from controlplane.kernel.clock import to_text
from policies.changes.models import Approval, ChangeRequest, Glass, Shadow
from policies.order.lock import control
from tests.policies.changes.conftest import world
from tests.policies.changes.world import World, budget, force, opened
from tests.policies.management.running import run
from tests.policies.management.test_server import at, token
from tests.policies.texts import permission

pytestmark = pytest.mark.usefixtures("application_role")
__all__ = ["world"]
LATER = "2099-01-01T06:00+01:00"


def one(world: World) -> ChangeRequest:
    """A rule of the tenant that waits for approval."""
    return opened(world.tariq, permission("p", world.tenant), of=world.tenant)


def now(row: ChangeRequest) -> ChangeRequest:
    row.refresh_from_db()
    return row


def test_a_time_is_set_approved_and_taken_away_at_a_server(
    world: World, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = one(world)
    asked = at(live_server, monkeypatch, world.tariq, "schedule", str(row.id), LATER)
    assert asked.said.splitlines() == [
        f"change request {row.id} is in state approval: 1 more with the role approver for Permission"
    ]
    assert to_text(now(row).publish_at or row.created_at)[:16] == "2099-01-01T05:00"
    done = at(live_server, monkeypatch, world.cleo, "approve", str(row.id), "--json")
    assert json.loads(done.said)["state"] == "scheduled"
    given = Approval.objects.get(change=row)
    assert (given.actor, given.base, given.digest) == (world.cleo.actor, row.base, row.digest)
    early = at(live_server, monkeypatch, world.cleo, "publish", str(row.id))
    assert (early.code, "approved for a later time" in early.complained) == (1, True)
    at(live_server, monkeypatch, world.tariq, "unschedule", str(row.id))
    assert (now(row).publish_at, row.state) == (None, "approval")
    before = control()
    foreign = at(live_server, monkeypatch, world.mallory, "approve", str(row.id))
    assert (foreign.code, control()) == (1, before)
    at(live_server, monkeypatch, world.cleo, "approve", str(row.id))
    assert control().revision == before.revision + 1


@pytest.mark.parametrize("time", ["tomorrow", "2099-01-01T06:00"])
def test_a_time_says_its_zone(world: World, time: str) -> None:
    row = one(world)
    done = run("policy", "schedule", str(row.id), time)
    assert (done.code, now(row).publish_at) == (1, None)
    assert "write 2026-12-01T06:00Z" in done.complained


def test_a_shadow_here(world: World) -> None:
    row = one(world)
    assert run("policy", "shadow", str(row.id), "--hours", "2").code == 0
    shadow = Shadow.objects.get(change=row)
    assert ((shadow.until - shadow.started_at).total_seconds(), shadow.running) == (7200, True)
    assert run("policy", "stop-shadow", str(row.id)).code == 0
    shadow.refresh_from_db()
    assert (shadow.running, shadow.told) == (False, "stopped")
    assert run("policy", "stop-shadow", str(row.id)).code == 1


def test_a_rebase_chooses_here_as_at_a_server(
    world: World, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(budget("b", world.tenant))
    row = opened(world.tariq, budget("b", world.tenant, "200.00"), of=world.tenant)
    force(budget("b", world.tenant, "50.00"))
    name = f"Budget/{world.tenant}/b"
    clash = at(live_server, monkeypatch, world.tariq, "rebase", str(row.id))
    assert (clash.code, "choose a side for each" in clash.complained) == (1, True)
    wrong = run("policy", "rebase", str(row.id), "--choose", f"{name}:spec.limit=both")
    assert '"both" is neither "mine" nor "theirs"' in wrong.complained
    choice = ("--choose", f"{name}:spec.limit=mine")
    done = at(live_server, monkeypatch, world.tariq, "rebase", str(row.id), *choice)
    assert (done.code, now(row).base) == (0, control().revision)
    assert 'limit: "200.00"' in row.edits.get().source
    force(budget("b", world.tenant, "60.00"))
    assert run("policy", "rebase", str(row.id), "--mine", name).code == 0
    assert (now(row).base, 'limit: "200.00"' in row.edits.get().source) == (
        control().revision,
        True,
    )


def test_glass_is_for_members_and_reviewed_by_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = opened(world.ada, permission("f", world.tenant, effect="forbid") + "  level: soft\n")
    before = control()
    alone = ("break-glass", str(row.id), "--reason", "it leaks")
    monkeypatch.delenv("MANDATE_TOKEN", raising=False)
    operator = run("policy", *alone)
    assert (operator.code, control()) == (1, before)
    assert "a member publishes alone, not an account on the machine" in operator.complained
    monkeypatch.setenv("MANDATE_TOKEN", token(world.ada))
    assert run("policy", *alone).said == (
        f"revision {before.revision + 1} is in force, by change request {row.id}, "
        "flagged: one person published alone\n"
    )
    review = ("review-glass", str(row.id), "confirmed", "--reason", "right so")
    assert "another person reviews it" in run("policy", *review).complained
    monkeypatch.setenv("MANDATE_TOKEN", token(world.dora))
    assert run("policy", *review).code == 0
    found = Glass.objects.get(change=row)
    assert (found.verdict, found.reviewed_by, found.note) == (
        "confirmed",
        world.dora.actor,
        "right so",
    )


def test_show_and_withdraw(world: World) -> None:
    row = one(world)
    said = run("policy", "show", str(row.id)).said
    assert run("policy", "withdraw", str(row.id), "--reason", "not now").said == (
        f"change request {row.id} is in state withdrawn\n"
    )
    assert (now(row).state, row.note, "1 more with the role" in said) == (
        "withdrawn",
        "not now",
        True,
    )
