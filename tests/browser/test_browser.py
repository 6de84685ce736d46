"""Every page in Chromium: nothing for axe to find in both themes and on a phone, no CSP error, light, and no sideways scroll."""

import json
from collections.abc import Iterator
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.browser.slow import new_page
from tests.browser.world import Console

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
LOOKS = {
    "light": (DESK, "light"),
    "dark": (DESK, "dark"),
    "phone": (PHONE, "light"),
    "phone-dark": (PHONE, "dark"),
}
THEME_IS = "scheme => (document.documentElement.dataset.theme || scheme) === scheme"
MOST_BYTES = 250_000
PAGES = (
    ("cleo", "/"),
    ("mallory", "/"),
    ("cleo", "/calls/"),
    ("cleo", "/calls/?state=denied"),
    ("mallory", "/calls/?q=nothing-at-all"),
    ("cleo", "/calls/{completed}/"),
    ("cleo", "/calls/{fallback}/"),
    ("cleo", "/calls/{failed}/"),
    ("cleo", "/calls/{denied}/"),
    ("ada", "/calls/{running}/"),
    ("cleo", "/calls/{completed}/content/"),
    ("finn", "/budgets/"),
    ("finn", "/budgets/?budget=insurance/claims-daily"),
    ("finn", "/budgets/unknown/"),
    ("finn", "/budgets/anomalies/"),
    ("mallory", "/playground/"),
    ("cleo", "/search/?q=claims"),
    ("mallory", "/search/?q=nothing-at-all"),
    ("finn", "/reports/spend/"),
    ("finn", "/reports/spend/?by=model&then=-"),
    ("finn", "/reports/cases/?period=days"),
    ("finn", "/reports/waste/?period=days"),
    ("finn", "/reports/reconcile/"),
    ("ada", "/models/"),
    ("ada", "/settings/notifications/"),
    ("ada", "/stops/"),
    ("cleo", "/reports/exit-drills/"),
    ("cleo", "/documents/"),
    ("cleo", "/documents/Permission/-/eu-data-stays-in-eu/"),
    ("cleo", "/policy-tests/"),
    ("cleo", "/change-requests/"),
    ("tariq", "/change-requests/new/"),
    ("cleo", "/revisions/"),
    ("mallory", "/revisions/2/"),
    ("cleo", "/log/"),
    ("cleo", "{entry}"),
    ("cleo", "/log/?what=policy&who=member"),
    ("cleo", "/log/state/"),
    ("cleo", "/log/evidence/"),
    ("ada", "/keeping/"),
    ("cleo", "/keeping/?show=lifted"),
    ("ada", "/keeping/erasures/"),
    ("cleo", "/keeping/subjects/"),
    ("cleo", "{published}"),
    ("cleo", "/use-cases/"),
    ("cleo", "/use-cases/insurance/claims-triage/dossier/"),
    ("cleo", "/reports/ai-act/"),
    ("tariq", "/api/v1/docs/"),
    ("tariq", "/settings/"),
    ("tariq", "/account/password/change/"),
    ("rui", "/reviews/"),
    ("rui", "/reviews/{review-held-first}/"),
    ("rui", "/reviews/{review-held-mine}/"),
    ("ada", "/reviews/{review-held-late}/"),
    ("tariq", "/log/"),
    ("tariq", "/calls/{retail}/"),
)
ALLOWED = ("/log/", "/calls/{retail}/")
"""Pages above that answer with an error page on purpose."""


class Looker:
    """One member's browser in one look; collects what the console of the browser says."""

    def __init__(self, console: Console, browser: Browser, name: str, look: str = "light") -> None:
        size, scheme = LOOKS[look]
        self.context = browser.new_context(
            base_url=console.url,
            viewport=size,  # type: ignore[arg-type] # a plain dict of two numbers
            color_scheme=scheme,  # type: ignore[arg-type] # light or dark
        )
        with console.signed_in(name):
            cookies = [
                {"name": n, "value": v, "url": console.url}
                for n, v in console.sessions[name].items()
            ]
        self.context.add_cookies(cookies)  # type: ignore[arg-type] # plain dicts
        self.page, self.said = new_page(self.context), list[str]()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.said.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.said.append(message.text)


class Lookers(dict[tuple[str, str], Looker]):
    """Made when they are first asked for."""

    def __init__(self, console: Console, browser: Browser) -> None:
        self.console, self.browser = console, browser

    def __missing__(self, key: tuple[str, str]) -> Looker:
        self[key] = Looker(self.console, self.browser, *key)
        return self[key]


@pytest.fixture(scope="module")
def lookers(console: Console, browser: Browser) -> Iterator[Lookers]:
    found = Lookers(console, browser)
    yield found
    for looker in found.values():
        looker.context.close()


