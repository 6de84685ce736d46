"""Keys, members, tenants and the second factor in Chromium: nothing for axe, no sideways scroll, and the ways through them."""

import re
import time
from collections.abc import Iterator

import httpx2
import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Browser, Page

from tests.browser.slow import new_page
from tests.browser.test_browser import MOST_BYTES, Lookers, sideways, violations, wrong_in_any_look
from tests.browser.walking import press
from tests.browser.world import Console

PAGES = (
    ("tariq", "/keys/"),
    ("finn", "/keys/"),
    ("tariq", "/keys/new/"),
    ("ada", "/keys/{claims}/"),
    ("ada", "/members/"),
    ("tariq", "/members/"),
    ("ada", "/members/rui@acme.example/"),
    ("mallory", "/members/mallory@acme.example/"),
    ("ada", "/tenants/"),
    ("tariq", "/tenants/"),
    ("tariq", "/settings/"),
)


@pytest.fixture(scope="module")
def lookers(console: Console, browser: Browser) -> Iterator[Lookers]:
    found = Lookers(console, browser)
    yield found
    for looker in found.values():
        looker.context.close()


@pytest.mark.parametrize(("name", "path"), PAGES)
def test_page(console: Console, lookers: Lookers, name: str, path: str) -> None:
    looker = lookers[name, "light"]
    looker.said.clear()
    claims = console.keys["insurance/claims"].split("_")[1]
    answer = looker.page.goto(path.format(claims=claims), wait_until="networkidle")
    assert answer is not None
    assert answer.status == 200
    assert len(answer.body()) < MOST_BYTES
    assert wrong_in_any_look(looker.page) == {}
    assert looker.said == []


@pytest.mark.parametrize("look", ["light", "phone-dark"])
def test_tariq_makes_a_key_by_keyboard_and_sees_it_once(
    console: Console, lookers: Lookers, look: str
) -> None:
    page = lookers["tariq", look].page
    page.goto("/keys/new/")
    page.focus("#id_name")
    page.keyboard.type(f"notebook {look}")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    key = page.inner_text("#fresh")
    assert re.fullmatch(r"mdt_[a-z0-9]{8}_[A-Za-z0-9_-]{43}", key)
    assert key in page.inner_text("#s-openai")
    assert violations(page) == []
    assert sideways(page) == []
    page.click("summary:has-text('Claude Code')")
    assert page.is_visible("#s-claude-code")
    assert not page.is_visible("#s-openai")
    assert page.locator("text=Waiting for your first call").count() == 1
    used = "UPDATE policies_api_key SET last_used_at = now() WHERE id = %s RETURNING id"
    assert len(console.rows(used, key.split("_")[1])) == 1
    page.wait_for_selector("#first >> text=Seen", timeout=20_000)
    assert page.inner_text("#fresh") == key
    with console.bearer(key) as script:
        assert script.get("/calls/").status_code == 403
    page.goto(f"/keys/{key.split('_')[1]}/")
    assert key not in page.content()
    assert page.locator("text=every route of insurance").count() == 1


def test_rotating_shows_the_next_key_and_says_so_on_the_old_one(
    console: Console, lookers: Lookers
) -> None:
    page = lookers["tariq", "light"].page
    page.goto("/keys/new/")
    page.fill("#id_name", "to be rotated")
    press(page, "text=Make the key")
    old = page.inner_text("#fresh").split("_")[1]
    page.select_option("#id_overlap", "168")
    press(page, "text=Make the next key")
    new = page.inner_text("#fresh").split("_")[1]
    assert new != old
    page.goto(f"/keys/{old}/")
    assert page.locator(f"text=mdt_{new}").count() == 1
    assert page.locator("text=ends soon").count() == 1
    page.fill("#id_reason", "left on a train")
    press(page, "text=Revoke the key")
    assert page.locator("text=The key is revoked.").count() == 1
    assert page.locator("text=Make the next key").count() == 0
    rows = console.rows("SELECT revoked_at IS NOT NULL FROM policies_api_key WHERE id = %s", old)
    assert rows == [(True,)]


def _code(secret: str, steps: int = 0) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def test_a_guest_joins_sets_up_the_second_factor_and_needs_it(
    console: Console, browser: Browser, lookers: Lookers
) -> None:
    ada = lookers["ada", "light"].page
    ada.goto("/members/")
    ada.fill("#id_email", "gwen@acme.example")
    ada.select_option("#id_team", "insurance/claims")
    press(ada, "main button:has-text('Invite')")
    link = ada.inner_text("#invite")
    assert violations(ada) == []
    context = browser.new_context(base_url=console.url, viewport={"width": 390, "height": 844})
    page = new_page(context)
    page.goto(link)
    assert violations(page) == []
    page.fill("#id_name", "Gwen")
    page.fill("#id_password", "correct horse battery")
    page.fill("#id_again", "correct horse battery")
    press(page, "button:has-text('Join')")
    assert page.locator("text=Welcome. Sign in").count() == 1
    _password(page, f"{console.url}/")
    page.goto("/account/2fa/totp/activate/")
    page.fill("#id_password", "correct horse battery")
    press(page, "button:has-text('Go on')")
    assert page.locator("img.qr").evaluate("image => image.naturalWidth") > 0
    assert violations(page) == []
    assert sideways(page) == []
    secret = page.inner_text("#secret")
    page.fill("#id_code", _code(secret))
    press(page, "button:has-text('Turn it on')")
    assert len(page.inner_text("#codes").split()) == 10
    assert violations(page) == []
    context.clear_cookies()
    page.goto("/settings/")
    _password(page, f"{console.url}/account/2fa/authenticate/")
    assert violations(page) == []
    page.fill("#id_code", _code(secret, 1))
    press(page, "button:has-text('Sign in')")
    assert page.url == f"{console.url}/settings/"
    assert page.locator("text=Turn it off").count() == 1
    context.close()
    again = httpx2.get(link, timeout=30)
    assert again.status_code == 404
    rows = console.rows(
        "SELECT t.slug FROM policies_membership m JOIN policies_user u ON u.id = m.user_id"
        " JOIN policies_team t ON t.id = m.team_id WHERE u.email = 'gwen@acme.example'"
    )
    assert rows == [("claims",)]


def _password(page: Page, then: str) -> None:
    page.fill("#id_login", "gwen@acme.example")
    page.fill("#id_password", "correct horse battery")
    press(page, "button:has-text('Sign in')")
    assert page.url == then
