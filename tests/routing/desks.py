"""What a web process admits with, over PostgreSQL: under a bundle that nobody published, without rate limits."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from audit.vault.store import KeyStore
from controlplane.kernel.clock import system_clock
from policies.bundles.snapshot import Snapshot
from policies.engine.bundle import Bundle
from policies.identity.authentication import Caller
from routing.dialects.registry import dialect
from routing.gathering import Ask, Desk, Options
from routing.ledger.balances import Windows
from tests.routing.world import KEY_HASH, World


class Free:
    """No rate limit."""

    async def take(self, *_: object) -> None:
        return None

    async def undo(self, *_: object) -> None:
        return None

    async def give_back(self, *_: object) -> None:
        return None


def desk_of(
    world: World, keys: Path, of: Bundle, clock: Callable[[], datetime] = system_clock
) -> Desk:
    """A desk of its own, its keys in that folder."""

    async def current() -> Snapshot:
        return Snapshot(world.revision, world.epoch, of, ())

    return Desk(
        db=world.db,
        snapshots=cast("Any", SimpleNamespace(current=current, reload=current)),
        key_store=KeyStore(keys),
        windows=Windows(world.db),
        breakers=cast("Any", SimpleNamespace(known_open=lambda: ())),
        rates=cast("Any", Free()),
        new_id=world.ids.new,
        clock=clock,
        web=UUID(int=1),
    )


def asked(world: World, deadline_seconds: float = 60.0) -> Ask:
    """A call of the small tenant `a` with the key of that world."""
    raw = json.dumps({"model": "r", "messages": [{"role": "user", "content": "secret words"}]})
    options = Options(data_classes=("public",), deadline_seconds=deadline_seconds)
    sent = dialect("openai.chat").parse_request(raw.encode(), {}, "")
    return Ask(Caller(world.key, KEY_HASH, "a", "t", {}), sent, options)
