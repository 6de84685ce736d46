"""Shadow runs whose call has no answer yet: of calls in the background, of held ones, of callers who did not wait."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from routing.calls.pool import Database, ask_all

_PUT: Final = """
    INSERT INTO routing_beside_due (call, model) VALUES (%s::uuid, %s::text) ON CONFLICT DO NOTHING RETURNING call"""
# INVARIANT: whoever deletes it has it: of two processes one
_TAKE: Final = """
    DELETE FROM routing_beside_due WHERE (call, model) IN (
        SELECT d.call, d.model FROM routing_beside_due d JOIN routing_call c ON c.id = d.call
         WHERE c.finished_at IS NOT NULL ORDER BY d.call LIMIT %s)
    RETURNING call, model"""


async def remember(db: Database, call: UUID, model: str) -> None:
    """The model is to be asked beside the call once that has ended."""
    await ask_all(db, _PUT, (call, model))


async def take(db: Database, most: int) -> Mapping[UUID, Sequence[str]]:
    """Calls that have ended meanwhile, with what is to be asked beside them: so many at most, each for this process alone."""
    found: dict[UUID, list[str]] = defaultdict(list)
    for call, model in await ask_all(db, _TAKE, (most,)):
        found[call].append(model)
    return found
