"""Keys, tokens and archiving: who may, what is written, and that a refusal writes nothing."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest

from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest, NotFound
from controlplane.kernel.principal import Principal
from policies.identity import commands, credentials, members
from policies.identity.models import ApiKey, Team, Tenant, Token
from tests.policies.conftest import PEPPER
from tests.policies.people import ADA, FINN, entries, member
from tests.refusing import refuses_first

pytestmark = pytest.mark.usefixtures("application_role")


def _wanted(tenant: Tenant, team: str = "claims") -> commands.NewKey:
    return commands.NewKey(tenant=tenant.slug, team=team, name="ci")


def _tariq(tenant: Tenant, team: str = "claims") -> Principal:
    return member("tariq", "developer", tenant=tenant.slug, team=team)


def test_a_developer_makes_a_key_for_the_own_team_and_the_log_says_so(tenant: Tenant) -> None:
    made = commands.create_key(_tariq(tenant), _wanted(tenant))
    row = ApiKey.objects.get(pk=made.id)
    assert bytes(row.hash) == credentials.digest(PEPPER, made.shown)
    assert (row.tenant, row.team, row.created_by) == (
        tenant.slug,
        "claims",
        "member:tariq@acme.example",
    )
    (entry,) = entries(subject=f"key:{made.id}")
    assert (entry["kind"], entry["actor"], entry["tenant"]) == (
        "key.created",
        "member:tariq@acme.example",
        tenant.slug,
    )
    assert entry["data"] == {"team": "claims", "name": "ci", "expiresAt": ""}
    assert made.shown[13:] not in str(entry)


@pytest.mark.parametrize(
    ("who", "error"),
    [
        (member("mallory", "developer", tenant="retail", team="support"), NotFound),
        (FINN, Forbidden),
        (Principal(kind="member", id="x@acme.example", name="X"), NotFound),
    ],
)
def test_nobody_else_makes_or_revokes_keys_there(
    tenant: Tenant, who: Principal, error: type[Exception]
) -> None:
    made = commands.create_key(ADA, _wanted(tenant))
    with pytest.raises(error):
        commands.create_key(who, _wanted(tenant))
    with pytest.raises(error):
        commands.revoke_key(who, made.id, "because")
    assert list(ApiKey.objects.filter(tenant=tenant.slug).values_list("pk", "revoked_at")) == [
        (made.id, None)
    ]
    assert [e["kind"] for e in entries(tenant=tenant.slug)] == ["key.created"]


def test_a_developer_of_another_team_is_forbidden(tenant: Tenant) -> None:
    Team(tenant=tenant, slug="underwriting").save(actor="cli:test")
    with pytest.raises(Forbidden):
        commands.create_key(_tariq(tenant, "underwriting"), _wanted(tenant))
    assert not ApiKey.objects.filter(tenant=tenant.slug).exists()


def test_a_key_needs_a_team_in_use_and_an_end_to_come(tenant: Tenant) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        commands.create_key(ADA, _wanted(tenant, "nowhere"))
    past = commands.NewKey(
        tenant=tenant.slug, team="claims", expires_at=datetime.now(tz=UTC) - timedelta(seconds=5)
    )
    with pytest.raises(InvalidRequest):
        commands.create_key(ADA, past)
    commands.archive_team(ADA, tenant.slug, "claims", "over")
    with pytest.raises(NotFound):
        commands.create_key(ADA, _wanted(tenant))
    assert not ApiKey.objects.filter(tenant=tenant.slug).exists()


@refuses_first("identity.create_key", "identity.revoke_key")
def test_revoking_a_key_is_once_with_a_reason_and_in_the_log(tenant: Tenant) -> None:
    made = commands.create_key(ADA, _wanted(tenant))
    with pytest.raises(InvalidRequest):
        commands.revoke_key(ADA, made.id, "  ")
    commands.revoke_key(_tariq(tenant), made.id, "left on a train")
    with pytest.raises(Conflict):
        commands.revoke_key(ADA, made.id, "again")
    with pytest.raises(NotFound):
        commands.revoke_key(ADA, "00000000", "unknown")
    assert ApiKey.objects.get(pk=made.id).revoked_at is not None
    created, revoked = entries(subject=f"key:{made.id}")
    assert (created["kind"], revoked["kind"]) == ("key.created", "key.revoked")
    assert revoked["data"] == {"team": "claims", "reason": "left on a train"}
    assert [v.actor for v in ApiKey.history.filter(id=made.id).order_by("history_id")] == [
        "member:ada@acme.example",
        "member:tariq@acme.example",
    ]


@refuses_first("identity.archive_team", "identity.archive_tenant")
def test_archiving_a_team_and_a_tenant(tenant: Tenant) -> None:
    with pytest.raises(Forbidden):
        commands.archive_team(_tariq(tenant), tenant.slug, "claims", "mine")
    assert Team.objects.get(tenant=tenant).archived_at is None
    there = member("ada", "admin", tenant=tenant.slug)
    commands.archive_team(there, tenant.slug, "claims", "merged")
    with pytest.raises(NotFound):
        commands.archive_team(there, tenant.slug, "claims", "again")
    with pytest.raises(Forbidden):
        commands.archive_tenant(there, tenant.slug, "all of it")
    commands.archive_tenant(ADA, tenant.slug, "sold")
    with pytest.raises(NotFound):
        commands.archive_tenant(ADA, tenant.slug, "again")
    assert [(e["kind"], e["subject"], e["data"]) for e in entries(tenant=tenant.slug)] == [
        ("team.archived", f"team:{tenant.slug}/claims", {"reason": "merged"}),
        ("tenant.archived", f"tenant:{tenant.slug}", {"reason": "sold"}),
    ]


@refuses_first("identity.create_token", "identity.revoke_token")
def test_a_token_is_made_by_its_owner_or_the_operator(transactional_db: None) -> None:
    name = secrets.token_hex(4)
    user = members.create_member(ADA, f"{name}@acme.example", "Tariq")
    with pytest.raises(Forbidden):
        commands.create_token(ADA, user)
    assert not Token.objects.filter(user=user).exists()
    cli = Principal(kind="cli", id="root", name="root")
    made = [commands.create_token(member(name), user), commands.create_token(cli, user)]
    with pytest.raises(NotFound):
        commands.revoke_token(FINN, made[0].id)
    commands.revoke_token(ADA, made[0].id)
    with pytest.raises(Conflict):
        commands.revoke_token(member(name), made[0].id)
    kinds = [(e["kind"], e["actor"]) for e in entries(subject=f"member:{user.email}")]
    assert kinds == [
        ("member.added", "member:ada@acme.example"),
        ("token.created", f"member:{user.email}"),
        ("token.created", "cli:root"),
        ("token.revoked", "member:ada@acme.example"),
    ]


def test_members_join_leave_and_go(tenant: Tenant) -> None:
    email = f"{secrets.token_hex(4)}@acme.example"
    user = members.create_member(ADA, f" {email.upper()} ", "Tariq", "correct horse battery")
    assert (user.email, user.check_password("correct horse battery")) == (email, True)
    with pytest.raises(Conflict):
        members.create_member(ADA, email, "Twin")
    with pytest.raises(InvalidRequest):
        members.create_member(ADA, "no address", "Nobody")
    with pytest.raises(Forbidden):
        members.create_member(FINN, "x@acme.example", "X")
    members.add_membership(ADA, user, tenant.slug, "claims")
    with pytest.raises(Conflict):
        members.add_membership(ADA, user, tenant.slug, "claims")
    with pytest.raises(NotFound):
        members.add_membership(ADA, user, tenant.slug, "nowhere")
    members.end_membership(ADA, user, tenant.slug, "claims")
    with pytest.raises(NotFound):
        members.end_membership(ADA, user, tenant.slug, "claims")
    members.set_password(member(email.partition("@")[0]), user, "another horse battery")
    with pytest.raises(Forbidden):
        members.set_password(FINN, user, "third horse battery")
    members.remove_member(ADA, user)
    with pytest.raises(Conflict):
        members.remove_member(ADA, user)
    said = [(e["kind"], e["data"].get("what")) for e in entries(subject=f"member:{email}")]
    assert said == [
        ("member.added", None),
        ("member.changed", "joined"),
        ("member.changed", "left"),
        ("member.changed", "password"),
        ("member.removed", None),
    ]
