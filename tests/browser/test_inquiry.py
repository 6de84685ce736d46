"""For an inquiry: from a call in at most four clicks to rule and line, revision, change request, and who agreed on what."""

from playwright.sync_api import Browser

from tests.browser.walking import begun, jobs_beside, looks_right, people, press, text
from tests.browser.world import Console
from tests.four_eyes import approved, done

RULE = """\
apiVersion: mandate/v1
kind: Permission
metadata: {name: triage-is-looked-into, tenant: insurance, owner: cleo@acme.example}
spec:
  effect: permit
  on: call
  when: 'route.name == "claims-triage"'
"""


def test_from_a_call_to_who_agreed_on_what_in_four_clicks(two: Console, browser: Browser) -> None:
    address = begun(two, "Look into triage", RULE)
    with jobs_beside(two) as jobs, two.bearer(two.tokens["approver"]) as cleo:
        done(cleo.post(f"{address}replay/", json={}), 202)
        jobs("replay")
        published = approved(cleo, address)
        assert published["state"] == "published"
        call = jobs("calls")[0]
    ((replay,),) = two.rows(
        "SELECT replay FROM policies_change_approval WHERE change_id = %s AND dismissed_at IS NULL",
        address.strip("/").rpartition("/")[2],
    )
    assert len(replay) == 64
    with people(two, browser, "cleo") as (looker,):
        page = looker.page
        page.goto(f"/calls/{call}/")
        press(page, "table a:has-text('triage-is-looked-into')")  # 1: the rule and the line
        assert page.url.endswith("#L7")
        assert text(looker, "#L7") == "when: 'route.name == \"claims-triage\"'"
        looks_right(looker)
        press(page, f"h1 a:has-text('revision {published['revision']}')")  # 2: the revision
        assert text(looker, "h1") == f"Revision {published['revision']}"
        press(page, ".page-head a:has-text('Look into triage')")  # 3: the change request
        assert text(looker, "h1") == "Look into triage"
        assert "Tariq wrote it" in text(looker, ".page-head p >> nth=1")
        assert "Cleo approved" in text(looker, "section[aria-labelledby=approval-title]")
        digest = page.locator("dt:has-text('Replay digest') + dd code").get_attribute("title")
        assert digest == replay
        looks_right(looker)
