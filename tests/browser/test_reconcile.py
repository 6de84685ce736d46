"""One number, wherever it is told: overview, calls, review queue, budgets, report, and the API for each, against the rows."""

import json
import re
from decimal import Decimal
from typing import Any

import httpx2
from playwright.sync_api import Browser

from audit.ui.words import count, money, rough
from controlplane.kernel.money import NANO
from tests.browser.walking import looks_right, message, people, text
from tests.browser.world import Console, run

STATES = ("denied", "held", "failed")
CALLS = """
SELECT count(*), count(*) FILTER (WHERE state = 'denied'), count(*) FILTER (WHERE state = 'held'),
       count(*) FILTER (WHERE state = 'failed'), count(*) FILTER (WHERE state IN ('admitted', 'running'))
  FROM routing_call WHERE %s = '' OR tenant = %s
"""
CASES = """
SELECT count(*), count(*) FILTER (WHERE due_at <= mandate_now()), count(*) FILTER (WHERE stage <> 'sample')
  FROM routing_review_case WHERE closed_at IS NULL AND (%s = '' OR tenant = %s)
"""
SPENT = "SELECT coalesce(sum(posted_nano + overrun_nano), 0)::bigint FROM routing_attempt"
PENDING = "SELECT coalesce(sum(reserved_nano), 0)::bigint FROM routing_attempt WHERE state IN ('reserved', 'started', 'unknown')"


def tiles(page: str) -> dict[str, tuple[str, str]]:
    """The key figures of the overview: name without its dates, figure, note."""
    found = re.findall(
        r'tile-name">([^<,]+)[^<]*</span><span class="tile-figure">([^<]+)</span><span class="tile-note">([^<]*)<',
        page,
    )
    return {name: (figure, note) for name, figure, note in found}


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)).replace(" .", ".")


