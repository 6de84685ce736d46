"""Signing in by e-mail and password, as the application role, over allauth's backend."""

import secrets

import pytest
from django.contrib.auth import authenticate
from django.test import Client, RequestFactory

from policies.identity import members
from policies.identity.models import Session, User
from tests.policies.people import ADA

pytestmark = pytest.mark.usefixtures("application_role")
PASSWORD = "correct horse battery"


@pytest.fixture
def user(transactional_db: None) -> User:
    return members.create_member(ADA, f"{secrets.token_hex(4)}@acme.example", "Tariq", PASSWORD)


def _who(email: str, password: str) -> object:
    return authenticate(RequestFactory().post("/"), email=email, password=password)


def test_the_right_password_opens_a_session_and_writes_no_version(user: User) -> None:
    browser, before = Client(), Session.objects.count()
    assert browser.login(email=user.email, password=PASSWORD)
    assert Session.objects.count() == before + 1
    stored = User.objects.get(pk=user.pk)
    assert stored.last_login is not None
    assert stored.history.count() == 1
    browser.logout()
    assert Session.objects.count() == before


def test_the_address_has_no_case(user: User) -> None:
    assert _who(user.email.upper(), PASSWORD) == user
    assert User.objects.get_by_natural_key(f" {user.email.upper()} ") == user


def test_a_wrong_password_and_a_removed_member_do_not_open(user: User) -> None:
    assert _who(user.email, "wrong horse battery") is None
    assert _who("nobody@acme.example", PASSWORD) is None
    members.remove_member(ADA, user)
    assert not Client().login(email=user.email, password=PASSWORD)
