"""Invitations, and the end of a membership: a link works once; a person who is gone is gone at once."""

import secrets
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.contrib.auth import SESSION_KEY
from django.core import mail
from django.test import Client

from controlplane.kernel.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthenticated,
)
from controlplane.kernel.principal import Principal
from policies.identity import commands, invitations, members
from policies.identity.authentication import member_of_token
from policies.identity.invitations import Guest
from policies.identity.mail import mail_invitation
from policies.identity.models import Invitation, Tenant, Token, User
from policies.order.lock import mandate_now
from tests.policies.people import ADA, FINN, entries, member

pytestmark = pytest.mark.usefixtures("application_role")
PASSWORD = "correct horse battery"


@pytest.fixture
def address(transactional_db: None) -> str:
    return f"{secrets.token_hex(4)}@acme.example"


def test_who_accepts_becomes_a_member_of_the_teams_named(tenant: Tenant, address: str) -> None:
    guest = Guest(email=f" {address.upper()} ", name="Tariq", teams=((tenant.slug, "claims"),))
    made = invitations.invite(ADA, guest)
    row = Invitation.objects.get(pk=made.id)
    assert (row.email, row.name, row.teams) == (address, "Tariq", [f"{tenant.slug}/claims"])
    assert row.expires_at - row.created_at == timedelta(days=7)
    assert made.shown.encode() not in bytes(row.hash)
    assert not User.objects.filter(email=address).exists()
    user = invitations.accept_invitation(made.shown, "Tariq T.", PASSWORD)
    assert (user.email, user.name, user.check_password(PASSWORD)) == (address, "Tariq T.", True)
    assert list(user.memberships.values_list("team__slug", flat=True)) == ["claims"]
    with pytest.raises(NotFound, match="unknown, used, withdrawn or over"):
        invitations.accept_invitation(made.shown, "Twice", PASSWORD)
    kinds = [(e["kind"], e["actor"]) for e in entries(subject=f"member:{address}")]
    assert kinds == [
        ("member.invited", "member:ada@acme.example"),
        ("member.added", f"member:{address}"),
    ]
    assert made.shown[13:] not in str(entries(subject=f"member:{address}"))


def test_a_link_that_is_over_makes_nobody(address: str) -> None:
    first = invitations.invite(ADA, Guest(email=address))
    second = invitations.invite(ADA, Guest(email=address))
    invitations.withdraw_invitation(ADA, second.id)
    third = invitations.invite(ADA, Guest(email=address))
    Invitation.objects.filter(pk=third.id).update(expires_at=mandate_now())
    for shown in (first.shown, second.shown, third.shown, "mdi_00000000_" + "a" * 43, "nonsense"):
        with pytest.raises(NotFound):
            invitations.accept_invitation(shown, "Tariq", PASSWORD)
    with pytest.raises(Conflict):
        invitations.withdraw_invitation(ADA, second.id)
    assert not User.objects.filter(email=address).exists()


def test_a_weak_password_or_no_name_leaves_the_invitation_open(address: str) -> None:
    made = invitations.invite(ADA, Guest(email=address))
    with pytest.raises(InvalidRequest):
        invitations.accept_invitation(made.shown, "Tariq", "short")
    with pytest.raises(InvalidRequest, match="say what you are called"):
        invitations.accept_invitation(made.shown, " ", PASSWORD)
    assert invitations.open_invitation(made.shown).pk == made.id
    assert not User.objects.filter(email=address).exists()


@pytest.mark.parametrize("who", [FINN, member("ada", "admin", tenant="insurance")])
def test_only_admins_of_the_organisation_invite(address: str, who: Principal) -> None:
    with pytest.raises(Forbidden):
        invitations.invite(who, Guest(email=address))
    made = invitations.invite(ADA, Guest(email=address))
    with pytest.raises(Forbidden):
        invitations.withdraw_invitation(who, made.id)
    assert Invitation.objects.get(email=address).withdrawn_at is None


def test_a_member_is_not_invited_and_a_team_must_be_there(tenant: Tenant, address: str) -> None:
    with pytest.raises(NotFound):
        invitations.invite(ADA, Guest(email=address, teams=((tenant.slug, "nowhere"),)))
    members.create_member(ADA, address, "Tariq")
    with pytest.raises(Conflict):
        invitations.invite(ADA, Guest(email=address))
    assert not Invitation.objects.filter(email=address).exists()


def test_it_is_mailed_where_a_sender_is_named(settings: LazySettings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    told = {"inviter": "Ada", "organisation": "Acme"}
    settings.MANDATE_MAIL_FROM = ""
    assert mail_invitation("x@acme.example", "https://m.example/join/mdi_x/", **told) is False
    settings.MANDATE_MAIL_FROM = "mandate@acme.example"
    assert mail_invitation("x@acme.example", "https://m.example/join/mdi_x/", **told) is True
    (message,) = mail.outbox
    assert (message.to, message.from_email) == (["x@acme.example"], "mandate@acme.example")
    assert message.subject == "Acme: your invitation to Mandate"
    assert "https://m.example/join/mdi_x/" in message.body
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_PORT = 9
    settings.EMAIL_HOST = "127.0.0.1"
    assert mail_invitation("x@acme.example", "https://m.example/join/mdi_x/", **told) is False


def test_deactivating_ends_sessions_and_tokens_at_once_and_for_good(address: str) -> None:
    user = members.create_member(ADA, address, "Tariq", PASSWORD)
    token = commands.create_token(member(address.partition("@")[0]), user).shown
    browser = Client()
    browser.force_login(user)
    assert member_of_token(token) == user
    members.remove_member(ADA, user, "left the company")
    with pytest.raises(Unauthenticated):
        member_of_token(token)
    assert Token.objects.get(user=user).revoked_at is not None
    assert browser.get("/settings/", headers={"host": "localhost"}).status_code == 302
    (removed,) = entries(subject=f"member:{address}", kind="member.removed")
    assert removed["data"] == {"tokens": 1, "reason": "left the company"}
    members.restore_member(ADA, user)
    with pytest.raises(Unauthenticated):
        member_of_token(token)
    assert browser.get("/settings/", headers={"host": "localhost"}).status_code == 302
    with pytest.raises(Conflict):
        members.restore_member(ADA, user)
    assert Client().login(email=address, password=PASSWORD)


def test_signing_out_everywhere_ends_every_session(address: str) -> None:
    user = members.create_member(ADA, address, "Tariq", PASSWORD)
    browser = Client()
    browser.force_login(user)
    assert SESSION_KEY in browser.session
    with pytest.raises(Forbidden):
        members.end_sessions(FINN, user)
    assert browser.get("/settings/", headers={"host": "localhost"}).status_code == 200
    members.end_sessions(member(address.partition("@")[0]), user)
    assert browser.get("/settings/", headers={"host": "localhost"}).status_code == 302
    (changed,) = entries(subject=f"member:{address}", kind="member.changed")
    assert changed["data"] == {"what": "signed out everywhere"}


def test_nobody_deactivates_themselves(address: str) -> None:
    user = members.create_member(ADA, address, "Tariq", PASSWORD)
    themselves = member(address.partition("@")[0], "admin")
    with pytest.raises(Conflict, match="another admin"):
        members.remove_member(themselves, user)
    assert User.objects.get(pk=user.pk).is_active
