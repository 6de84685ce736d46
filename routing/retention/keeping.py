"""Every night: erase the content whose days are over, then take away the months whose entries and calls are. A hold stops either.

Each step is a transaction of its own and may be done again; what is refused today is tried again tomorrow, and is said.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import structlog

from audit.retention.commands import JOB, erase_month
from audit.retention.pruning import LOG, drop, months, prune_log
from audit.vault.store import KeyStore
from controlplane.kernel.errors import Conflict, Unavailable
from controlplane.kernel.ids import uuid7_floor
from policies.bundles.published import Published
from routing.calls.models import Call
from routing.retention.terms import Terms, after, terms

log = structlog.get_logger(__name__)
VAULT = "vault_content"


@dataclass(slots=True)
class Kept:
    """What one night came to: erased keys, dropped months, entries pruned, and what stayed although it is over, with why."""

    erased: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    pruned: int = 0
    stayed: list[str] = field(default_factory=list)


def keep(store: KeyStore, found: Published, now: datetime) -> Kept:
    """Do what is due by the documents in force."""
    done = Kept()
    said = terms_of(found)
    for tenant, month, key in _months_of_content(store):
        if not said.content_is_over(tenant, month, now):
            continue
        if _open_calls(month, tenant):
            done.stayed.append(f"{key}: a call of it is not over")
        elif erase_month(tenant, f"{month:%Y-%m}", store, said.content_days(tenant)):
            done.erased.append(key)
        else:
            done.stayed.append(f"{key}: a legal hold stands")
    for table, month in months():
        if _over(said, table, month, now):
            _take_away(table, month, done)
    if done.stayed:
        log.warning("retention.stayed", what=done.stayed[:20], in_all=len(done.stayed))
    return done


def terms_of(found: Published) -> Terms:
    """The terms of the bundle in force."""
    tenants = [(document.name, document.spec) for document in found.of("Tenant")]
    return terms(found.organisation, tenants)


def _over(said: Terms, table: str, month: date, now: datetime) -> bool:
    if table == VAULT:
        return said.vault_is_over(month, now)
    return said.entries_are_over(month, now)


def _take_away(table: str, month: date, done: Kept) -> None:
    name = f"{table} {month:%Y-%m}"
    if table != LOG and _open_calls(month):
        done.stayed.append(f"{name}: a call of it is not over")
        return
    try:
        if table == LOG:
            done.pruned += prune_log(month, JOB)
        elif drop(table, month):
            done.dropped.append(name)
    except (Conflict, Unavailable) as refused:
        done.stayed.append(f"{name}: {refused.message}")


def _months_of_content(store: KeyStore) -> Iterator[tuple[str, date, str]]:
    for key in list(store.names("tenant/")):
        _, tenant, text = key.split("/")
        yield tenant, date.fromisoformat(f"{text}-01"), key


def _open_calls(month: date, tenant: str = "") -> bool:
    first = datetime(month.year, month.month, 1, tzinfo=UTC)
    found = Call.objects.filter(
        pk__gte=uuid7_floor(first), pk__lt=uuid7_floor(after(month)), finished_at=None
    )
    return (found.filter(tenant=tenant) if tenant else found).exists()
