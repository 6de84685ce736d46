"""A desk whose route `r` asks `s` beside, and a call of it that was answered."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

from prometheus_client import REGISTRY

from audit.vault.store import KeyStore
from controlplane.kernel.clock import system_clock
from policies.bundles.snapshot import Snapshot
from policies.identity.authentication import Caller
from routing import admission
from routing.calls import commands
from routing.calls.pool import ask_all
from routing.dialects.registry import dialect
from routing.exchange import CallRequest
from routing.gathering import Ask, Desk, Options
from routing.ledger.balances import Windows
from routing.shadow_runs import ShadowRuns
from routing.ticket import Ticket
from tests.policies.engine.small import EVERYONE, bundle, model, route
from tests.routing.world import KEY_HASH, World

SHADOW = {"models": ["s"], "percent": "100"}
LINK = "SELECT call, tenant, team, route, model FROM routing_beside WHERE of = %s::uuid"


class Free:
    """No rate limit."""

    async def take(self, *_: object) -> None:
        return None

    async def undo(self, *_: object) -> None:
        return None

    async def give_back(self, *_: object) -> None:
        return None


class Bell:
    """Which calls a worker was rung for."""

    def __init__(self) -> None:
        self.rung: list[UUID] = []

    async def ring(self, call: UUID) -> None:
        self.rung.append(call)


def desk_of(world: World, folder: Path, *more: str, shadow: Any = None) -> Desk:
    """Its bundle has `more` too; the route names `shadow`, `s` beside each call unless it says otherwise."""
    own = route("r", "m", shadow=shadow or SHADOW)
    of = bundle(EVERYONE, model("m"), model("s"), own, *more)
    found = Snapshot(world.revision, world.epoch, of, ())

    async def current() -> Snapshot:
        return found

    return Desk(
        db=world.db,
        snapshots=cast("Any", SimpleNamespace(current=current, reload=current)),
        key_store=KeyStore(folder / "store"),
        windows=Windows(world.db),
        breakers=cast("Any", SimpleNamespace(known_open=lambda: ())),
        rates=cast("Any", Free()),
        new_id=world.ids.new,
        clock=system_clock,
        web=uuid4(),
    )


def asked(world: World, **options: Any) -> Ask:
    """A request of team `t` of tenant `a`."""
    raw = json.dumps({"model": "r", "messages": [{"role": "user", "content": "secret words"}]})
    sent: CallRequest = dialect("openai.chat").parse_request(raw.encode(), {}, "")
    told = Options(data_classes=("public",), **options)
    return Ask(Caller(world.key, KEY_HASH, "a", "t", {}), sent, told)


async def answered(world: World, desk: Desk, ask: Ask) -> Ticket:
    """The call is let in, started and completed by `m`."""
    ticket = await admission.admit(desk, ask)
    await commands.start_attempt(world.db, world.start(ticket.call))
    done = world.finish(ticket.call, attempt={"amount_nano": 7, "basis": "reported"})
    await commands.finish_call(world.db, done)
    assert await world.state(ticket.call) == "completed"
    return ticket


async def begun(desk: Desk, ask: Ask, ticket: Ticket) -> Bell:
    """Its shadow runs were begun, and what came of them is over."""
    bell = Bell()
    runs = ShadowRuns(desk, cast("Any", bell))
    runs.begin(ask, ticket.call, ticket.beside)
    await runs.settled()
    return bell


async def links(world: World, of: UUID) -> list[tuple[Any, ...]]:
    """The shadow runs of a call."""
    return list(await ask_all(world.db, LINK, (of,)))


def counted(outcome: str) -> float:
    """How many had this outcome in this process so far."""
    found = REGISTRY.get_sample_value("mandate_shadow_runs_total", {"outcome": outcome})
    return found or 0.0
