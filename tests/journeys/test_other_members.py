"""A member of another tenant, in the console and by personal token, learns nothing of a call: no status, no word."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx2
import openai
import pytest

from tests.journeys.installation import Installation

KEY, TENANT = "j-reviews/desk", "j-reviews"
CANARY = f"kestrel{uuid4().hex[:12]}"


@dataclass(frozen=True)
class Theirs:
    """What stands behind one held call of tenant A: each holds the canary or names it."""

    call: UUID
    review: str
    change: str
    entry: str
    receipt: str


@pytest.fixture(scope="module")
def theirs(mandate: Installation) -> Theirs:
    """A held call of A with words of its own, a change request beside it, and the call's entries."""
    ask = f"What do we pay {CANARY}? [[sandbox say='we pay 14200 to {CANARY}']]"
    with pytest.raises(openai.ConflictError) as told:
        mandate.openai(KEY).chat.completions.create(
            model="payout",
            messages=[{"role": "user", "content": ask}],
            extra_headers={"x-mandate-run": f"run-{CANARY}"},
        )
    headers = told.value.response.headers
    call = UUID(hex=headers["x-mandate-call-id"].removeprefix("call_"))
    (case,) = mandate.rows("SELECT id FROM routing_review_case WHERE call = %s", call)
    (entry,) = mandate.rows(
        "SELECT id FROM audit_entry WHERE call = %s AND kind = 'call.held'", call
    )
    with _script(mandate, "author") as cleo:
        body = {"title": f"More for {CANARY}", "tenant": TENANT}
        made = cleo.post("/change-requests/", json=body)
        assert made.status_code == 201, made.text
    return Theirs(
        call, str(case["id"]), made.json()["id"], str(entry["id"]), headers["x-mandate-receipt"]
    )


@contextmanager
def _script(mandate: Installation, role: str) -> Iterator[httpx2.Client]:
    headers = {"authorization": f"Bearer {mandate.facts()['tokens'][role]}"}
    with httpx2.Client(base_url=f"{mandate.url}/api/v1", headers=headers, timeout=60.0) as client:
        yield client


@pytest.fixture(scope="module")
def member(mandate: Installation) -> Iterator[httpx2.Client]:
    """Tariq of the insurer, signed in to the console."""
    (tariq,) = [p for p in mandate.facts()["people"] if p["email"].startswith("tariq@")]
    with httpx2.Client(base_url=mandate.url, timeout=60.0) as client:
        page = client.get("/account/login/").text
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert found is not None
        form = {
            "login": tariq["email"],
            "password": tariq["password"],
            "csrfmiddlewaretoken": found[1],
        }
        done = client.post("/account/login/", data=form, headers={"referer": mandate.url})
        assert (done.status_code, done.headers["location"]) == (302, "/")
        yield client


def silent(answer: httpx2.Response, theirs: Theirs, asked: str = "") -> None:
    """Nothing of A stands in it, except what was asked for by name."""
    for words in (CANARY, TENANT, theirs.call.hex, theirs.review, theirs.change, theirs.entry):
        if words not in asked:
            assert words not in answer.text, (words, answer.url)


def pages(theirs: Theirs) -> list[tuple[str, str, int]]:
    """Method, path, and the status for who may not know that it is there."""
    call, review, change = f"/calls/call_{theirs.call.hex}/", theirs.review, theirs.change
    return [
        *(("GET", f"{call}{part}", 404) for part in ("", "receipt/")),
        *(("POST", f"{call}{part}", 404) for part in ("again/", "content/", "cancel/")),
        ("GET", f"/reviews/{review}/", 404),
        *(("POST", f"/reviews/{review}/{what}/", 404) for what in ("claim", "release", "decide")),
        ("GET", f"/change-requests/{change}/", 404),
        ("POST", f"/change-requests/{change}/approve/", 404),
        ("GET", f"/documents/Route/{TENANT}/payout/", 404),
        ("GET", f"/documents/Route/{TENANT}/payout/versions/1/", 404),
        ("GET", f"/documents/Tenant/-/{TENANT}/", 404),
        # the log is not for developers, whosever it is
        ("GET", f"/log/{UUID(theirs.entry).hex}/", 403),
        ("GET", f"/log/{UUID(theirs.entry).hex}/receipt/", 403),
        ("GET", f"/log/?call=call_{theirs.call.hex}", 403),
    ]


