"""In Chromium, as Tariq and Cleo do it: a draft, its replay, an approval on it, the way back; a time; a shadow; an emergency."""

from playwright.sync_api import Browser

from tests.browser.test_browser import Looker
from tests.browser.walking import (
    Jobs,
    begun,
    decided,
    looks_right,
    message,
    people,
    press,
    state,
    text,
    withdrawn,
)
from tests.browser.world import Console

RESTS = """\
apiVersion: mandate/v1
kind: Permission
metadata: {name: NAME, tenant: insurance, owner: cleo@acme.example}
spec:
  effect: forbid
  level: soft
  on: ON
  when: 'WHEN'
  message: '"it rests today"'
"""
TRIAGE = 'route.name == "claims-triage"'
SUMMARIES = 'route.name == "summaries"'
LATER = "2037-05-04T09:30"


def rests(name: str, when: str, on: str = "call") -> str:
    """A soft forbid of insurance."""
    return RESTS.replace("NAME", name).replace("WHEN", when).replace("ON", on, 1)


def replayed(looker: Looker, jobs: Jobs) -> str:
    """Begin a replay by its button, and read what the page says once the job has ended it: it finds out by itself."""
    press(looker.page, "#replay .card-head button")
    looker.page.wait_for_selector("#replay >> text=Waiting for its turn")
    looks_right(looker)
    jobs("replay")
    looker.page.wait_for_selector("#replay .sentence", timeout=20_000)
    return text(looker, "#replay .sentence strong")


def test_a_draft_its_replay_an_approval_on_it_and_the_way_back(
    two: Console, browser: Browser, jobs: Jobs
) -> None:
    jobs("calls")
    denies = rests("walk-rests", SUMMARIES)
    moves = rests("walk-moves", f'{TRIAGE} && model.name == "llama-small"', "model")
    ((triage,),) = two.rows("SELECT count(*) FROM routing_call WHERE route = 'claims-triage'")
    assert decided(two, "summaries") == "permit"
    with people(two, browser, "tariq", "cleo", "finn") as (tariq, cleo, finn):
        page = tariq.page
        page.goto("/change-requests/")
        press(page, "text=New change request")
        page.fill("#id_title", "Summaries rest, triage moves")
        page.fill("#id_documents", f"{denies}---\n{moves}")
        press(page, "text=Make the draft")
        press(page, "text=Hand in")
        said = replayed(tariq, jobs)
        told = f"{triage + 1} of {triage + 1} calls would fare otherwise"
        assert said == f"{told}: {triage} re-routed, 1 denied."
        assert page.locator("#replay tbody tr").first.locator("th").inner_text() == "insurance"
        press(page, "#replay >> text=All samples")
        looks_right(tariq)
        press(page, "tbody tr a")
        assert page.locator("text=Make a test of this call").count() == 1

        cleo.page.goto("/")
        press(cleo.page, ".need:has-text('Summaries rest, triage moves') a")
        assert text(cleo, "#replay .sentence strong") == said
        looks_right(cleo)
        press(cleo.page, "#replay tr:has-text('denied') a")
        assert cleo.page.url.endswith(f"/calls/{two.calls['streamed']}/")
        cleo.page.go_back()
        before = cleo.page.locator("dt:has-text('Base revision') + dd").inner_text()
        digest = cleo.page.locator("dt:has-text('Replay digest') + dd code").get_attribute("title")
        cleo.page.fill("#id_why", "One call is denied, and it should be")
        press(cleo.page, "button:has-text('Approve')")
        assert message(cleo) == f"Revision {int(before) + 1} is in force."
        assert state(cleo) == "published"
        looks_right(cleo)
        assert decided(two, "summaries") == "deny"
        ((bound,),) = two.rows(
            "SELECT replay FROM policies_change_approval WHERE actor = 'member:cleo@acme.example' ORDER BY given_at DESC LIMIT 1"
        )
        assert bound == digest

        cleo.page.goto(f"/revisions/{before}/")
        press(cleo.page, "text=Roll back to it")
        assert state(cleo) == "waits for approval"
        assert cleo.page.locator("button:has-text('Approve'):enabled").count() == 0
        finn.page.goto(cleo.page.url)
        press(finn.page, "button:has-text('Approve')")
        assert state(finn) == "published"
    assert decided(two, "summaries") == "permit"


