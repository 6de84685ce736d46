"""Shadow: a draft decides beside the bundle in force, for some hours, what callers really ask; differences are counted and shown.

Nothing of it is on a call's way: a job reads the decisions of a minute ago and decides them again under both, as a replay does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from django.db import transaction

from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import InvalidRequest, MandateError, NotFound, Unavailable
from controlplane.kernel.principal import Principal
from policies.bundles.publish import Candidate, prepare
from policies.bundles.read import Published, published_documents
from policies.bundles.rules import roles_at
from policies.bundles.snapshot import stored_at
from policies.changes import access, checks
from policies.changes.commands import entry, require_state
from policies.changes.models import OPEN, ChangeRequest, Shadow
from policies.changes.read import edits_of, moved, standing
from policies.changes.refusals import WrongState
from policies.documents.problems import InvalidDocuments
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from policies.replay.access import opens, tenants_seen
from policies.replay.answers import Spoken
from policies.replay.core import Two
from policies.replay.records import Reader, Window, World
from policies.replay.values import Batch, Counts, Sample, Setup, Stored, Tally

MOST_HOURS: Final = 72
LAG: Final = timedelta(seconds=60)
"""How old a decision is before it is looked at: by then most calls have ended, and said what they used."""
BATCHES: Final = 5
SYSTEM: Final = Principal(kind="job", id="shadow", name="the system")


@dataclass(frozen=True, slots=True)
class _Ends(Exception):
    told: str


def start(principal: Principal, change: UUID, hours: int) -> Shadow:
    """Let what stands there now decide beside the bundle in force. For who could write or approve it.

    Raises NotFound, Forbidden, InvalidRequest for a draft that cannot be put into force, Conflict where one runs already.
    """
    row = access.get(principal, change)
    base = published_documents()
    _require_part(principal, row, base)
    require_state(row, OPEN)
    if not 1 <= hours <= MOST_HOURS:
        raise InvalidRequest(f"a shadow runs for 1 to {MOST_HOURS} hours, not {hours}")
    if not row.edits.exists():
        raise InvalidRequest("nothing is edited yet; put a document first")
    try:
        candidate = _draft(base, row)
    except InvalidDocuments as error:
        raise InvalidRequest("it does not pass its checks: put that right first") from error
    at = mandate_now()
    shadow = Shadow(
        id=new_id(),
        change=row,
        tenant=row.tenant,
        base=base.revision,
        content=row.digest,
        draft=candidate.bundle.text,
        draft_checked=candidate.forms.encode(),
        actor=principal.actor,
        started_at=at,
        until=at + timedelta(hours=hours),
        tally=msgspec.msgpack.encode(Tally()),
    )
    with transaction.atomic():
        ChangeRequest.objects.select_for_update().get(pk=row.pk)
        if Shadow.objects.filter(change=row, ended_at=None).exists():
            raise WrongState("a shadow of this change request runs already; stop it first")
        shadow.save(force_insert=True)
        data: dict[str, object] = {
            "base": shadow.base,
            "digest": shadow.content,
            "until": to_text(shadow.until),
        }
        entry("shadow.started", row, principal, at, data)
    return shadow


def stop(principal: Principal, change: UUID) -> Shadow:
    """End the one that runs; what it found stays. For who could write or approve it. Raises NotFound, Forbidden."""
    row = access.get(principal, change)
    _require_part(principal, row, published_documents())
    shadow = Shadow.objects.filter(change=row, ended_at=None).first()
    if shadow is None:
        raise NotFound("no shadow of this change request runs")
    _end(shadow, "stopped", principal)
    return newest(row) or shadow


def newest(row: ChangeRequest) -> Shadow | None:
    """The newest one, with what it found; its bundle's bytes are left where they are."""
    found = Shadow.objects.filter(change=row).defer("draft", "draft_checked")
    return found.order_by("-started_at").first()