def operations(theirs: Theirs) -> list[tuple[str, str, int]]:
    """The same by API."""
    call, review, change = f"/calls/call_{theirs.call.hex}/", theirs.review, theirs.change
    return [
        *(("GET", f"{call}{part}", 404) for part in ("", "explain/")),
        *(("POST", f"{call}{part}", 404) for part in ("replay/", "cancel/")),
        ("GET", f"/reviews/{review}/", 404),
        *(("POST", f"/reviews/{review}/{what}/", 404) for what in ("claim", "release", "content")),
        ("GET", f"/change-requests/{change}/", 404),
        ("POST", f"/change-requests/{change}/approve/", 404),
        ("GET", f"/documents/Route/payout/?tenant={TENANT}", 404),
        ("GET", f"/documents/Route/payout/history/?tenant={TENANT}", 404),
        ("GET", f"/documents/Route/payout/uses/?tenant={TENANT}", 404),
        ("GET", f"/audit/entries/{theirs.entry}/", 403),
        ("GET", f"/audit/entries/?call={theirs.call}", 403),
        ("GET", f"/audit/receipts/{UUID(hex=theirs.receipt)}/", 403),
    ]


LISTS = ("/", "/calls/", "/reviews/", "/documents/", "/change-requests/", "/keys/", "/members/")
LISTED = ("calls", "reviews", "documents", "change-requests", "budgets", "keys", "members", "teams")


def test_the_console_shows_nothing(
    mandate: Installation, theirs: Theirs, member: httpx2.Client
) -> None:
    before = _entries(mandate, theirs)
    form = {"csrfmiddlewaretoken": member.cookies["mandate_csrf"], "reason": "to see"}
    for method, path, status in pages(theirs):
        more = {"data": form, "headers": {"referer": mandate.url}} if method == "POST" else {}
        answer = member.request(method, path, **more)
        assert (path, answer.status_code) == (path, status)
        silent(answer, theirs, path)
    for path in LISTS:
        answer = member.get(path)
        assert (path, answer.status_code) == (path, 200)
        silent(answer, theirs)
    for path in ("/calls/", "/documents/", "/change-requests/"):
        answer = member.get(path, params={"tenant": TENANT})
        assert answer.status_code == 200
        silent(answer, theirs, TENANT)
    assert _entries(mandate, theirs) == before


def test_a_search_finds_nothing(
    mandate: Installation, theirs: Theirs, member: httpx2.Client
) -> None:
    for asked in (CANARY, f"run-{CANARY}", f"call_{theirs.call.hex}", theirs.call.hex, TENANT):
        page = member.get("/search/", params={"q": asked})
        assert page.status_code == 200
        # what was typed stands in its box, and nowhere as an address
        for link in re.findall(r'(?:href|hx-get)="([^"]+)"', page.text):
            for words in (CANARY, TENANT, theirs.call.hex, theirs.review, theirs.change):
                assert words not in link
        silent(page, theirs, asked)
        calls = member.get("/calls/", params={"q": asked, "run": asked})
        assert f'href="/calls/call_{theirs.call.hex}' not in calls.text


def test_a_personal_token_reads_nothing(mandate: Installation, theirs: Theirs) -> None:
    before = _entries(mandate, theirs)
    with _script(mandate, "developer") as tariq:
        for method, path, status in operations(theirs):
            answer = tariq.request(method, path, **({"json": {}} if method == "POST" else {}))
            assert (path, answer.status_code) == (path, status)
            silent(answer, theirs, path)
        for noun in LISTED:
            answer = tariq.get(f"/{noun}/")
            assert (noun, answer.status_code) == (noun, 200)
            silent(answer, theirs)
        for noun in ("calls", "reviews", "change-requests", "documents"):
            assert tariq.get(f"/{noun}/", params={"tenant": TENANT}).json()["items"] == []
        assert tariq.get("/calls/", params={"run": f"run-{CANARY}"}).json()["items"] == []
    assert _entries(mandate, theirs) == before


def test_who_may_see_it_does(mandate: Installation, theirs: Theirs) -> None:
    """The same addresses, so that none of the above is 404 for another reason."""
    with _script(mandate, "auditor") as cleo:
        for method, path, _ in operations(theirs):
            if method == "GET":
                answer = cleo.get(path)
                assert (path, answer.status_code) == (path, 200)
        assert CANARY in cleo.get(f"/change-requests/{theirs.change}/").text
    with _script(mandate, "reviewer") as rui:
        assert rui.post(f"/reviews/{theirs.review}/claim/").status_code == 200
        content = rui.post(f"/reviews/{theirs.review}/content/").json()
        assert content["draft"]["text"] == f"we pay 14200 to {CANARY}"


def _entries(mandate: Installation, theirs: Theirs) -> list[str]:
    """Nothing was done, so nothing is written down."""
    return mandate.entries(theirs.call)
