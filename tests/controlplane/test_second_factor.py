"""Signing in with a second factor over the real middleware: what is asked for, what is an entry, what is kept how."""

import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from cryptography.exceptions import InvalidTag
from django.conf import LazySettings
from django.core.cache import cache
from django.test import Client
from redis.exceptions import ConnectionError as RedisAway

from controlplane.accounts import SecondFactor
from policies.identity import commands, members
from policies.identity.models import User
from tests.policies.people import ADA, entries, member
from tests.policies.texts import ensure_organisation, put

PASSWORD = "correct horse battery"
GRANT = """\
apiVersion: mandate/v1
kind: RoleGrant
metadata: {{name: {name}}}
spec: {{member: {email}, roles: [admin]}}
"""


@pytest.fixture(autouse=True)
def _keys(settings: LazySettings, tmp_path: Path, transactional_db: None) -> Iterator[None]:
    settings.MANDATE_KEYS_DIR = tmp_path
    (tmp_path / "pepper").write_text(bytes(range(32)).hex(), encoding="ascii")
    ensure_organisation()
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def user(_keys: None) -> User:
    return members.create_member(ADA, f"{secrets.token_hex(4)}@acme.example", "Tariq", PASSWORD)


def _browser() -> Client:
    return Client(headers={"host": "localhost"})


def _sign_in(browser: Client, user: User, password: str = PASSWORD) -> str:
    answer = browser.post("/account/login/", {"login": user.email, "password": password})
    return str(answer.get("location", answer.status_code))


def _code(secret: str, steps: int = 0) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def _enrol(browser: Client) -> tuple[str, list[str]]:
    """The key of the app, and the recovery codes as they were shown; the password is asked for once more before."""
    assert browser.post("/account/reauthenticate/", {"password": PASSWORD}).status_code == 302
    page = browser.get("/account/2fa/totp/activate/").content.decode()
    secret = re.search(r'<pre id="secret">([A-Z2-7]+)</pre>', page)
    assert secret is not None
    answer = browser.post("/account/2fa/totp/activate/", {"code": _code(secret[1])})
    assert answer["location"] == "/account/2fa/recovery-codes/"
    shown = browser.get("/account/2fa/recovery-codes/").content.decode()
    codes = re.search(r'<pre id="codes">([0-9\s]+)</pre>', shown)
    assert codes is not None
    return secret[1], codes[1].split()


def _told(user: User) -> list[str]:
    """What the entries about the person say."""
    found = entries(subject=f"member:{user.email}")
    return [str(e["data"].get("what") or e["kind"]) for e in found]


def test_after_enrolment_the_password_alone_opens_nothing(user: User) -> None:
    browser = _browser()
    assert _sign_in(browser, user) == "/"
    secret, _ = _enrol(browser)
    fresh = _browser()
    assert _sign_in(fresh, user) == "/account/2fa/authenticate/"
    assert fresh.get("/settings/")["location"].startswith("/account/login/?next=")
    assert fresh.get("/api/v1/stops/").status_code == 401
    wrong = fresh.post("/account/2fa/authenticate/", {"code": "000000"})
    assert wrong.status_code == 200
    assert fresh.get("/settings/").status_code == 302
    right = fresh.post("/account/2fa/authenticate/", {"code": _code(secret, 1)})
    assert right["location"] == "/"
    assert fresh.get("/settings/").status_code == 200
    assert _told(user) == [
        "member.added",
        "signin.succeeded",
        "second factor enrolled",
        "signin.failed",
        "signin.succeeded",
    ]


def test_a_recovery_code_signs_in_once_and_is_an_entry(user: User) -> None:
    browser = _browser()
    _sign_in(browser, user)
    _, codes = _enrol(browser)
    assert len(codes) == len(set(codes)) == 10
    assert "shown once" not in browser.get("/account/2fa/recovery-codes/").content.decode().lower()
    first, second = _browser(), _browser()
    _sign_in(first, user)
    assert first.post("/account/2fa/authenticate/", {"code": codes[0]})["location"] == "/"
    _sign_in(second, user)
    assert second.post("/account/2fa/authenticate/", {"code": codes[0]}).status_code == 200
    assert second.get("/settings/").status_code == 302
    assert _told(user)[-3:] == ["recovery code used", "signin.succeeded", "signin.failed"]