def tally_of(shadow: Shadow) -> Tally:
    """What it found so far."""
    return msgspec.msgpack.decode(bytes(shadow.tally), type=Tally)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one viewer sees of it: the sums over the tenants that exist for them, and samples of calls that they may open."""

    counts: Counts
    samples: tuple[Sample, ...]


def seen(principal: Principal, shadow: Shadow) -> Seen:
    """The part of what was found that is about tenants one sees."""
    found, tenants = tally_of(shadow), tenants_seen(principal)
    counts = Counts()
    for name, of in found.tenants.items():
        # INVARIANT: no sum over tenants that the viewer does not see, no sample of a call that is not theirs to open
        if tenants is None or name in tenants:
            counts.add(of)
    return Seen(
        counts, tuple(one for one in found.samples if opens(principal, one.tenant, one.team))
    )


def run_all(world: World) -> int:
    """One turn at every shadow that runs; how many there are."""
    rows = list(Shadow.objects.filter(ended_at=None).select_related("change"))
    for shadow in rows:
        try:
            _turn(shadow, world)
        except _Ends as end:
            _end(shadow, end.told, SYSTEM)
        except Unavailable:
            continue
        except MandateError as error:
            _end(shadow, error.message, SYSTEM)
    return len(rows)


def _turn(shadow: Shadow, world: World) -> None:
    """Look at what came in since the last turn. Raises _Ends."""
    _follow(shadow)
    upto = min(mandate_now() - LAG, shadow.until)
    if upto > shadow.started_at:
        _look(shadow, world, upto)
    if mandate_now() - LAG >= shadow.until:
        raise _Ends("its time is over")


def _look(shadow: Shadow, world: World, upto: datetime) -> None:
    reader = Reader(Window(shadow.tenant, shadow.started_at, upto), world)
    two, found, cursor = None, tally_of(shadow), shadow.cursor
    for number, (batch, last) in enumerate(reader.batches(shadow.cursor)):
        if number == BATCHES:
            break
        two = two or Two.of(_setup(shadow))
        found.add(_looked(two, batch, world))
        cursor = last
    if cursor == shadow.cursor:
        return
    # INVARIANT: each call counts once: of two turns over the same calls one finds that the other was there
    done = Shadow.objects.filter(pk=shadow.pk, ended_at=None, steps=shadow.steps).update(
        cursor=cursor, steps=shadow.steps + 1, tally=msgspec.msgpack.encode(found)
    )
    if done:
        shadow.refresh_from_db(fields=["cursor", "steps", "tally"])


def _looked(two: Two, batch: Batch, world: World) -> Tally:
    """A batch under both bundles; what hangs on an answer is weighed again with what it said."""
    looked = two.batch(batch)
    for place in looked.open:
        given = batch.calls[place]
        call = UUID(bytes=given.call)

        def said(no: int, call: UUID = call) -> Spoken | None:
            return world.said(call, no)

        then = batch.reads[given.reads].reads if given.reads >= 0 else None
        one = two.look(given, then, said)
        looked.tally.keep(two.count(looked.tally.of(given.tenant), given, one))
    return looked.tally


def _follow(shadow: Shadow) -> None:
    """Stay beside the bundle in force: laid anew over a later one, ended where that cannot be. Raises _Ends."""
    row = shadow.change
    if row.state not in OPEN:
        raise _Ends(f"the change request is {row.state}")
    if row.digest != shadow.content:
        raise _Ends("the draft was edited")
    base = published_documents()
    if base.revision == shadow.base:
        return
    refused = moved(base, row, edits_of(row))
    if refused:
        raise _Ends(refused.message)
    try:
        candidate = _draft(base, row)
    except InvalidDocuments as error:
        raise _Ends(f"it does not fit over revision {base.revision} any more") from error
    shadow.base = base.revision
    shadow.draft, shadow.draft_checked = candidate.bundle.text, candidate.forms.encode()
    shadow.save(update_fields=["base", "draft", "draft_checked"])


def _setup(shadow: Shadow) -> Setup:
    kept = stored_at(shadow.base)
    return Setup(
        Stored(shadow.base, kept.text, kept.checked),
        Stored(shadow.base + 1, bytes(shadow.draft), bytes(shadow.draft_checked)),
    )


def _draft(base: Published, row: ChangeRequest) -> Candidate:
    return prepare(base, checks.wanted(row, edits_of(row), row.author))


def _end(shadow: Shadow, told: str, by: Principal) -> None:
    at = mandate_now()
    with transaction.atomic():
        if not Shadow.objects.filter(pk=shadow.pk, ended_at=None).update(told=told, ended_at=at):
            return
        counts = tally_of(Shadow.objects.get(pk=shadow.pk)).whole
        data: dict[str, object] = {
            "reason": told,
            "calls": counts.calls,
            "changed": counts.changed,
            "undecidable": counts.undecidable,
        }
        entry("shadow.ended", shadow.change, by, at, data)


def _require_part(principal: Principal, row: ChangeRequest, base: Published) -> None:
    found = standing(base, row, edits_of(row))
    held: Sequence[str] = ()
    if principal.kind == "member":
        held = sorted(roles_at(base.documents, principal.id, row.tenant))
    access.require_part(principal, row, found, held)
