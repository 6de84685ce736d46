"""Prices that were corrected backwards: what each attempt would have cost, proposed as adjustments. No statement changes.

1. Which revisions and models were charged since. 2. Those whose prices are the same by now are passed over whole. 3. Each
attempt of the others is priced again, and what differs is proposed, in batches.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import connection

from audit.log.models import Entry
from audit.merkle import canonical
from controlplane.kernel.errors import MandateError
from controlplane.kernel.ids import uuid7_floor
from policies.bundles.published import published
from policies.bundles.snapshot import bundle_at
from policies.engine.bundle import Bundle, Key
from policies.engine.pricing import UsageCounts
from policies.order.lock import mandate_now
from routing.closing.adjusting import PRICE, Proposal
from routing.closing.commands import propose_adjustments
from routing.closing.models import Adjustment
from routing.closing.read import verdict_of, zone_of
from routing.reconcile.models import Standing
from routing.reconcile.repricing import Charged, Earlier, Repriced, proposal, repriced

_log = structlog.get_logger(__name__)

JOB: Final = "job:prices"
BACK: Final = timedelta(days=400)
"""How far back attempts are looked at."""
_CHECK: Final = "prices"
_BATCH: Final = 500
_GROUPS: Final = """
SELECT DISTINCT a.revision, a.model_tenant, a.model FROM routing_attempt a JOIN routing_call c ON c.id = a.call
 WHERE a.call >= %s AND a.revision < %s AND (%s = '' OR c.tenant = %s) AND a.basis = 'reported' AND a.tokens_input IS NOT NULL
 ORDER BY 1, 2, 3
"""
_CHARGED: Final = """
SELECT a.call, a.no, a.revision, a.model_tenant, a.model, a.provider, c.tenant, c.team, c.route, c.admitted_at,
       a.posted_nano + a.overrun_nano, a.tokens_input, coalesce(a.tokens_cached, 0), coalesce(a.tokens_cache_write, 0),
       coalesce(a.tokens_output, 0), a.service_tier
  FROM routing_attempt a JOIN routing_call c ON c.id = a.call
 WHERE a.call > %s AND a.revision = %s AND (%s = '' OR c.tenant = %s) AND a.model_tenant = %s AND a.model = %s
   AND a.basis = 'reported' AND a.tokens_input IS NOT NULL AND a.state IN ('succeeded', 'failed', 'reconciled')
 ORDER BY a.call, a.no LIMIT %s
