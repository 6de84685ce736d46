"""In Chromium, as people do it: a rebase field by field, an exit drill, a test made of a call, and what Git keeps."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.test_walks import SUMMARIES, rests
from tests.browser.walking import (
    Jobs,
    begun,
    looks_right,
    message,
    people,
    press,
    published,
    state,
    taken_away,
    text,
    withdrawn,
)
from tests.browser.world import Console


def test_a_rebase_is_chosen_field_by_field(two: Console, browser: Browser) -> None:
    was = rests("walk-both", f"{SUMMARIES} && run.calls > 100")
    published(two, begun(two, "A rule of two", was))
    mine = begun(two, "Mine", was.replace("today", "until noon").replace("100", "90"))
    theirs = was.replace("today", "this week").replace("cleo@acme", "rui@acme")
    published(two, begun(two, "Theirs", theirs))
    with people(two, browser, "tariq") as (tariq,):
        page = tariq.page
        page.goto(mine)
        card = "section[aria-labelledby=moved-title]"
        said = text(tariq, card)
        assert "Comes in by itself: metadata." in said
        assert page.locator(f"{card} fieldset legend code").first.inner_text() == "spec.message"
        assert page.locator(f"{card} fieldset").count() == 1
        looks_right(tariq)
        press(page, "button:has-text('Rebase')")
        assert "choose a side for each" in message(tariq)
        page.check(f"{card} fieldset input[value=theirs]")
        press(page, "button:has-text('Rebase')")
        assert message(tariq) == "It is written against the bundle in force now."
        assert page.locator(card).count() == 0
        added = page.locator(".diff-in").all_inner_texts()
        assert [line for line in added if "until noon" in line or "this week" in line] == []
        assert len([line for line in added if "run.calls > 90" in line]) == 1
        looks_right(tariq)
    withdrawn(two, mine)


def test_an_exit_drill_is_run_read_and_kept(
    two: Console, browser: Browser, jobs: Jobs, tmp_path: Path
) -> None:
    with people(two, browser, "cleo") as (cleo,):
        page = cleo.page
        page.goto("/reports/exit-drills/")
        page.select_option("#id_what", "vendor:google")
        page.select_option("#id_tenant", "insurance")
        press(page, "text=Run the drill")
        assert text(cleo, "h1") == "Without the vendor google"
        page.wait_for_selector("#drill >> text=Waiting for its turn")
        looks_right(cleo)
        jobs("replay")
        page.wait_for_selector("#drill .sentence", timeout=20_000)
        said = text(cleo, "#drill .sentence")
        assert "of what was served still would be" in said
        page.reload()
        looks_right(cleo)
        with page.expect_download() as coming:
            page.click("text=Evidence as JSON")
        coming.value.save_as(tmp_path / "evidence.json")
        found = json.loads((tmp_path / "evidence.json").read_text(encoding="utf-8"))
        assert (found["sentence"], found["startedBy"]) == (said, "member:cleo@acme.example")
        assert found["digest"] == page.locator(".card-foot code").get_attribute("title")
        assert two.rows(
            "SELECT count(*) FROM audit_entry WHERE kind = 'replay.finished' AND convert_from(body, 'UTF8') LIKE %s",
            f"%{found['digest']}%",
        ) == [(1,)]


@pytest.mark.usefixtures("jobs")
def test_a_test_is_made_of_a_call_and_counts_as_coverage(two: Console, browser: Browser) -> None:
    with people(two, browser, "tariq", "cleo") as (tariq, cleo):
        page = tariq.page
        page.goto(f"/calls/{two.calls['completed']}/")
        press(page, "text=Make a test of this call")
        assert message(tariq) == (
            "A draft with the test. Read what it expects before you hand it in."
        )
        looks_right(tariq)
        press(page, "text=Hand in")
        assert state(tariq) == "waits for approval"
        assert "Policy tests" in text(tariq, "section[aria-labelledby=checks-title]")
        address = page.url.removeprefix(two.url)
        cleo.page.goto("/policy-tests/")
        bare = cleo.page.locator("section[aria-labelledby=coverage-title] li").count()
        cleo.page.goto(address)
        press(cleo.page, "button:has-text('Approve')")
        assert state(cleo) == "published"
        cleo.page.goto("/policy-tests/")
        assert "passes" in text(cleo, "section[aria-labelledby=tests-title]")
        now = cleo.page.locator("section[aria-labelledby=coverage-title] li").count()
        assert now < bare
        looks_right(cleo)
    ((name,),) = two.rows(
        "SELECT name FROM policies_change_edit WHERE change_id = %s", address.split("/")[2]
    )
    taken_away(two, "PolicyTest", name)


def test_what_git_keeps_is_locked_and_offered_as_a_patch(
    two: Console, browser: Browser, tmp_path: Path
) -> None:
    source = rests("walk-git", f"{SUMMARIES} && run.calls > 100")
    (tmp_path / "rules.yaml").write_text(source, encoding="utf-8")
    of = ("--repository", "git@github.com:acme/policies.git", "--commit", "4c1f00d")
    made = json.loads(two.manage("policy", "apply", str(tmp_path), *of, "--json"))
    published(two, f"/change-requests/{made['id']}/")
    one = "/documents/Permission/insurance/walk-git/"
    drafts = "SELECT count(*) FROM policies_change"
    before = two.rows(drafts)
    with people(two, browser, "cleo") as (cleo,):
        page = cleo.page
        page.goto(one)
        assert "rules.yaml:1 at 4c1f00d of git@github.com:acme/policies.git" in text(cleo, "main")
        looks_right(cleo)
        press(page, "text=Write a patch")
        press(page, "button:has-text('YAML')")
        page.fill("#text", source.replace("today", "this week"))
        press(page, "text=Make a patch")
        patch = page.locator("#patch").inner_text()
        assert """+  message: '"it rests this week"'""" in patch
        looks_right(cleo)
        with page.expect_download() as coming:
            page.click("text=Download the patch")
        coming.value.save_as(tmp_path / "it.patch")
        assert (tmp_path / "it.patch").read_text(encoding="utf-8").strip() == patch.strip()
        page.goto(f"{one}edit/?tab=yaml")
        assert page.input_value("#text") == source
        assert two.rows(drafts) == before
        page.goto(one)
        press(page, "text=Take it over from Git")
        published(two, begun(two, "It rests this week", source.replace("today", "this week")))
        page.goto(one)
        assert "differs from Git at commit 4c1f00d" in text(cleo, "main")
        page.click("summary:has-text('What Git lacks, as a patch')")
        assert patch.strip() in page.locator(".diff-details pre").inner_text()
        looks_right(cleo)