def path_of(console: Console, path: str) -> str:
    """The address, with the calls and the entry that it names."""
    (entry,) = console.rows(
        "SELECT id FROM audit_entry WHERE kind = 'call.completed' ORDER BY id LIMIT 1"
    )[0]
    (published,) = console.rows(
        "SELECT id FROM audit_entry WHERE kind = 'bundle.activated' ORDER BY id DESC LIMIT 1"
    )[0]
    named = {"entry": f"/log/{entry.hex}/", "published": f"/log/{published.hex}/"}
    return path.format(**named, **console.calls)


def violations(page: Page) -> list[str]:
    """What axe finds."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def wrong_in_any_look(page: Page) -> dict[str, list[str]]:
    """What axe finds on the open page, and whether it scrolls sideways, by look. It is loaded once: the server knows no look."""
    found: dict[str, list[str]] = {}
    for look in (*LOOKS, "light"):
        size, scheme = LOOKS[look]
        page.set_viewport_size(size)  # type: ignore[arg-type] # a plain dict of two numbers
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # light or dark
        page.wait_for_function(THEME_IS, arg=scheme)
        if look not in found:
            found[look] = [*violations(page), *sideways(page)]
    return {look: wrong for look, wrong in found.items() if wrong}


def sideways(page: Page) -> list[str]:
    """By how much it is wider than its window."""
    wide = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return [f"{wide} px wider than the window"] if wide else []


@pytest.mark.parametrize(("name", "path"), PAGES)
def test_page(console: Console, lookers: Lookers, name: str, path: str) -> None:
    looker = lookers[name, "light"]
    looker.said.clear()
    answer = looker.page.goto(path_of(console, path), wait_until="networkidle")
    assert answer is not None
    expected = {"/log/": 403, "/calls/{retail}/": 404}.get(path, 200) if name == "tariq" else 200
    assert answer.status == expected
    assert wrong_in_any_look(looker.page) == {}
    errors = [text for text in looker.said if f"status of {expected}" not in text]
    assert errors == []


def test_sign_in_page(console: Console, browser: Browser) -> None:
    context = browser.new_context(base_url=console.url)
    page = new_page(context)
    page.goto("/account/login/")
    assert wrong_in_any_look(page) == {}
    context.close()


@pytest.mark.parametrize(
    "path", ["/", "/calls/", "/calls/{fallback}/", "/log/", "/documents/", "/budgets/"]
)
def test_a_page_with_all_it_loads_is_light(console: Console, browser: Browser, path: str) -> None:
    looker = Looker(console, browser, "cleo")
    sizes: list[int] = []
    looker.page.on("response", lambda response: sizes.append(len(response.body())))
    looker.page.goto(path_of(console, path), wait_until="networkidle")
    looker.context.close()
    assert len(sizes) >= 2
    assert sum(sizes) <= MOST_BYTES


def test_decide_again_in_front_of_the_user(lookers: Lookers, console: Console) -> None:
    page = lookers["cleo", "light"].page
    page.goto(f"/calls/{console.calls['fallback']}/")
    page.click("text=Decide again")
    page.wait_for_selector("#again .callout-ok", timeout=20_000)
    digest = console.rows(
        "SELECT encode(digest, 'hex') FROM policies_decision WHERE call = %s",
        console.calls["fallback"][5:],
    )[0][0]
    assert page.locator("#again .callout-ok strong").inner_text() == "Decided again: identical"
    assert page.locator("#again code").get_attribute("title") == digest


def test_verify_in_front_of_the_user(lookers: Lookers, console: Console) -> None:
    console.manage("sequencer", "--once")
    page = lookers["cleo", "dark"].page
    page.goto("/log/")
    page.click("text=Verify the whole log")
    page.wait_for_selector("#verified .callout", timeout=20_000)
    assert page.locator("#verified strong").inner_text().endswith(": nothing is wrong")
    assert (
        json.dumps(console.rows("SELECT kind FROM audit_entry ORDER BY id DESC LIMIT 1"))
        == '[["log.verified"]]'
    )


def test_the_theme_is_remembered(console: Console, browser: Browser) -> None:
    looker = Looker(console, browser, "finn")
    page = looker.page
    page.goto("/")
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "light"
    page.click("[data-theme-toggle]")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto("/budgets/")
    assert page.evaluate(theme) == "dark"
    looker.context.close()


def test_the_menu_opens_and_closes_on_a_phone(lookers: Lookers) -> None:
    page = lookers["cleo", "phone"].page
    page.goto("/")
    side = page.locator("#side")
    assert not side.is_visible()
    page.click(".menu-button")
    expect(side).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(side).to_be_hidden()


def test_filters_stay_in_the_address(lookers: Lookers) -> None:
    page = lookers["cleo", "light"].page
    page.goto("/calls/")
    with page.expect_response(lambda response: "state=failed" in response.url):
        page.select_option("select[name=state]", "failed")
    page.wait_for_url("**/calls/?*state=failed*")
    expect(page.locator("#calls tbody tr")).to_have_count(1)
    page.reload()
    assert page.locator("#calls tbody tr").count() == 1


def test_the_skip_link_comes_first(lookers: Lookers) -> None:
    page = lookers["cleo", "light"].page
    page.goto("/calls/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