def test_a_code_is_not_taken_twice(user: User) -> None:
    browser = _browser()
    _sign_in(browser, user)
    secret, _ = _enrol(browser)
    code = _code(secret, 1)
    first, second = _browser(), _browser()
    for one in (first, second):
        _sign_in(one, user)
    assert first.post("/account/2fa/authenticate/", {"code": code}).status_code == 302
    assert second.post("/account/2fa/authenticate/", {"code": code}).status_code == 200


def test_the_seed_is_sealed_and_opens_under_this_pepper_alone(
    user: User, settings: LazySettings, tmp_path: Path
) -> None:
    browser = _browser()
    _sign_in(browser, user)
    secret, codes = _enrol(browser)
    kept = str(list(Authenticator.objects.filter(user=user).values_list("data", flat=True)))
    assert secret not in kept
    assert not any(code in kept for code in codes)
    sealed = Authenticator.objects.get(user=user, type="totp").data["secret"]
    assert SecondFactor().decrypt(sealed) == secret
    (tmp_path / "pepper").write_text(bytes(32).hex(), encoding="ascii")
    with pytest.raises(InvalidTag):
        SecondFactor().decrypt(sealed)


def test_taking_it_off_needs_the_password_or_a_code_again(user: User) -> None:
    browser = _browser()
    browser.force_login(user)
    asked = browser.get("/account/2fa/totp/activate/")
    assert asked["location"].startswith("/account/reauthenticate/")
    refused = browser.post("/account/reauthenticate/", {"password": "wrong horse"})
    assert refused.status_code == 200
    _enrol(browser)
    assert browser.post("/account/2fa/totp/deactivate/")["location"] == "/account/2fa/"
    assert not Authenticator.objects.filter(user=user).exists()
    assert _told(user)[-2:] == ["second factor enrolled", "second factor removed"]
    assert _sign_in(_browser(), user) == "/"


def test_roles_that_need_a_second_factor_see_nothing_before_they_have_one(
    user: User, settings: LazySettings
) -> None:
    put(GRANT.format(name=f"m-{user.email[:8]}", email=user.email), origin="console")
    token = commands.create_token(member(user.email.partition("@")[0]), user).shown
    browser = _browser()
    _sign_in(browser, user)
    assert browser.get("/settings/").status_code == 200
    settings.MANDATE_REQUIRE_TOTP = ("admin", "approver")
    assert browser.get("/settings/")["location"] == "/account/2fa/totp/activate/"
    assert browser.get("/api/v1/stops/").status_code == 401
    shown = {"authorization": f"Bearer {token}"}
    assert browser.get("/api/v1/stops/", headers=shown).status_code == 200
    _enrol(browser)
    assert browser.get("/settings/").status_code == 200
    assert browser.get("/api/v1/stops/").status_code == 200


def test_wrong_passwords_are_slowed_down_for_every_process(user: User) -> None:
    browser = _browser()
    for _ in range(5):
        assert _sign_in(browser, user, "wrong horse battery") == "200"
    assert _sign_in(_browser(), user) == "200"
    cache.clear()
    assert _sign_in(_browser(), user) == "/"


def test_without_redis_nobody_is_let_in_and_the_api_goes_on(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = commands.create_token(member(user.email.partition("@")[0]), user).shown

    def away(*_: object, **__: object) -> None:
        raise RedisAway("gone")

    for name in ("add", "get", "set"):
        monkeypatch.setattr(f"django.core.cache.backends.redis.RedisCache.{name}", away)
    browser = _browser()
    answer = browser.post("/account/login/", {"login": user.email, "password": PASSWORD})
    assert answer.status_code == 503
    assert "cannot be counted" in answer.content.decode()
    assert browser.get("/settings/").status_code == 302
    shown = {"authorization": f"Bearer {token}"}
    assert browser.get("/api/v1/stops/", headers=shown).status_code == 200


def test_a_changed_password_is_an_entry_and_ends_other_sessions(user: User) -> None:
    here, there = _browser(), _browser()
    for browser in (here, there):
        browser.force_login(user)
    form = {
        "oldpassword": PASSWORD,
        "password1": "another horse battery",
        "password2": "another horse battery",
    }
    assert here.post("/account/password/change/", form).status_code == 302
    assert here.get("/settings/").status_code == 200
    assert there.get("/settings/").status_code == 302
    assert _told(user)[-1] == "password"
