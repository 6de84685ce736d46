"""By keyboard alone: into the console, a held call decided, a change written and approved; focus is seen, and never lost."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.slow import new_page
from tests.browser.test_browser import LOOKS, Looker, path_of
from tests.browser.world import Console

pytestmark = pytest.mark.browser
MOST_STOPS = 250
RULE = """\
apiVersion: mandate/v1
kind: Permission
metadata: {name: by-keyboard, tenant: insurance, owner: cleo@acme.example}
spec:
  effect: forbid
  on: call
  when: 'route.name == "no-such-route"'
  message: '"written without a mouse"'
"""
# where the focus is, and whether one sees it: our outline, or that of the label around a choice
FOCUS = """() => {
  const it = document.activeElement;
  if (!it || it === document.body) return null;
  const seen = [it, it.closest("label")].some((one) => {
    if (!one) return false;
    const style = getComputedStyle(one);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  });
  const box = it.getBoundingClientRect();
  const all = [...document.querySelectorAll("*")];
  return {at: all.indexOf(it), what: it.outerHTML.slice(0, 120), seen, wide: box.width, high: box.height};
}"""


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the focus is there. Every stop on the way is to be seen."""
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        here = page.evaluate(FOCUS)
        assert here is None or here["seen"], f"the focus is not seen: {here}"
        if wanted.evaluate("it => it === document.activeElement"):
            return
    raise AssertionError(f"Tab does not lead to {wanted}")


def follow(page: Page, wanted: Locator) -> None:
    """Go there and press Enter; the page that comes is loaded."""
    tab_to(page, wanted)
    with page.expect_navigation(wait_until="networkidle"):
        page.keyboard.press("Enter")


@pytest.fixture
def visitor(two: Console, browser: Browser) -> Iterator[Page]:
    """Nobody yet."""
    context = browser.new_context(base_url=two.url, viewport=LOOKS["light"][0])  # type: ignore[arg-type] # a plain dict of two numbers
    yield new_page(context)
    context.close()


def test_rui_signs_in_and_decides_a_held_call(two: Console, visitor: Page) -> None:
    page, rui = visitor, two.people["rui"]
    page.goto("/")
    assert page.evaluate("document.activeElement.id") == "id_login"
    page.keyboard.type(str(rui["email"]))
    tab_to(page, page.locator("#id_password"))
    page.keyboard.type(str(rui["password"]))
    with page.expect_navigation(wait_until="networkidle"):
        page.keyboard.press("Enter")
    assert page.locator("h1").inner_text() == "Overview"
    follow(page, page.locator("nav.menu a:has-text('Review queue')"))
    review = two.calls["review-held-late"]
    page.keyboard.press("j")  # what is due first
    assert page.evaluate(FOCUS)["seen"]
    with page.expect_navigation(wait_until="networkidle"):
        page.keyboard.press("Enter")
    assert page.url.endswith(f"/reviews/{review}/")
    follow(page, page.get_by_role("button", name="Claim and read"))
    assert page.get_by_role("heading", name="Prompt").count() == 1
    # Enter in a field says nothing: which of the verdicts would it be?
    tab_to(page, page.get_by_label("Reason"))
    page.keyboard.type("no report")
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    assert page.url.endswith(f"/reviews/{review}/")
    assert two.rows("SELECT outcome FROM routing_review_case WHERE id = %s", review) == [("",)]
    follow(page, page.get_by_role("button", name="Approve", exact=True))
    assert "Approved. The call goes on." in page.locator("#messages").inner_text()
    assert two.rows("SELECT outcome FROM routing_review_case WHERE id = %s", review) == [
        ("approved",)
    ]


def test_tariq_writes_and_cleo_approves(two: Console, browser: Browser) -> None:
    tariq, cleo = Looker(two, browser, "tariq"), Looker(two, browser, "cleo", "dark")
    page = tariq.page
    page.goto("/change-requests/")
    follow(page, page.locator("main >> text=New change request"))
    tab_to(page, page.locator("#id_title"))
    page.keyboard.type("Written without a mouse")
    tab_to(page, page.locator("#id_documents"))
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(RULE)
    follow(page, page.get_by_role("button", name="Make the draft"))
    follow(page, page.get_by_role("button", name="Hand in"))
    assert page.locator(".page-head .badge").inner_text() == "waits for approval"
    address = page.url
    page = cleo.page
    page.goto("/")
    follow(page, page.locator("main a:has-text('Look at it')").first)
    assert page.url == address
    tab_to(page, page.locator("#id_why"))
    page.keyboard.type("Agreed")
    follow(page, page.get_by_role("button", name="Approve", exact=True))
    assert "is in force." in page.locator("#messages").inner_text()
    assert two.rows("SELECT count(*) FROM policies_document WHERE name = 'by-keyboard'") == [(1,)]
    for looker in (tariq, cleo):
        assert looker.said == []
        looker.context.close()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("cleo", "/"),
        ("cleo", "/calls/{fallback}/"),
        ("rui", "/reviews/{review-held-mine}/"),
        ("cleo", "/documents/Permission/-/eu-data-stays-in-eu/edit/"),
        ("ada", "/settings/"),
    ],
)
def test_tab_goes_through_the_whole_page_and_out_of_it(
    two: Console, browser: Browser, name: str, path: str
) -> None:
    looker = Looker(two, browser, name)
    page = looker.page
    page.goto(path_of(two, path))
    page.evaluate("document.activeElement.blur()")
    seen: list[int] = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        here = page.evaluate(FOCUS)
        if here is None or here["at"] in seen[:1]:
            break
        assert here["seen"], f"the focus is not seen: {here}"
        assert here["wide"] > 0, f"the focus is on nothing: {here}"
        assert here["at"] not in seen, f"the focus is caught: {here}"
        seen.append(here["at"])
    else:
        raise AssertionError("Tab does not lead out of the page")
    # in the order of reading: what comes later in the page is reached later
    assert len(seen) > 15
    assert seen == sorted(seen)
    looker.context.close()


def test_the_menu_on_a_phone_opens_closes_and_gives_the_focus_back(
    two: Console, browser: Browser
) -> None:
    looker = Looker(two, browser, "cleo", "phone")
    page = looker.page
    page.goto("/")
    button = page.locator(".menu-button")
    tab_to(page, button)
    page.keyboard.press("Enter")
    expect(page.locator("#side")).to_be_visible()
    tab_to(page, page.locator("nav.menu a:has-text('Documents')"))
    page.keyboard.press("Escape")
    expect(page.locator("#side")).to_be_hidden()
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    follow(page, page.locator("nav.menu a:has-text('Documents')"))
    assert page.locator("h1").inner_text() == "Documents"
    looker.context.close()
