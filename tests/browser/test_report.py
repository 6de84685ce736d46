"""The spend report says what the ledger says, in the page, the API and the file; and to its readers only."""

import csv
import html
import io
import re
from decimal import Decimal

import pytest

from audit.ui.words import money
from controlplane.kernel.money import NANO
from tests.browser.world import Console

SPENT = "SELECT coalesce(sum(posted_nano + overrun_nano), 0)::bigint FROM routing_attempt"
OF_TENANT = f"{SPENT} WHERE call IN (SELECT id FROM routing_call WHERE tenant = %s)"


def _nano(text: str) -> int:
    return int(Decimal(text) * NANO)


def _one(console: Console, query: str, *params: object) -> int:
    ((value,),) = console.rows(query, *params)
    return int(value)


@pytest.mark.parametrize(
    "by",
    [
        "tenant",
        "team",
        "costCentre",
        "key",
        "user",
        "route",
        "useCase",
        "model",
        "provider",
        "task",
        "run",
        "serviceTier",
    ],
)
def test_every_cut_has_the_same_sum_as_the_ledger(console: Console, by: str) -> None:
    whole = _one(console, SPENT)
    assert whole > 0
    assert whole == _one(
        console, "SELECT sum(posted_nano + overrun_nano)::bigint FROM routing_posting"
    )
    with console.bearer(console.tokens["finance"]) as finn:
        told = finn.get("/reports/spend/", params={"by": by, "period": "year"}).json()
    assert (told["by"], told["currency"]) == (by, "EUR")
    assert _nano(told["total"]["spent"]) == whole
    assert sum(_nano(line["spent"]) for line in told["lines"]) == whole
    for line in told["lines"]:
        if line["inside"]:
            assert sum(_nano(part["spent"]) for part in line["inside"]) == _nano(line["spent"])
    assert told["denied"] == _one(
        console, "SELECT count(*) FROM routing_call WHERE state = 'denied'"
    )


def test_documents_say_whose_cost_centre_use_case_and_task_it_was(console: Console) -> None:
    with console.bearer(console.tokens["finance"]) as finn:
        asked = {"by": "costCentre", "then": "useCase", "period": "year"}
        told = finn.get("/reports/spend/", params=asked).json()
    found = {line["name"][0]: [part["name"] for part in line["inside"]] for line in told["lines"]}
    assert ["insurance", "claims-triage"] in found["4410"]
    assert told["unallocated"] == "0.00"


def test_a_line_leads_to_its_calls(console: Console) -> None:
    with console.signed_in("finn") as finn:
        page = finn.get("/reports/spend/?by=provider&then=key&period=year").text
        links = [html.unescape(link) for link in re.findall(r'href="(/calls/\?[^"]+)"', page)]
        narrow = [link for link in links if "key=" in link and "provider=" in link]
        listed = finn.get(narrow[0]).text
        opened = finn.get(
            "/reports/spend/" + html.unescape(re.findall(r'href="(\?[^"]+)"', page)[0])
        ).text
    assert "Only key " in listed
    assert "provider" in listed
    assert "Only provider" in opened


def test_a_call_that_tried_two_models_counts_once_in_the_total(console: Console) -> None:
    admitted = _one(console, "SELECT count(*) FROM routing_call WHERE state <> 'denied'")
    with console.bearer(console.tokens["finance"]) as finn:
        told = finn.get("/reports/spend/", params={"by": "model", "period": "year"}).json()
    assert told["total"]["calls"] == admitted
    assert sum(line["calls"] for line in told["lines"]) > admitted


def test_page_overview_and_budget_show_one_sum(console: Console) -> None:
    whole = money(_one(console, SPENT), "EUR")
    with console.signed_in("finn") as finn:
        report = finn.get("/reports/spend/").text
        overview = finn.get("/").text
    assert f"{whole} in all" in report
    foot = report.split("<tfoot>", 1)[1].split("</tfoot>", 1)[0]
    assert f'data-label="Spend">{whole}<' in foot
    tile = re.search(r'tile-name">Spend.*?tile-figure">([^<]+)<', overview, re.DOTALL)
    assert tile is not None
    assert Decimal(tile.group(1).lstrip("€")) == round(Decimal(whole.lstrip("€")), 2)
    with console.bearer(console.tokens["finance"]) as finn:
        budgets = finn.get("/budgets/").json()["items"]
    whole_organisation = [b for b in budgets if not b["scope"] and not b["tenant"]]
    assert [_nano(b["spent"]) for b in whole_organisation] == [_one(console, SPENT)]


