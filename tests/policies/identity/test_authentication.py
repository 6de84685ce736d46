"""Who presents a key: the right one within 5 s of memory, nobody else, and never why."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from psycopg import OperationalError
from psycopg_pool import AsyncConnectionPool

from controlplane.kernel.errors import Unauthenticated
from policies.identity import commands, members
from policies.identity.authentication import CACHE_SECONDS, Caller, Keys, member_of_token
from policies.identity.models import ApiKey, Team, Tenant, Token
from tests.policies.conftest import PEPPER
from tests.policies.people import ADA, member

pytestmark = pytest.mark.usefixtures("application_role")


class Ticks:
    """A monotonic clock that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def pool(app_dsn: str) -> AsyncIterator[AsyncConnectionPool]:
    async with AsyncConnectionPool(
        app_dsn, min_size=1, max_size=2, open=False, kwargs={"autocommit": True}
    ) as found:
        yield found
    # the thread of sync_to_async has a connection of its own, which would keep the test database open
    await sync_to_async(connections.close_all)()


def _key(tenant: Tenant, expires_at: datetime | None = None) -> str:
    wanted = commands.NewKey(
        tenant=tenant.slug, team="claims", labels={"env": "test"}, expires_at=expires_at
    )
    return commands.create_key(ADA, wanted).shown


async def test_a_key_names_its_team(tenant: Tenant, pool: AsyncConnectionPool) -> None:
    shown = await sync_to_async(_key)(tenant)
    caller = await Keys(pool, PEPPER).authenticate(shown)
    assert caller == Caller(
        key_id=shown[4:12],
        key_hash=caller.key_hash,
        tenant=tenant.slug,
        team="claims",
        labels={"env": "test"},
    )
    assert caller.key_hash.hex() not in repr(caller)


async def test_a_wrong_secret_an_unknown_id_and_nonsense_look_alike(
    tenant: Tenant, pool: AsyncConnectionPool
) -> None:
    shown = await sync_to_async(_key)(tenant)
    keys = Keys(pool, PEPPER)
    said = set()
    for wrong in (shown[:-4] + "AAAA", "mdt_00000000_" + "x" * 43, "sk-nonsense", ""):
        with pytest.raises(Unauthenticated) as error:
            await keys.authenticate(wrong)
        said.add(error.value.message)
    assert len(said) == 1


async def test_a_revoked_key_is_forgotten_within_five_seconds(
    tenant: Tenant, pool: AsyncConnectionPool
) -> None:
    shown = await sync_to_async(_key)(tenant)
    ticks = Ticks()
    keys = Keys(pool, PEPPER, ticks)
    await keys.authenticate(shown)
    await sync_to_async(commands.revoke_key)(ADA, shown[4:12], "lost")
    await keys.authenticate(shown)
    ticks.now += CACHE_SECONDS
    with pytest.raises(Unauthenticated):
        await keys.authenticate(shown)


async def test_what_is_done_for_a_key_later_needs_the_key_to_stand(
    tenant: Tenant, pool: AsyncConnectionPool
) -> None:
    shown = await sync_to_async(_key)(tenant)
    keys = Keys(pool, PEPPER)
    caller = await keys.authenticate(shown)
    assert await Keys(pool, PEPPER).standing(shown[4:12]) == caller
    assert await keys.standing("00000000") is None
    await sync_to_async(commands.revoke_key)(ADA, shown[4:12], "lost")
    assert await Keys(pool, PEPPER).standing(shown[4:12]) is None


