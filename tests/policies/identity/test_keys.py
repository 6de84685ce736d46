"""Rotating with overlap, scopes and labels; what a key shows of itself to whom."""

import secrets
from datetime import timedelta

import pytest

from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest, NotFound
from controlplane.kernel.principal import Principal
from policies.identity import commands, read
from policies.identity.models import ApiKey, Team, Tenant
from policies.order.lock import mandate_now
from tests.policies.people import ADA, FINN, entries, member
from tests.refusing import refuses_first

pytestmark = pytest.mark.usefixtures("application_role")
DAY = timedelta(days=1)


def _key(tenant: Tenant, **more: object) -> str:
    wanted = commands.NewKey(tenant=tenant.slug, team="claims", **{"name": "ci", **more})  # type: ignore[arg-type] # a test's shorthand
    return commands.create_key(ADA, wanted).id


def _tariq(tenant: Tenant) -> Principal:
    return member("tariq", "developer", tenant=tenant.slug, team="claims")


@refuses_first("identity.create_key", "identity.rotate_key")
def test_rotation_makes_a_key_of_the_same_settings_and_ends_the_old_one_after_the_overlap(
    tenant: Tenant,
) -> None:
    now = mandate_now()
    old_id = _key(
        tenant,
        labels={"app": "triage"},
        scopes=("triage",),
        expires_at=now + 90 * DAY,
    )
    made = commands.rotate_key(_tariq(tenant), old_id, 2 * DAY)
    old, new = ApiKey.objects.get(pk=old_id), ApiKey.objects.get(pk=made.id)
    assert old.expires_at is not None
    assert timedelta(0) <= old.expires_at - now - 2 * DAY < timedelta(minutes=1)
    assert (new.team, new.name, new.labels, new.scopes, new.replaces) == (
        "claims",
        "ci",
        {"app": "triage"},
        ["triage"],
        old_id,
    )
    assert new.expires_at is not None
    assert abs(new.expires_at - new.created_at - 90 * DAY) < timedelta(minutes=1)
    kinds = [(e["kind"], e["actor"]) for e in entries(subject=f"key:{old_id}")]
    assert kinds == [
        ("key.created", "member:ada@acme.example"),
        ("key.rotated", "member:tariq@acme.example"),
    ]
    assert entries(subject=f"key:{old_id}")[1]["data"]["by"] == made.id
    (created,) = entries(subject=f"key:{made.id}")
    assert created["data"]["replaces"] == old_id
    assert created["data"]["routes"] == ["triage"]


def test_an_end_that_is_sooner_than_the_overlap_stays(tenant: Tenant) -> None:
    ends = mandate_now() + timedelta(hours=1)
    old_id = _key(tenant, expires_at=ends)
    commands.rotate_key(ADA, old_id, 2 * DAY)
    assert ApiKey.objects.get(pk=old_id).expires_at == ends


def test_a_key_that_has_ended_is_not_rotated_and_nothing_is_made(tenant: Tenant) -> None:
    gone = _key(tenant)
    commands.revoke_key(ADA, gone, "lost")
    before = ApiKey.objects.filter(tenant=tenant.slug).count()
    with pytest.raises(Conflict, match="was revoked on"):
        commands.rotate_key(ADA, gone, DAY)
    ended = _key(tenant)
    commands.rotate_key(ADA, ended, timedelta(0))
    with pytest.raises(Conflict, match="ended on"):
        commands.rotate_key(ADA, ended, DAY)
    assert ApiKey.objects.filter(tenant=tenant.slug).count() == before + 2


@pytest.mark.parametrize(
    ("who", "error"),
    [
        (member("mallory", "developer", tenant="retail", team="support"), NotFound),
        (FINN, Forbidden),
    ],
)
def test_nobody_else_rotates(tenant: Tenant, who: Principal, error: type[Exception]) -> None:
    old_id = _key(tenant)
    with pytest.raises(error):
        commands.rotate_key(who, old_id, DAY)
    row = ApiKey.objects.get(tenant=tenant.slug)
    assert (row.pk, row.expires_at) == (old_id, None)


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=91)])
def test_an_overlap_has_bounds(tenant: Tenant, overlap: timedelta) -> None:
    with pytest.raises(InvalidRequest, match="from 0 to 90 days"):
        commands.rotate_key(ADA, _key(tenant), overlap)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"labels": {"Not ok": "x"}}, '"Not ok" is no label'),
        ({"labels": {"app": "a\nb"}}, 'the value of label "app"'),
        ({"labels": {f"l{n}": "x" for n in range(17)}}, "at most 16 labels"),
        ({"scopes": ("b",), "routes": frozenset({"a"})}, 'no route "b" there; routes are a'),
        ({"name": "x" * 61}, "at most 60 printable"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_made(
    tenant: Tenant, more: dict[str, object], said: str
) -> None:
    with pytest.raises(InvalidRequest, match=said):
        _key(tenant, **more)
    assert not ApiKey.objects.filter(tenant=tenant.slug).exists()


def test_who_reads_which_keys(tenant: Tenant) -> None:
    Team(tenant=tenant, slug="underwriting").save(actor="cli:test")
    claims = _key(tenant)
    wanted = commands.NewKey(tenant=tenant.slug, team="underwriting")
    other = commands.create_key(ADA, wanted).id
    here = {"claims": claims, "underwriting": other}

    def seen(who: Principal) -> set[str]:
        rows = read.keys(who).filter(tenant=tenant.slug)
        return {name for name, key_id in here.items() if rows.filter(pk=key_id).exists()}

    assert seen(ADA) == {"claims", "underwriting"}
    assert seen(member("cleo", "auditor", tenant=tenant.slug)) == {"claims", "underwriting"}
    assert seen(_tariq(tenant)) == {"claims"}
    assert seen(FINN) == set()
    assert seen(member("mallory", "admin", tenant="retail")) == set()
    with pytest.raises(NotFound):
        read.key(_tariq(tenant), other)


def test_states_of_a_key_agree_with_the_filter(tenant: Tenant) -> None:
    now = mandate_now()
    made = {
        "stands": _key(tenant),
        "ends soon": _key(tenant, expires_at=now + DAY),
        "ended": _key(tenant),
        "revoked": _key(tenant),
    }
    commands.rotate_key(ADA, made["ended"], timedelta(0))
    commands.revoke_key(ADA, made["revoked"], "lost")
    later = mandate_now()
    for state in read.STATES:
        found = read.keys(ADA).filter(read.in_state(state, later), pk__in=made.values())
        assert {key.pk for key in found} == {made[state]}
        assert read.state_of(found[0], later) == state


def test_teams_count_people_and_keys_that_stand(tenant: Tenant) -> None:
    _key(tenant)
    commands.revoke_key(ADA, _key(tenant), "lost")
    (row,) = read.teams(_tariq(tenant), mandate_now())
    assert (row.tenant, row.name, row.members, row.keys) == (tenant.slug, "claims", 0, 1)
    assert read.key_teams(_tariq(tenant)) == [(tenant.slug, "claims")]
    assert read.key_teams(FINN) == []
    assert [t.slug for t in read.tenants(_tariq(tenant))] == [tenant.slug]
    with pytest.raises(NotFound):
        read.tenant(member("mallory", "admin", tenant=f"x{secrets.token_hex(3)}"), tenant.slug)
