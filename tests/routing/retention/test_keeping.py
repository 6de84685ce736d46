"""Every night what is over goes, and nothing else; a hold and an open call keep it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from uuid import UUID

import psycopg
import pytest
from django.core.management import CommandError, call_command

from audit.retention.commands import NewHold, lift_hold, set_hold
from audit.retention.pruning import months
from audit.vault.keys import month_of
from controlplane.kernel.ids import uuid7_time
from controlplane.kernel.principal import ORGANISATION, Principal
from policies.bundles.published import NOTHING, Governed, Published
from policies.identity.commands import archive_tenant
from routing.beside.models import Beside, BesideVerdict
from routing.reports.content import store
from routing.retention.keeping import Kept, keep, terms_of
from tests.policies.people import entries
from tests.routing.retention.conftest import IDS, Shop

ADA = Principal("member", "ada@acme.example", "Ada", {ORGANISATION: frozenset({"admin"})})
OLD = date(2024, 1, 1)
TABLES = (
    "routing_attempt",
    "routing_beside",
    "routing_beside_verdict",
    "routing_call",
    "vault_content",
)
DROPPED = [f"{table} 2024-01" for table in TABLES if table != "vault_content"]
NOW = datetime(2026, 11, 30, tzinfo=UTC)
OLD_CALL = UUID(int=(1_704_067_200_000 << 80) | (7 << 76) | (2 << 62) | 5)


@pytest.fixture
def old_months(owner_dsn: str) -> Iterator[None]:
    """January 2024, of the tables that this looks at."""
    with psycopg.connect(owner_dsn, autocommit=True) as owner:
        owner.execute("SET ROLE mandate_owner")
        for table in TABLES:
            owner.execute("SELECT make_month(%s, %s, 70)", [table, OLD])
    yield
    with psycopg.connect(owner_dsn, autocommit=True) as owner:
        owner.execute("SET ROLE mandate_owner")
        for table in TABLES:
            owner.execute(f"DROP TABLE IF EXISTS {table}_202401".encode())


def documents(shop: Shop, days: int) -> Published:
    spec = {"retention": {"contentDays": days, "entriesMonths": 24}}
    one = Governed("Tenant", "", shop.tenant, {}, {"retention": {"contentDays": days}})
    acme = Governed("Organisation", "", "acme", {}, {**spec, "retention": {"contentDays": 3650}})
    return Published(1, "", 1, "x", flagged=False, published_at=None, documents=(acme, one))


def mine(shop: Shop, done: Kept) -> tuple[list[str], list[str], list[str]]:
    ours = [key for key in done.erased if f"/{shop.tenant}/" in key]
    old = [name for name in done.dropped if name.endswith("2024-01")]
    stayed = [w for w in done.stayed if f"/{shop.tenant}/" in w or "2024-01" in w]
    return ours, old, stayed


def _beside(shop: Shop, run: UUID) -> UUID:
    """A shadow run of some call, and what was found of it."""
    told = {"tenant": shop.tenant, "team": "claims", "route": "triage", "model": "small"}
    Beside.objects.create(call=run, of=IDS.new(), asked_at=uuid7_time(run), **told)
    BesideVerdict.objects.create(
        call=run, entry=IDS.new(), compared_at=uuid7_time(run), verdict="agreed"
    )
    return run


@pytest.mark.usefixtures("old_months")
def test_what_is_over_goes_and_what_is_not_stays(shop: Shop) -> None:
    shop.call("ann", b"old words", identity=OLD_CALL)
    fresh = shop.call("ann", b"new words")
    old_key, new_key = (f"tenant/{shop.tenant}/{month}" for month in ("2024-01", month_of(fresh)))
    old, new = _beside(shop, OLD_CALL), _beside(shop, IDS.new())
    done = keep(store(), documents(shop, 30), NOW)
    assert mine(shop, done) == ([old_key], DROPPED, [])
    for rows in (Beside.objects, BesideVerdict.objects):
        assert [one.call for one in rows.filter(call__in=[old, new])] == [new]
    assert (store().get(old_key), store().get(new_key) is None) == (None, False)
    assert ("vault_content", OLD) in set(months())  # other tenants keep theirs for ten years
    again = keep(store(), documents(shop, 30), NOW)
    assert mine(shop, again) == ([], [], [])


@pytest.mark.usefixtures("old_months")
def test_a_call_that_is_not_over_keeps_its_month(shop: Shop) -> None:
    shop.call("ann", b"held words", identity=OLD_CALL, over=False)
    key = f"tenant/{shop.tenant}/2024-01"
    done = keep(store(), documents(shop, 30), NOW)
    assert mine(shop, done) == (
        [],
        [],
        [
            f"{key}: a call of it is not over",
            *(f"{name}: a call of it is not over" for name in DROPPED),
        ],
    )
    assert store().get(key) is not None


@pytest.mark.usefixtures("old_months")
def test_a_hold_keeps_everything_and_says_so(shop: Shop) -> None:
    shop.call("ann", b"held words", identity=OLD_CALL)
    key = f"tenant/{shop.tenant}/2024-01"
    row = set_hold(ADA, NewHold(kind="tenant", tenant=shop.tenant, reason="x"), exists=True)
    try:
        erased, dropped, stayed = mine(shop, keep(store(), documents(shop, 30), NOW))
    finally:
        lift_hold(ADA, row.id, single_operator=True)
    assert (erased, dropped) == ([], [])
    assert stayed[0] == f"{key}: a legal hold stands"
    assert [line.partition(":")[0] for line in stayed[1:]] == DROPPED
    assert all(f"the legal hold {row.id} stands" in line for line in stayed[1:])
    assert store().get(key) is not None


def test_before_anything_is_published_the_defaults_count() -> None:
    said = terms_of(NOTHING)
    assert (said.days, said.months) == (365, 24)
    assert IDS.new() < IDS.new()


def test_a_tenants_key_is_retired_by_command_once_it_is_archived(shop: Shop) -> None:
    with pytest.raises(CommandError, match=f'tenant "{shop.tenant}" is in use: archive it first'):
        call_command("retention", "retire-key", shop.tenant, "--reason", "sold")
    archive_tenant(ADA, shop.tenant, "sold")
    with pytest.raises(CommandError, match="there is no such service"):
        call_command("retention", "retire-key", shop.tenant, "--reason", "sold")
    assert entries(kind="tenant.key-retired", tenant=shop.tenant) == []
