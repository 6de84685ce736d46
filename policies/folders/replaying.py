"""A plan's replay: what really came in, decided again under what a folder would put into force. Nothing is handed in."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import Conflict, InvalidRequest
from controlplane.kernel.principal import Principal
from policies.bundles.published import at_revision
from policies.changes.replays import days_of
from policies.folders.folder import Folder
from policies.folders.planning import Wanted, lay, prepared
from policies.replay import access, commands, told
from policies.replay.models import DONE, Replay
from policies.replay.results import Part, part_of

Json = dict[str, Any]


def begin(principal: Principal, folder: Folder, wanted: Wanted, days: int = 0) -> Replay:
    """Put it in the queue, over the days that the Organisation says where none are. An older one of the same person ends.

    Raises as `planning.lay` and `planning.prepared`; InvalidRequest where nothing would change, Conflict if somebody publishes.
    """
    laid = lay(principal, folder, wanted)
    if not laid.difference:
        raise InvalidRequest("nothing would change, so there is nothing to replay")
    candidate = prepared(principal, laid)
    in_force = at_revision(laid.base.revision)
    if in_force is None:
        raise Conflict("nothing is published yet, or somebody publishes just now; try again")
    replay = commands.Wanted(
        base=laid.base.revision,
        base_digest=in_force.digest,
        days=days or days_of(laid.base.documents),
        tenant=wanted.tenant,
        title="A folder that is planned",
        content=laid.digest,
        draft=candidate.bundle.text,
        draft_checked=candidate.forms.encode(),
    )
    return commands.begin(principal, replay)


def facts(principal: Principal, replay: UUID) -> Json:
    """How far it is, and once it is done what it came to, for who began it. Raises NotFound."""
    row = access.planned(principal, replay)
    part = part_of(row.result, access.tenants_seen(principal)) if row.state == DONE else None
    return {
        "id": str(row.id),
        "state": row.state,
        "told": row.told,
        "percent": row.percent,
        "calls": row.done if part is None else part.counts.calls,
        "days": row.days,
        "since": to_text(row.since),
        "until": to_text(row.until),
        "base": row.base,
        "content": row.content,
        "digest": row.digest,
        "found": None if part is None else told.body(part),
        "says": [] if part is None else list(_says(part)),
    }


def _says(part: Part) -> Iterator[str]:
    """What it came to, line by line: all of it, each tenant where there is more than one, and what nobody can say."""
    yield told.sentence(part.counts)
    if part.counts.calls:
        yield f"All of it {told.words_of(part.counts.cost_nano, part.currency)}."
    if len(part.tenants) > 1:
        for name in sorted(part.tenants):
            counts = part.tenants[name]
            yield f"{name}: {told.sentence(counts)} {told.words_of(counts.cost_nano, part.currency)}".rstrip()
    yield from filter(None, (told.undecidable(part.counts), told.unknown(part.counts)))
