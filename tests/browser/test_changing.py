"""In Chromium: Tariq writes a change, Cleo approves it, the same question is decided differently; she cannot approve her own."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_browser import Looker, violations, wrong_in_any_look
from tests.browser.walking import press
from tests.browser.world import Console
from tests.four_eyes import done

FORBID = """\
apiVersion: mandate/v1
kind: Permission
metadata: {name: triage-rests, tenant: insurance, owner: cleo@acme.example}
spec:
  effect: forbid
  on: call
  when: 'route.name == "claims-triage"'
  message: '"triage rests today"'
"""


def decided(console: Console) -> str:
    """What a call of the claims team would get: the same question each time."""
    with console.bearer(console.tokens["developer"]) as tariq:
        wanted = {"tenant": "insurance", "team": "claims", "route": "claims-triage"}
        return str(done(tariq.post("/decide/", json=wanted))["effect"])


def test_tariq_writes_and_cleo_approves(two: Console, browser: Browser) -> None:
    tariq, cleo = Looker(two, browser, "tariq"), Looker(two, browser, "cleo")
    assert decided(two) == "permit"
    page = tariq.page
    page.goto("/change-requests/")
    press(page, "text=New change request")
    page.fill("#id_title", "Let triage rest")
    page.fill("#id_documents", FORBID)
    press(page, "text=Make the draft")
    assert page.locator("h1").inner_text() == "Let triage rest"
    assert "Forbids a call (hard) when route.name" in page.locator("main").inner_text()
    press(page, "text=Hand in")
    assert page.locator(".page-head .badge").inner_text() == "waits for approval"
    assert page.locator("text=Tariq does not hold it here").count() == 1
    assert page.locator("button:has-text('Approve'):enabled").count() == 0
    assert decided(two) == "permit"
    address = page.url
    cleo.page.goto("/")
    assert cleo.page.locator("h2:has-text('change request waits for you')").count() == 1
    cleo.page.goto(address)
    cleo.page.fill("#id_why", "Agreed")
    press(cleo.page, "button:has-text('Approve')")
    assert "is in force." in cleo.page.locator("#messages").inner_text()
    assert decided(two) == "deny"
    assert tariq.said + cleo.said == []
    for looker in (tariq, cleo):
        looker.context.close()


def test_two_people_in_one_draft_lose_nothing(two: Console, browser: Browser) -> None:
    with two.bearer(two.tokens["developer"]) as api:
        wanted = {"title": "Both", "tenant": "insurance", "documents": FORBID, "submit": False}
        change = done(api.post("/change-requests/", json=wanted), 201)["id"]
    address = f"/documents/Permission/insurance/triage-rests/edit/?change={change}&tab=yaml"
    tariq, cleo = Looker(two, browser, "tariq"), Looker(two, browser, "cleo", "phone-dark")
    for looker in (tariq, cleo):
        looker.page.goto(address)
    cleo.page.fill("#text", FORBID.replace("today", "this week"))
    press(cleo.page, "text=Save to the draft")
    assert cleo.page.locator("text=Saved to the draft").count() == 1
    his = FORBID.replace("today", "until noon")
    tariq.page.fill("#text", his)
    press(tariq.page, "text=Save to the draft")
    expect(tariq.page.locator("#other")).to_be_focused()
    assert "Cleo saved this document while you were writing." in tariq.page.inner_text("#other")
    assert "triage rests this week" in tariq.page.locator(".diff-out").inner_text()
    assert "triage rests until noon" in tariq.page.locator(".diff-in").inner_text()
    assert tariq.page.input_value("#text") == his
    assert violations(tariq.page) == []
    with two.bearer(two.tokens["approver"]) as api:
        (edit,) = done(api.get(f"/change-requests/{change}/edits/"))["items"]
        assert edit["source"] == FORBID.replace("today", "this week")
        press(tariq.page, "text=Save mine over it")
        assert tariq.page.locator("text=Saved to the draft").count() == 1
        (edit,) = done(api.get(f"/change-requests/{change}/edits/"))["items"]
        assert (edit["source"], edit["editedBy"]) == (his, "member:tariq@acme.example")
    # a browser says of every answer from 400 on that it was one
    assert [said for said in tariq.said if "409" not in said] == []
    assert cleo.said == []
    with two.bearer(two.tokens["developer"]) as api:
        done(api.post(f"/change-requests/{change}/withdraw/", json={}))
    for looker in (tariq, cleo):
        looker.context.close()


def test_cleo_is_not_offered_her_own(two: Console, browser: Browser) -> None:
    cleo = Looker(two, browser, "cleo")
    page = cleo.page
    page.goto("/change-requests/new/?kind=Permission&tenant=-&name=secrets-go-nowhere")
    text = page.input_value("#id_documents")
    page.fill(
        "#id_documents", text.replace("metadata: {", "metadata: {description: said again, ", 1)
    )
    press(page, "text=Make the draft")
    press(page, "text=Hand in")
    assert page.locator("text=You wrote or last edited this").count() == 1
    assert page.locator("button:has-text('Approve'):enabled").count() == 0
    page.click("summary:has-text('Withdraw')")
    press(page, "text=Withdraw it")
    assert page.locator(".page-head .badge").inner_text() == "withdrawn"
    cleo.context.close()


@pytest.mark.parametrize("name", ["ada", "cleo"])
def test_what_waits_for_approval_in_every_look(two: Console, browser: Browser, name: str) -> None:
    text = FORBID.replace("triage-rests", f"rests-{name}")
    wanted = {"title": "Waits", "tenant": "insurance", "documents": text, "submit": True}
    with two.bearer(two.tokens["developer"]) as tariq:
        made = done(tariq.post("/change-requests/", json=wanted), 201)
    one = f"/change-requests/{made['id']}/"
    looker = Looker(two, browser, name)
    for path in (one, f"{one}?view=side"):
        looker.page.goto(path, wait_until="networkidle")
        assert looker.page.locator(".page-head .badge").inner_text() == "waits for approval"
        assert wrong_in_any_look(looker.page) == {}, path
    assert looker.said == []
    looker.context.close()
    with two.bearer(two.tokens["developer"]) as tariq:
        done(tariq.post(f"{one}withdraw/", json={}))


def test_a_change_request_in_every_look(two: Console, browser: Browser) -> None:
    broken = FORBID.replace("effect: forbid", "effect: never").replace("triage-rests", "broken")
    wide = FORBID.replace("triage-rests", "wide-open").replace("today", "today " * 40)
    with two.bearer(two.tokens["developer"]) as tariq:
        made = done(
            tariq.post(
                "/change-requests/",
                json={
                    "title": "Looked at",
                    "tenant": "insurance",
                    "reason": "To be seen",
                    "documents": f"{wide}---\n{broken}",
                    "submit": True,
                },
            ),
            201,
        )
    looker = Looker(two, browser, "tariq")
    one = f"/change-requests/{made['id']}/"
    for path in (
        one,
        f"{one}edits/",
        f"{one}edits/Permission/insurance/broken/",
        "/change-requests/",
        "/change-requests/new/",
        "/revisions/",
        "/revisions/2/",
        "/documents/Tenant/-/insurance/",
    ):
        answer = looker.page.goto(path, wait_until="networkidle")
        assert answer is not None
        assert answer.status == 200
        assert wrong_in_any_look(looker.page) == {}, path
    link = looker.page.locator("a[href*='/versions/']").first.get_attribute("href")
    assert link is not None
    looker.page.goto(link, wait_until="networkidle")
    assert wrong_in_any_look(looker.page) == {}
    assert looker.said == []
    looker.context.close()
    with two.bearer(two.tokens["developer"]) as tariq:
        done(tariq.post(f"{one}withdraw/", json={}))
