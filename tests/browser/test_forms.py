"""Forms of documents in Chromium and over HTTP: every kind's form opens, saves, and opens again from its YAML."""

from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from policies.documents.kinds import KINDS
from policies.documents.parse import parse_text
from policies.forms.shapes import NEW, ROW
from tests.browser.test_browser import Lookers, violations, wrong_in_any_look
from tests.browser.world import Console
from tests.policies.documents.test_kinds import SPECS, whole
from tests.policies.forms.test_controls import Browser as Posting

WRONG = 'tenant.region == "eu"\n&& team.name != ["data-science"]'


@pytest.fixture(scope="module")
def lookers(console: Console, browser: Browser) -> Iterator[Lookers]:
    found = Lookers(console, browser)
    yield found
    for looker in found.values():
        looker.context.close()


def example(kind: str) -> str:
    """The kind's example as a new document: nothing published has its name."""
    (document,) = parse_text(whole(kind, SPECS[kind]))
    return document.source.replace("name: x", f"name: new-{kind.lower()}")


def sent(page: str) -> dict[str, list[str]]:
    """What a browser would post of the form on a page."""
    posting = Posting()
    posting.feed(
        page[
            page.index('id="document-form"') : page.index(
                "</form>", page.index('id="document-form"')
            )
        ]
    )
    return {name: values for name, values in posting.sent.items() if name != "csrfmiddlewaretoken"}


def post(
    client: httpx2.Client, console: Console, path: str, form: dict[str, list[str]], do: str
) -> httpx2.Response:
    token = client.cookies.get("mandate_csrf") or ""
    data = form | {"csrfmiddlewaretoken": [token], "do": [do]}
    return client.post(path, data=data, headers={"referer": console.url})


