"""The review queue in Chromium and by form: a person on a phone edits a held answer, and everybody else is kept out."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.test_browser import Looker
from tests.browser.walking import press
from tests.browser.world import Console

ANSWERED = "SELECT state, code FROM routing_call WHERE id = %s"
CASE = "SELECT call, outcome, version FROM routing_review_case WHERE id = %s"
VIEWS = "SELECT count(*) FROM audit_entry WHERE kind = 'content.viewed' AND call = %s"


@pytest.fixture
def phone(console: Console, browser: Browser) -> Iterator[Looker]:
    looker = Looker(console, browser, "rui", "phone")
    yield looker
    looker.context.close()


def _open_cases(console: Console) -> list[str]:
    rows = console.rows(
        "SELECT id FROM routing_review_case WHERE closed_at IS NULL ORDER BY due_at, id"
    )
    return [str(row[0]) for row in rows]


def test_rui_edits_a_held_answer_on_a_phone(console: Console, phone: Looker) -> None:
    review = console.calls["review-held"]
    ((call, _, _),) = console.rows(CASE, review)
    page = phone.page
    page.goto("/reviews/")
    assert page.locator(".review-line").count() == len(_open_cases(console))
    press(page, f'a[href="/reviews/{review}/"]')
    assert "Petra Brandt" not in page.content()
    assert console.rows(VIEWS, call) == [(0,)]
    press(page, "button:has-text('Claim and read')")
    assert page.get_by_role("heading", name="Prompt").count() == 1
    assert "Petra Brandt" in page.content()
    assert console.rows(VIEWS, call) == [(1,)]
    page.get_by_text("Edit the answer, or take words out").click()
    page.get_by_label("What the caller gets instead").fill(
        '{"label": "water_damage", "payout": 9800.0}'
    )
    page.get_by_label("Reason").fill("only the parquet is covered")
    press(page, "button:has-text('Edit and approve')")
    assert page.get_by_text("Your text is what the caller gets.").count() == 1
    assert console.rows(ANSWERED, call) == [("completed", "")]
    assert console.rows(CASE, review) == [(call, "edited", 1)]
    with console.bearer(console.keys["insurance/claims"]) as caller:
        told = caller.get(f"/calls/call_{call.hex}/").json()
    assert told["answer"]["choices"][0]["message"]["content"] == (
        '{"label": "water_damage", "payout": 9800.0}'
    )


def test_j_k_and_enter_walk_the_queue(console: Console, browser: Browser) -> None:
    looker = Looker(console, browser, "rui")
    page, cases = looker.page, _open_cases(console)
    page.goto("/reviews/")
    for key in ("j", "j", "k", "j"):
        page.keyboard.press(key)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.url == f"{console.url}/reviews/{cases[1]}/"
    looker.context.close()


def test_who_may_not_decide_reads_nothing(console: Console) -> None:
    review = console.calls["review-held-late"]
    ((call, _, _),) = console.rows(CASE, review)
    for name, status in (("mallory", 404), ("tariq", 404), ("finn", 404), ("ada", 200)):
        with console.signed_in(name) as visitor:
            answer = visitor.get(f"/reviews/{review}/")
            assert (name, answer.status_code) == (name, status)
            assert "14200" not in answer.text
            for what in ("claim", "release", "decide"):
                refused = console.post(visitor, f"/reviews/{review}/{what}/", verdict="approve")
                assert refused.status_code in {403, 404}
    assert console.rows(CASE, review) == [(call, "", 0)]
    assert console.rows(VIEWS, call) == [(0,)]


def test_a_rejection_without_a_reason_keeps_the_case_and_says_so(console: Console) -> None:
    review = console.calls["review-held-late"]
    ((call, _, _),) = console.rows(CASE, review)
    with console.signed_in("rui") as rui:
        console.post(rui, f"/reviews/{review}/claim/")
        refused = console.post(rui, f"/reviews/{review}/decide/", verdict="reject", reason="")
        assert refused.status_code == 422
        assert "Say why: the caller reads it." in refused.text
        assert console.rows(ANSWERED, call) == [("held", "")]
        done = console.post(rui, f"/reviews/{review}/decide/", verdict="reject", reason="no report")
    assert done.status_code == 302
    assert console.rows(ANSWERED, call) == [("failed", "review_rejected")]
    with console.bearer(console.keys["insurance/claims"]) as caller:
        told = caller.get(f"/calls/call_{call.hex}/").json()
    assert "a reviewer turned this call down: no report" in told["answer"]["error"]["message"]


def test_two_people_by_api_alone(console: Console) -> None:
    review = console.calls["review-held-twice"]
    with (
        console.bearer(console.tokens["reviewer"]) as rui,
        console.bearer(console.tokens["approver"]) as other,
    ):
        assert rui.get(f"/reviews/{review}/").json()["mayReview"] is True
        assert rui.post(f"/reviews/{review}/content/").status_code == 403
        assert rui.post(f"/reviews/{review}/claim/").status_code == 200
        content = rui.post(f"/reviews/{review}/content/").json()
        assert content["draft"]["text"].startswith('{"label"')
        done = rui.post(f"/reviews/{review}/approve/", json={"version": 0}).json()
        assert done == {"state": "counted", "outcome": ""}
        again = rui.post(f"/reviews/{review}/claim/")
        assert again.status_code == 409
        assert other.post(f"/reviews/{review}/claim/").status_code in {403, 404}
        told = rui.get(f"/reviews/{review}/").json()
    assert (told["state"], [d["verdict"] for d in told["decisions"]]) == ("open", ["approved"])
    assert "14200" not in json.dumps(told)


def test_the_menu_counts_what_waits(console: Console) -> None:
    with console.signed_in("rui") as rui:
        page = rui.get("/").text
        waiting = len(_open_cases(console))
    assert f'<span class="number number-bad">{waiting}</span>' in page.replace(
        "number-bad number", ""
    ) or (f">{waiting}</span>" in page)
    with console.signed_in("finn") as finn:
        assert "/reviews/" not in finn.get("/").text