def test_the_file_has_exact_amounts_and_no_formula(console: Console) -> None:
    with console.signed_in("finn") as finn:
        answer = finn.get("/reports/spend/", params={"as": "csv", "by": "team", "then": "route"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="spend-20')
    head, *rows = csv.reader(io.StringIO(answer.text))
    assert head == [
        "team",
        "route",
        "calls",
        "spent EUR",
        "before EUR",
        "from",
        "to",
        "shadow runs",
        "of it for shadow runs EUR",
    ]
    assert sum(_nano(row[3]) for row in rows) == _one(console, SPENT)
    assert not [cell for row in rows for cell in row if cell[:1] in "=+@"]


def test_a_developer_reads_the_own_teams_money_only(console: Console) -> None:
    own = _one(
        console,
        f"{SPENT} WHERE call IN (SELECT id FROM routing_call WHERE tenant = 'retail' AND team = 'support')",
    )
    with console.signed_in("mallory") as mallory:
        page = mallory.get("/reports/spend/").text
        foreign = mallory.get("/reports/spend/", params={"tenant": "insurance"}).text
    assert f"{money(own, 'EUR')} in all" in page
    assert "insurance" not in page
    assert "Nothing was spent" in foreign


def test_it_is_for_readers_of_money(console: Console) -> None:
    with console.signed_in("rui") as rui:
        assert rui.get("/reports/spend/").status_code == 403
    with console.bearer(console.keys["insurance/claims"]) as key:
        assert key.get("/reports/spend/").status_code == 403


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"from": "2026-02-30"}, '"2026-02-30" is no day; write it like 2026-11-29'),
        ({"to": "yesterday"}, '"yesterday" is no day; write it like 2026-11-29'),
        ({"from": "2026-03-02", "to": "2026-03-01"}, "is before the first"),
        ({"from": "2020-01-01", "to": "2026-01-01"}, "at most 400 days"),
    ],
)
def test_a_span_that_cannot_be_is_refused_in_words(
    console: Console, asked: dict[str, str], words: str
) -> None:
    with console.bearer(console.tokens["finance"]) as finn:
        answer = finn.get("/reports/spend/", params=asked)
    assert (answer.status_code, words in answer.json()["detail"]) == (400, True)
    assert "instead" not in answer.json()["detail"]
    with console.signed_in("finn") as finn:
        page = finn.get("/reports/spend/", params=asked)
    assert page.status_code == 200
    assert "this month is shown instead." in page.text


def test_a_tenants_lines_are_its_own(console: Console) -> None:
    with console.bearer(console.tokens["finance"]) as finn:
        told = finn.get("/reports/spend/", params={"tenant": "retail", "by": "tenant"}).json()
    assert [line["name"] for line in told["lines"]] == [["retail"]]
    assert _nano(told["total"]["spent"]) == _one(console, OF_TENANT, "retail")


def test_savings_and_waste_are_the_same_file_by_page_and_api(console: Console) -> None:
    with console.signed_in("finn") as finn:
        page = finn.get("/reports/waste/?period=year&as=csv")
        button = finn.get("/reports/waste/?period=year").text
    with console.bearer(console.tokens["finance"]) as finn:
        told = finn.get("/reports/waste/", params={"period": "year", "as": "csv"})
    assert page.headers["content-type"] == told.headers["content-type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(
        r'attachment; filename="waste-20\d\d-01-01-20\d\d-\d\d-\d\d\.csv"',
        page.headers["content-disposition"],
    )
    assert page.text == told.text
    assert page.text.startswith("what,tenant,route,model,compared with,calls,spent EUR,")
    assert 'href="?period=year&amp;as=csv"' in button