def written(console: Console, name: str) -> list[str]:
    return [
        row[0]
        for row in console.rows("SELECT source FROM policies_change_edit WHERE name = %s", name)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_made_by_form_and_comes_back_from_its_yaml(
    console: Console, kind: str
) -> None:
    text, name = example(kind), f"new-{kind.lower()}"
    with console.signed_in("ada") as ada:
        path = f"/documents/new/{kind}/"
        assert ada.get(path).status_code == 200
        form = post(ada, console, path, {"view": ["yaml"], "text": [text]}, "form")
        assert form.status_code == 200
        typed = sent(form.text)
        assert typed["view"] == ["form"]
        # as if it had been typed: nothing to start from, every row new
        typed = {k: [NEW] if k.endswith(ROW) else v for k, v in typed.items()} | {
            "text": [""],
            "title": [f"Add {name}"],
        }
        saved = post(ada, console, path, typed, "save")
        assert saved.status_code == 302, saved.text
        (source,) = written(console, name)
        assert parse_text(source)[0].body == parse_text(text)[0].body
        address = saved.headers["location"]
        assert address.startswith(f"/documents/{kind}/-/{name}/edit/?change=")
        again = ada.get(address)
        assert again.status_code == 200
        assert post(ada, console, address, sent(again.text), "save").status_code == 302
    assert written(console, name) == [source]


def press(page: Page, selector: str) -> None:
    """Press a button that brings a new page."""
    with page.expect_navigation(wait_until="networkidle"):
        page.click(selector)


@pytest.mark.parametrize("kind", KINDS)
def test_every_form_is_accessible_and_fits(lookers: Lookers, kind: str) -> None:
    looker = lookers["ada", "light"]
    looker.said.clear()
    page = looker.page
    page.goto(f"/documents/new/{kind}/", wait_until="networkidle")
    page.fill("[name=title]", "look")
    press(page, ".tabs >> text=YAML")
    page.fill("#text", example(kind))
    press(page, ".tabs >> text=Form")
    assert page.input_value("[name='metadata.name']") == f"new-{kind.lower()}"
    assert wrong_in_any_look(page) == {}
    assert looker.said == []


def test_a_wrong_condition_shows_its_error_while_typing(lookers: Lookers) -> None:
    page = lookers["ada", "light"].page
    page.goto("/documents/Permission/-/eu-data-stays-in-eu/edit/", wait_until="networkidle")
    told = page.locator("[id='c-spec-when-told']")
    expect(told).to_contain_text("Right. It is true or false.")
    expect(told).to_contain_text("it comes to true")
    page.click("[name='spec.when']")
    page.keyboard.press("Control+A")
    page.keyboard.type(WRONG)
    expect(told).to_contain_text("Line 2, column 14:")
    assert told.locator("pre").inner_text().split("\n") == [
        '&& team.name != ["data-science"]',
        "             ^",
    ]
    assert violations(page) == []
    page.fill("[name='spec.when']", 'team.name == "claims"')
    expect(told).to_contain_text("it comes to true")
    page.fill("[id='c-spec-when-team-name']", "sales")
    page.keyboard.press("Tab")
    expect(told).to_contain_text("it comes to false")


def test_the_facts_of_a_recorded_call_are_a_sample(lookers: Lookers) -> None:
    page = lookers["ada", "light"].page
    page.goto("/documents/Permission/-/eu-data-stays-in-eu/edit/", wait_until="networkidle")
    calls = page.locator("[id='c-spec-when-from'] option")
    expect(calls.first).to_have_text("made up")
    values = [calls.nth(number).get_attribute("value") for number in range(1, calls.count())]
    assert values
    found = []
    told = page.locator("[id='c-spec-when-told']")
    for value in values:
        told.evaluate("element => element.dataset.before = 'yes'")
        page.select_option("[id='c-spec-when-from']", value)
        expect(page.locator("[id='c-spec-when-told'][data-before]")).to_have_count(0)
        expect(page.locator("[id='c-spec-when-from']")).to_have_value(str(value))
        found += told.locator("table").last.locator("tbody th").all_inner_texts()
    assert "claude-large" in found


def test_both_views_keep_what_is_wrong_and_focus_goes_to_it(lookers: Lookers) -> None:
    page = lookers["ada", "light"].page
    page.goto("/documents/Budget/-/organisation-monthly/edit/", wait_until="networkidle")
    page.fill("[name='spec.limit']", "a lot")
    press(page, ".tabs >> text=YAML")
    assert 'limit: "a lot"' in page.input_value("#text") or "limit: a lot" in page.input_value(
        "#text"
    )
    expect(page.locator("#problems")).to_contain_text("must be an amount in quotes")
    expect(page.locator("#problem-summary")).to_be_focused()
    page.fill("#text", page.input_value("#text").replace("spec:", "spec: ["))
    expect(page.locator("#problems")).to_contain_text("not YAML")
    broken = page.input_value("#text")
    press(page, ".tabs >> text=Form")
    assert page.input_value("#text") == broken
    page.fill("#text", broken.replace("spec: [", "spec:"))
    press(page, ".tabs >> text=Form")
    assert page.input_value("[name='spec.limit']") == "a lot"
    page.click("#problem-summary a")
    expect(page.locator("#c-spec-limit")).to_be_focused()


def test_rows_and_types_change_without_losing_what_was_typed(lookers: Lookers) -> None:
    page = lookers["ada", "light"].page
    page.goto("/documents/Route/insurance/claims-triage/edit/", wait_until="networkidle")
    page.fill("[name='spec.task']", "typed before")
    before = page.input_value("[name='spec.strategy.models.0']")
    page.click("button[value='down:spec.strategy.models.0']")
    expect(page.locator("[name='spec.strategy.models.1']")).to_have_value(before)
    assert page.input_value("[name='spec.task']") == "typed before"
    page.select_option("[name='spec.strategy.type']", "consensus")
    page.wait_for_selector("[name='spec.strategy.agree']")
    page.fill("[name='spec.strategy.agree']", "2")
    page.click("button[value='show:spec.canary']")
    page.wait_for_selector("[name='spec.canary.percent']")
    press(page, ".tabs >> text=YAML")
    text = page.input_value("#text")
    assert "type: consensus" in text
    assert "agree: 2" in text
    assert "task: typed before" in text
    assert "canary: {}" in text


def test_a_literal_secret_is_never_stored(console: Console) -> None:
    text = example("Provider").replace("secret:openai", "sk-live-0123456789")
    assert "sk-live-0123456789" in text
    with console.signed_in("ada") as ada:
        ada.get("/documents/new/Provider/")
        refused = post(
            ada, console, "/documents/new/Provider/", {"view": ["yaml"], "text": [text]}, "save"
        )
    assert refused.status_code == 422
    assert "a secret itself never stands in a document" in refused.text
    assert console.rows(
        "SELECT count(*) FROM policies_change_edit WHERE source LIKE %s", "%sk-live%"
    ) == [(0,)]


def test_who_may_not_draft_sees_no_form(console: Console) -> None:
    with console.signed_in("finn") as finn:
        assert finn.get("/documents/new/").status_code == 403
        assert finn.get("/documents/new/Budget/").status_code == 403
        assert finn.get("/documents/Budget/-/organisation-monthly/edit/").status_code == 403
        answer = post(
            finn,
            console,
            "/documents/new/Budget/",
            {"view": ["yaml"], "text": [example("Budget")]},
            "save",
        )
        assert answer.status_code == 403