def test_a_time_to_publish_an_edit_that_dismisses_and_no_time(
    two: Console, browser: Browser
) -> None:
    source = rests("walk-later", SUMMARIES)
    address = begun(two, "Summaries rest later", source)
    with people(two, browser, "tariq", "cleo") as (tariq, cleo):
        page = tariq.page
        page.goto(address)
        page.click("summary:has-text('Publish at a time')")
        page.fill("#id_when", LATER)
        press(page, "text=Set the time")
        assert "Once approved it is published" in text(tariq, ".callout-info")
        cleo.page.goto(address)
        press(cleo.page, "button:has-text('Approve')")
        assert state(cleo) == "scheduled"
        assert "Approved. It is published" in text(cleo, ".callout-info")
        looks_right(cleo)

        page.goto(address)
        press(page, ".diff-head >> text=Edit")
        press(page, "button:has-text('YAML')")
        page.fill("#text", source.replace("today", "until noon"))
        press(page, "text=Save to the draft")
        assert page.locator("text=Saved to the draft").count() == 1
        page.goto(address)
        assert state(tariq) == "waits for approval"
        assert "Nobody approved yet." in page.locator("main").inner_text()
        assert two.rows(
            "SELECT count(*), count(dismissed_at) FROM policies_change_approval WHERE change_id = %s",
            address.split("/")[2],
        ) == [(1, 1)]

        cleo.page.reload()
        press(cleo.page, "button:has-text('Approve')")
        assert state(cleo) == "scheduled"
        page.reload()
        press(page, "text=Cancel the time")
        assert message(tariq) == "The time is taken away. Approvals begin anew."
        assert state(tariq) == "waits for approval"
        assert page.locator(".callout-info").count() == 0
        looks_right(tariq)
        page.click("summary:has-text('Withdraw')")
        press(page, "text=Withdraw it")
        assert state(tariq) == "withdrawn"
    assert decided(two, "summaries") == "permit"


def test_a_shadow_is_begun_read_and_ended(two: Console, browser: Browser, jobs: Jobs) -> None:
    address = begun(two, "Triage rests", rests("walk-shadow", TRIAGE))
    with people(two, browser, "tariq", "cleo") as (tariq, cleo):
        page = tariq.page
        page.goto(address)
        page.fill("#id_hours", "2")
        press(page, "text=Begin")
        assert message(tariq) == (
            "It decides beside the bundle in force from now on. No caller notices."
        )
        calls = jobs("calls")
        jobs("shadow")
        cleo.page.goto(address)
        card = "section[aria-labelledby=shadow-title]"
        assert "3 of 3 calls would be different: 3 denied" in text(cleo, card)
        looks_right(cleo)
        press(cleo.page, f"{card} li a >> nth=0")
        assert cleo.page.url.split("/")[-2] in calls
        page.reload()
        press(page, "text=Stop it")
        assert message(tariq) == "Stopped. What it found stays."
        assert "3 of 3 calls would be different" in text(tariq, card)
        looks_right(tariq)
    withdrawn(two, address)


def test_glass_is_broken_flagged_and_taken_back(two: Console, browser: Browser) -> None:
    address = begun(two, "Summaries stop now", rests("walk-glass", SUMMARIES))
    with people(two, browser, "ada", "tariq", "cleo", "finn") as (ada, tariq, cleo, finn):
        tariq.page.goto(address)
        assert tariq.page.locator("text=Publish alone in an emergency").count() == 0
        ada.page.goto(address)
        ada.page.click("summary:has-text('Publish alone in an emergency')")
        looks_right(ada)
        ada.page.fill("#id_glass", "They leak names")
        press(ada.page, "button:has-text('Publish alone')")
        assert message(ada).endswith("is in force.")
        assert "Ada published this alone" in text(ada, ".callout-warn")
        assert ada.page.locator("button:has-text('Confirm it')").count() == 0
        looks_right(ada)
        assert decided(two, "summaries") == "deny"

        cleo.page.goto("/")
        alone = ".need:has-text('1 change was published by one person alone')"
        assert "They leak names. Another member reviews it." in text(cleo, alone)
        looks_right(cleo)
        press(cleo.page, f"{alone} a")
        cleo.page.fill("#id_glass_note", "They do not")
        press(cleo.page, "text=Take it back")
        assert "Cleo reviewed it: taken back, “They do not”" in text(cleo, "main")
        looks_right(cleo)
        cleo.page.goto("/")
        assert cleo.page.locator(alone).count() == 0
        finn.page.goto(address)
        press(finn.page, "text=this change request")
        assert text(finn, "h1") == "Take back: Summaries stop now"
        press(finn.page, "button:has-text('Approve')")
        assert state(finn) == "published"
    assert decided(two, "summaries") == "permit"


def test_glass_is_broken_and_what_it_published_reverted_at_once(
    two: Console, browser: Browser
) -> None:
    address = begun(two, "Summaries rest at once", rests("walk-revert", SUMMARIES))
    with people(two, browser, "ada", "cleo") as (ada, cleo):
        ada.page.goto(address)
        ada.page.click("summary:has-text('Publish alone in an emergency')")
        ada.page.fill("#id_glass", "They leak names")
        press(ada.page, "button:has-text('Publish alone')")
        assert decided(two, "summaries") == "deny"
        cleo.page.goto(address)
        cleo.page.fill("#id_glass_note", "They do not")
        press(cleo.page, "button:has-text('Revert it at once')")
        assert message(cleo) == "Reverted: what stood there before is in force again."
        assert "Cleo reviewed it: taken back, “They do not”" in text(cleo, "main")
        looks_right(cleo)
    assert decided(two, "summaries") == "permit"