"""
_MEDIA: Final = ("image_input", "audio_input", "audio_output")


@dataclass(frozen=True, slots=True)
class Looked:
    """One look: how many attempts have another price by now, how many adjustments were new, and for how many it cannot be told.

    `unexplained` were not charged at the price of their revision (somebody settled them otherwise): nothing is proposed.
    """

    repriced: int = 0
    proposed: int = 0
    unexplained: int = 0


def look(since: datetime | None = None, tenant: str = "") -> Looked:
    """Propose what differs, of attempts since then, of one tenant or all. It may run twice, and beside another."""
    number = proposed = unexplained = 0
    found = differing(since, tenant)
    while batch := list(islice(found, _BATCH)):
        known = [one for one in batch if one.explained]
        number += len(batch)
        unexplained += len(batch) - len(known)
        proposed += propose_adjustments(proposals(known), actor=JOB)
    return Looked(number, proposed, unexplained)


def look_if_changed() -> Looked | None:
    """The same, where prices or rates are others than at the last look; None where they are not."""
    digest = _digest()
    row = Standing.objects.filter(pk=_CHECK).first()
    if row is not None and row.seen == digest:
        return None
    done, now = look(), mandate_now()
    Standing.objects.update_or_create(
        check_name=_CHECK, defaults={"checked_at": now, "held_at": now, "seen": digest}
    )
    return done


def differing(since: datetime | None = None, tenant: str = "") -> Iterator[Repriced]:
    """Every attempt since then whose price of its day is another by now, oldest first within a model and revision."""
    found = published()
    if not found.revision:
        return
    now, first = bundle_at(found.revision), uuid7_floor(since or mandate_now() - BACK)
    corrected = _corrected(first, tenant)
    labels = {label for _, _, label in corrected}
    groups = _ask(_GROUPS, [first, found.revision, tenant, tenant])
    for revision, models in groupby(groups, key=lambda row: int(row[0])):
        try:
            was = bundle_at(revision)
        except MandateError as error:
            _log.warning("prices.revision_cannot_be_read", revision=revision, why=error.message)
            continue
        for key in ((row[1], row[2]) for row in models):
            if _same(was, now, key) and _label(key) not in labels:
                continue
            for charged in _charged(first, (revision, tenant, tenant, *key)):
                other = repriced(charged, was, now)
                # what was corrected before and is right again by now has that taken back
                again = (charged.call, charged.no, _label(key)) in corrected
                if other is not None and (again or not other.same):
                    yield _whole(other, was, now)


def proposals(found: Sequence[Repriced]) -> Iterator[Proposal]:
    """What of these is still to be proposed."""
    zones, before = published(), _earlier(found)
    for one in found:
        at = one.charged
        made = proposal(one, before[at.call, at.no], zone_of(zones, at.tenant))
        if made is not None:
            yield made


def _same(was: Bundle, now: Bundle, key: Key) -> bool:
    """Whether nothing that a price is made of differs, so that no attempt need be looked at."""
    old, new = was.models.get(key), now.models.get(key)
    if old is None or new is None:
        return True
    return was.rates == now.rates and _said(old) == _said(new)


def _label(key: Key) -> str:
    tenant, name = key
    return f"{tenant}/{name}" if tenant else name


def _corrected(first: UUID, tenant: str) -> set[tuple[UUID | None, int, str]]:
    """The attempts for which something was proposed before, with their models."""
    rows = Adjustment.objects.filter(kind=PRICE, call__gte=first)
    rows = rows.filter(tenant=tenant) if tenant else rows
    return set(rows.values_list("call", "attempt", "model"))


def _said(model: Any) -> object:  # noqa: ANN401 - a ModelView; its parts are compared as they are written
    bought = model.capacity
    dated = [(p.since, p.until, p.ref) for p in model.prices]
    return dated, bought and (bought.since, bought.until)


def _charged(first: UUID, of: tuple[object, ...]) -> Iterator[Charged]:
    """A page at a time: each is read when the one before was worked on."""
    after = UUID(int=max(0, first.int - 1))
    while rows := _ask(_CHARGED, [after, *of, _BATCH + 1]):
        if len(rows) > _BATCH:
            # a call's attempts stay together
            rows = [row for row in rows if row[0] != rows[-1][0]] or rows
        for row in rows:
            model, usage = (row[3], row[4]), UsageCounts(*row[11:15])
            at = (row[5], row[6], row[7], row[8], row[9], row[10])
            yield Charged(row[0], row[1], row[2], model, *at, usage, row[15])
        after = rows[-1][0]


def _whole(found: Repriced, was: Bundle, now: Bundle) -> Repriced:
    """With pictures and sound, which stand in the attempt's entry, where either price has one for them."""
    refs = (found.was, found.now)
    if not any(ref.image_input or ref.audio_input or ref.audio_output for ref in refs):
        return found
    at = found.charged
    parts = _parts(at.call, at.no)
    usage = at.usage._replace(**parts)
    return repriced(replace(at, usage=usage), was, now) or found


def _parts(call: UUID, no: int) -> dict[str, int]:
    kinds = ("attempt.succeeded", "attempt.failed", "attempt.reconciled")
    for body in Entry.objects.filter(call=call, kind__in=kinds).values_list("body", flat=True):
        data = json.loads(bytes(body))["data"]
        if data.get("no") == no:
            tokens = data.get("tokens") or {}
            return {name: int(tokens[name]) for name in _MEDIA if name in tokens}
    return {}


def _earlier(found: Iterable[Repriced]) -> Mapping[tuple[UUID, int], list[Earlier]]:
    calls: dict[str, set[UUID]] = defaultdict(set)
    for one in found:
        calls[one.charged.tenant].add(one.charged.call)
    known: dict[tuple[UUID, int], list[Earlier]] = defaultdict(list)
    for tenant, wanted in calls.items():
        rows = Adjustment.objects.filter(tenant=tenant, kind=PRICE, call__in=wanted)
        for row in rows.select_related("verdict").order_by("pk"):
            verdict = verdict_of(row)
            rejected = verdict is not None and not verdict.accepted
            if row.call is not None:
                one_of = Earlier(row.occurrence, row.amount_nano, rejected)
                known[row.call, row.attempt].append(one_of)
    return known


def _digest() -> str:
    """Of all that prices are made of."""
    found = published()
    models = [
        [m.tenant, m.name, m.spec.get("prices") or [], m.spec.get("capacity")]
        for m in found.of("Model")
    ]
    organisation = found.organisation
    rates = [organisation.get("currency", ""), organisation.get("exchangeRates") or []]
    return hashlib.sha256(canonical.dumps([rates, models])).hexdigest()


def _ask(query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, list(values))
        return list(cursor.fetchall())
