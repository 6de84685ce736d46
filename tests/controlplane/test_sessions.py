"""Where a member is signed in: they see it, end one or all others, and a new password ends the others."""

import re
import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django.test import Client

from controlplane.kernel.errors import Forbidden, NotFound
from policies.identity import members, sessions
from policies.identity.commands import create_token
from policies.identity.models import Session, User
from policies.order.lock import mandate_now
from tests.policies.people import ADA, entries, member
from tests.policies.texts import ensure_organisation

PASSWORD = "correct horse battery"
LAPTOP = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36"


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


def signed_in(user: User, agent: str = LAPTOP) -> Client:
    browser = Client(headers={"host": "localhost", "user-agent": agent})
    answer = browser.post("/account/login/", {"login": user.email, "password": PASSWORD})
    assert answer["location"] == "/"
    return browser


def stands(browser: Client) -> bool:
    return browser.get("/settings/").status_code == 200


def listed(browser: Client) -> str:
    page = browser.get("/settings/").content.decode()
    start = page.index('aria-labelledby="sessions-title"')
    return re.sub(
        r"\s+", " ", re.sub(r"<[^>]+>", " ", page[start : page.index("</section>", start)])
    )


def session_of(browser: Client) -> Session:
    return Session.objects.get(session_key=browser.cookies["mandate_session"].value)


def told(user: User) -> list[str]:
    return [str(e["data"].get("what", "")) for e in entries(f"member:{user.email}")]


def test_a_member_sees_their_sessions_and_nobody_elses(user: User) -> None:
    laptop, phone = signed_in(user), signed_in(user, PHONE)
    signed_in(members.create_member(ADA, f"{secrets.token_hex(4)}@acme.example", "X", PASSWORD), "")
    text = listed(laptop)
    assert text.count("Firefox on Linux") == 1
    assert (
        text.count("Chrome on Android") == 2
    )  # the row, and what its button says to a screen reader
    assert text.count("this one") == 1
    assert "127.0.0.1" in text
    assert "unknown browser" not in text
    row = session_of(phone)
    assert (row.user_id, row.agent, row.address) == (user.pk, PHONE, "127.0.0.1")
    assert row.session_key not in laptop.get("/settings/").content.decode()


def test_ending_one_ends_that_one_at_once(user: User) -> None:
    laptop, phone = signed_in(user), signed_in(user, PHONE)
    gone = session_of(phone).public
    answer = laptop.post(f"/settings/sessions/{gone}/end/")
    assert answer["location"] == "/settings/"
    assert (stands(laptop), stands(phone)) == (True, False)
    assert told(user)[-1] == "session ended"
    assert entries(f"member:{user.email}")[-1]["data"]["session"] == str(gone)
    assert laptop.post(f"/settings/sessions/{gone}/end/").status_code == 404


def test_nobody_ends_a_session_of_another(user: User) -> None:
    phone = signed_in(user, PHONE)
    other = members.create_member(ADA, f"{secrets.token_hex(4)}@acme.example", "Mallory", PASSWORD)
    session, before = session_of(phone).public, told(user)
    assert signed_in(other).post(f"/settings/sessions/{session}/end/").status_code == 404
    mallory = member(other.email.partition("@")[0])
    with pytest.raises(Forbidden):
        members.end_session(mallory, user, session)
    with pytest.raises(NotFound):
        members.end_session(mallory, other, session)
    assert stands(phone)
    assert told(user) == before


def test_ending_all_others_leaves_this_one(user: User) -> None:
    laptop, phone, third = signed_in(user), signed_in(user, PHONE), signed_in(user)
    assert laptop.post("/settings/sign-out/")["location"] == "/settings/"
    assert [stands(browser) for browser in (laptop, phone, third)] == [True, False, False]
    assert [row.public for row in sessions.of(user, mandate_now())] == [session_of(laptop).public]
    assert told(user)[-1] == "signed out everywhere"


def test_a_new_password_ends_the_others(user: User) -> None:
    laptop, phone = signed_in(user), signed_in(user, PHONE)
    since = session_of(laptop).created_at
    new = "another horse battery"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert laptop.post("/account/password/change/", form).status_code == 302
    assert (stands(laptop), stands(phone)) == (True, False)
    (row,) = sessions.of(user, mandate_now())
    # its key is a new one; to the person it is the session that it was
    assert (row.session_key, row.created_at) == (session_of(laptop).session_key, since)
    assert told(user)[-1] == "password"


def test_who_is_let_in_no_more_has_no_session(user: User) -> None:
    laptop = signed_in(user)
    members.remove_member(ADA, user)
    assert not stands(laptop)
    assert list(sessions.of(user, mandate_now())) == []


def test_the_last_use_is_noted_every_five_minutes(user: User) -> None:
    laptop = signed_in(user)
    rows = Session.objects.filter(pk=session_of(laptop).pk)
    for minutes, moved in ((4, False), (6, True)):
        at = mandate_now() - timedelta(minutes=minutes)
        rows.update(last_used_at=at)
        assert stands(laptop)
        assert (rows.get().last_used_at != at) is moved


def test_sessions_that_are_over_are_not_shown_and_go_at_the_next_sign_in(user: User) -> None:
    old = session_of(signed_in(user))
    Session.objects.filter(pk=old.pk).update(expire_date=mandate_now() - timedelta(seconds=1))
    assert list(sessions.of(user, mandate_now())) == []
    signed_in(user)
    assert not Session.objects.filter(pk=old.pk).exists()


def test_the_api_lists_and_ends_them_too(user: User) -> None:
    phone = signed_in(user, PHONE)
    who = member(user.email.partition("@")[0])
    shown = create_token(who, user, name="t").shown
    script = Client(headers={"host": "localhost", "authorization": f"Bearer {shown}"})
    (one,) = script.get("/api/v1/sessions/").json()["items"]
    assert (UUID(one["id"]), one["device"]) == (session_of(phone).public, "Chrome on Android")
    assert sorted(one) == ["address", "createdAt", "device", "id", "lastUsedAt"]
    assert script.post(f"/api/v1/sessions/{one['id']}/end/").status_code == 204
    assert not stands(phone)
    assert script.get("/api/v1/sessions/").json() == {"items": []}


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (LAPTOP, "Firefox on Linux"),
        (PHONE, "Chrome on Android"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/142.0 Safari/537.36 Edg/142.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19 like Mac OS X) Version/19 Safari/604", "Safari on iPhone"),
        ("curl/8.5", "curl"),
        ("", "an unknown browser"),
    ],
)  # fmt: skip
def test_a_browser_in_words(agent: str, words: str) -> None:
    assert sessions.device(agent) == words