async def test_a_key_ends_with_its_expiry_its_team_and_its_tenant(
    tenant: Tenant, pool: AsyncConnectionPool
) -> None:
    soon = datetime.now(tz=UTC) + timedelta(hours=1)
    shown = await sync_to_async(_key)(tenant, soon)
    await Keys(pool, PEPPER).authenticate(shown)
    change = sync_to_async(ApiKey.objects.filter(pk=shown[4:12]).update)
    await change(expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(Unauthenticated):
        await Keys(pool, PEPPER).authenticate(shown)
    await change(expires_at=None)
    await Keys(pool, PEPPER).authenticate(shown)
    await sync_to_async(commands.archive_team)(ADA, tenant.slug, "claims", "over")
    with pytest.raises(Unauthenticated):
        await Keys(pool, PEPPER).authenticate(shown)


async def test_keys_of_an_archived_tenant_stop(tenant: Tenant, pool: AsyncConnectionPool) -> None:
    shown = await sync_to_async(_key)(tenant)
    await sync_to_async(commands.archive_tenant)(ADA, tenant.slug, "sold")
    with pytest.raises(Unauthenticated):
        await Keys(pool, PEPPER).authenticate(shown)


def test_the_admissions_own_check_says_the_same(tenant: Tenant) -> None:
    shown = _key(tenant)

    def stands(digest: bytes) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT key_stands(%s, %s)", [shown[4:12], digest])
            return bool(cursor.fetchone()[0])

    kept = bytes(ApiKey.objects.get(pk=shown[4:12]).hash)
    assert stands(kept)
    assert not stands(bytes(32))
    Team.objects.filter(tenant=tenant).update(archived_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert not stands(kept)


def test_a_personal_token_is_its_member_until_it_is_revoked(transactional_db: None) -> None:
    email = f"{secrets.token_hex(4)}@acme.example"
    user = members.create_member(ADA, email, "Tariq")
    owner = member(email.partition("@")[0], "developer")
    made = commands.create_token(owner, user, name="laptop")
    assert member_of_token(made.shown) == user
    for wrong in (made.shown[:-1] + "!", "mdp_00000000_" + "x" * 43, "nonsense"):
        with pytest.raises(Unauthenticated):
            member_of_token(wrong)
    Token.objects.filter(pk=made.id).update(expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(Unauthenticated):
        member_of_token(made.shown)
    Token.objects.filter(pk=made.id).update(expires_at=None)
    commands.revoke_token(owner, made.id)
    with pytest.raises(Unauthenticated):
        member_of_token(made.shown)


def test_a_removed_members_token_stops(transactional_db: None) -> None:
    email = f"{secrets.token_hex(4)}@acme.example"
    user = members.create_member(ADA, email, "Tariq")
    made = commands.create_token(member(email.partition("@")[0]), user)
    members.remove_member(ADA, user)
    with pytest.raises(Unauthenticated):
        member_of_token(made.shown)


def _last_used(shown: str) -> datetime | None:
    return ApiKey.objects.get(pk=shown[4:12]).last_used_at


async def test_when_a_key_was_last_used_is_written_beside_the_requests_and_once_a_minute(
    tenant: Tenant, pool: AsyncConnectionPool
) -> None:
    shown, other = [await sync_to_async(_key)(tenant) for _ in range(2)]
    keys = Keys(pool, PEPPER)
    with pytest.raises(Unauthenticated):
        await keys.authenticate(other[:-4] + "AAAA")
    await keys.authenticate(shown)
    assert await sync_to_async(_last_used)(shown) is None
    await keys.note_used()
    first = await sync_to_async(_last_used)(shown)
    assert first is not None
    assert abs((datetime.now(tz=UTC) - first).total_seconds()) < 20
    # a wrong secret is no use of the key
    assert await sync_to_async(_last_used)(other) is None
    # another process that saw the same key in the same minute writes nothing
    second = Keys(pool, PEPPER)
    await second.authenticate(shown)
    await second.note_used()
    assert await sync_to_async(_last_used)(shown) == first


async def test_what_could_not_be_written_is_written_the_next_time(
    tenant: Tenant, pool: AsyncConnectionPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = await sync_to_async(_key)(tenant)
    keys = Keys(pool, PEPPER)
    await keys.authenticate(shown)

    def away() -> None:
        raise OperationalError("away")

    with monkeypatch.context() as patch:
        patch.setattr(pool, "connection", away)
        with pytest.raises(OperationalError):
            await keys.note_used()
    await keys.note_used()
    assert await sync_to_async(_last_used)(shown) is not None


def test_a_token_says_when_it_was_last_used(tenant: Tenant) -> None:
    name = f"used-{tenant.slug}"
    user = members.create_member(ADA, f"{name}@acme.example", "Used", "long-enough-1234")
    shown = commands.create_token(member(name), user).shown
    assert Token.objects.get(pk=shown[4:12]).last_used_at is None
    member_of_token(shown)
    first = Token.objects.get(pk=shown[4:12]).last_used_at
    assert first is not None
    member_of_token(shown)
    assert Token.objects.get(pk=shown[4:12]).last_used_at == first
    Token.objects.filter(pk=shown[4:12]).update(last_used_at=first - timedelta(seconds=61))
    member_of_token(shown)
    last = Token.objects.get(pk=shown[4:12]).last_used_at
    assert last is not None
    assert last >= first