def all_of(api: httpx2.Client, path: str, **asked: str) -> list[dict[str, Any]]:
    """Every item of a list, page by page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        told = api.get(
            path, params={"limit": "50", **asked, **({"cursor": cursor} if cursor else {})}
        )
        assert told.status_code == 200, told.text
        found += told.json()["items"]
        cursor = told.json()["next"]
    return found


def nano(text: str) -> int:
    return int(Decimal(text) * NANO)


def test_counts_of_calls_agree_for_who_reads_all(console: Console) -> None:
    calls, denied, held, failed, running = console.rows(CALLS, "", "")[0]
    assert min(calls, denied, held, failed, running) > 0
    assert held == console.rows(CASES, "", "")[0][2]
    with console.signed_in("finn") as finn:
        shown = tiles(finn.get("/").text)
        report = words(finn.get("/reports/spend/").text)
    assert shown["Calls"] == (count(calls), f"{count(running)} running, {count(held)} held")
    assert shown["Spend"][1] == f"over {count(calls - denied)} calls that were let in"
    assert (shown["Denied"][0], shown["Failed"][0]) == (count(denied), count(failed))
    assert f"{denied} calls were denied and cost nothing" in report
    assert re.search(rf"All {calls - denied} €", report), report[-600:]
    with console.bearer(console.tokens["finance"]) as finn:
        whole = all_of(finn, "/calls/")
        by_state = {state: all_of(finn, "/calls/", state=state) for state in STATES}
        told = finn.get("/reports/spend/", params={"by": "tenant"}).json()
    assert len(whole) == calls
    assert [len(by_state[state]) for state in STATES] == [denied, held, failed]
    assert (told["denied"], told["total"]["calls"]) == (denied, calls - denied)


def test_what_waits_for_a_person_agrees(console: Console) -> None:
    calls, denied, held, *_ = console.rows(CALLS, "insurance", "insurance")[0]
    waiting, overdue, of_calls = console.rows(CASES, "insurance", "insurance")[0]
    assert (held, waiting > 1) == (of_calls, True)
    with console.signed_in("rui") as rui:
        overview, queue = rui.get("/").text, rui.get("/reviews/").text
    menu = re.search(r'Review queue</span><span class="number[^"]*">(\d+)<', overview)
    assert menu is not None
    assert int(menu[1]) == waiting
    assert f"{waiting} calls wait for a person" in overview
    assert (f"{overdue} overdue." in overview) is (overdue > 0)
    late = f"{overdue} overdue" if overdue else "none overdue"
    assert f"{waiting} open · {late}" in words(queue)
    assert queue.count('<a class="review-line') == waiting
    shown = tiles(overview)
    assert (shown["Calls"][0], shown["Denied"][0]) == (count(calls), count(denied))
    with console.bearer(console.tokens["reviewer"]) as rui:
        cases = all_of(rui, "/reviews/", state="open")
        found = all_of(rui, "/calls/", state="held")
    assert (len(cases), sum(case["overdue"] for case in cases)) == (waiting, overdue)
    assert {call["id"] for call in found} == {c["call"] for c in cases if c["stage"] != "sample"}


def test_money_agrees(console: Console) -> None:
    ((spent,),), ((pending,),) = console.rows(SPENT), console.rows(PENDING)
    with console.signed_in("finn") as finn:
        shown = tiles(finn.get("/").text)
        budgets = finn.get("/budgets/").text
        report = words(finn.get("/reports/spend/").text)
    row = budgets.split(">organisation-monthly<", 1)[1].split("</tr>", 1)[0]
    assert f'data-label="Spent">{money(spent, "EUR")}<' in row
    assert f'data-label="Pending">{money(pending, "EUR")}<' in row
    assert f"{money(spent, 'EUR')} in all" in report
    assert shown["Spend"][0] == rough(spent, "EUR")
    with console.bearer(console.tokens["finance"]) as finn:
        (whole,) = (
            b for b in finn.get("/budgets/").json()["items"] if b["name"] == "organisation-monthly"
        )
        told = finn.get("/reports/spend/").json()["total"]
        costs = [nano(call["cost"]) for call in all_of(finn, "/calls/")]
    assert (nano(whole["spent"]), nano(whole["pending"])) == (spent, pending)
    assert nano(told["spent"]) == spent
    # a call's own cost is told once it has ended; what runs still is in its attempts
    ((ended,),) = console.rows("SELECT sum(cost_nano)::bigint FROM routing_call")
    assert sum(costs) == ended


def test_what_a_file_explains_is_settled_by_one_click_and_a_tier_without_a_price_is_told(
    lone_console: Console, browser: Browser
) -> None:
    told = json.loads(run(lone_console.environment, "-m", "tests.browser.lost"))
    card = "section[aria-labelledby=explained-title]"
    with people(lone_console, browser, "finn") as (finn,):
        page = finn.page
        page.goto("/reports/reconcile/")
        warned = text(finn, ".callout-warn")
        assert "A service tier has no price." in warned
        assert re.search(r"1 attempt at \S+, served by \S+ at priority", warned)
        looks_right(finn)
        page.select_option("[name=provider]", f"/{told['provider']}")
        wanted = {"name": "november.csv", "mimeType": "text/csv", "buffer": told["file"].encode()}
        page.set_input_files("[name=file]", wanted)  # type: ignore[arg-type]  # a plain dict
        page.click("text=Compare >> nth=-1")
        row = text(finn, f"{card} tbody tr")
        assert told["model"] in row
        assert f"call_{told['call'][:12]}…/1" in row
        assert f"{told['tokens'][0]}, {told['tokens'][1]} at service tier flex" in row
        looks_right(finn)
        page.click(f"{card} button")
        assert message(finn) == "1 attempt is settled as this file says; each is an entry."
        assert page.locator(card).count() == 0
        looks_right(finn)
        page.goto("/budgets/unknown/")
        assert "Nothing is unknown" in text(finn, "main")
        page.goto("/reports/spend/?by=serviceTier&then=model&period=year")
        assert {"standard", "priority", "flex"} <= set(text(finn, "main").split())
        looks_right(finn)
        page.goto(f"/calls/call_{told['call']}/")
        assert "flex" in text(finn, "section[aria-labelledby=bill-title]")
    ((state, tier, basis, given, output),) = lone_console.rows(
        "SELECT state, service_tier, basis, tokens_input, tokens_output FROM routing_attempt WHERE call = %s",
        told["call"],
    )
    assert (state, tier, basis) == ("reconciled", "flex", "reported")
    assert [given, output] == told["tokens"]
