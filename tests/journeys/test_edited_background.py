"""A held answer of a call in the background: Rui edits it, on a phone or by API, and the caller's own client prints his text."""

import time
from collections.abc import Iterator
from uuid import UUID

import openai
import pytest
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import ARGUMENTS, _chromium
from tests.browser.slow import new_page
from tests.browser.walking import press
from tests.journeys.installation import Installation
from tests.journeys.test_reviews import claimed, rui

KEY = "j-reviews/desk"
MODELS_WORDS, RUIS_WORDS = "we pay 14200 to Elbrus", "we pay 9800 for the parquet"
NARROW = {"width": 390, "height": 844}


def begun(client: openai.OpenAI, mandate: Installation) -> tuple[str, UUID]:
    """A call in the background whose answer a person must see; its name, once it is held."""
    asked = f"What do we pay? [[sandbox say='{MODELS_WORDS}']]"
    name = client.responses.create(model="payout", input=asked, background=True).id
    call, until = UUID(hex=name.removeprefix("resp_")), time.monotonic() + 30
    while mandate.call(call)["state"] != "held":
        assert time.monotonic() < until
        time.sleep(0.1)
    waiting = client.responses.retrieve(name)
    assert (waiting.status, waiting.output) == ("in_progress", [])
    assert "14200" not in waiting.to_json()
    return name, call


def printed(client: openai.OpenAI, name: str) -> list[str]:
    """What the caller's program prints, asking again until the response has ended."""
    until = time.monotonic() + 30
    while (response := client.responses.retrieve(name)).status in {"queued", "in_progress"}:
        assert time.monotonic() < until
        time.sleep(0.2)
    return [response.status or "", response.output_text]


def edited_once(mandate: Installation, call: UUID) -> None:
    """One arrival, one decision, one end."""
    assert len(mandate.upstream.arrivals(call)) == 1
    assert mandate.entries(call) == [
        *("call.admitted", "attempt.started", "attempt.succeeded", "call.held", "review.claimed"),
        *("content.viewed", "review.edited", "call.released", "call.completed"),
    ]


@pytest.fixture
def phone(mandate: Installation) -> Iterator[Page]:
    """Rui's, signed in."""
    (person,) = [p for p in mandate.facts()["people"] if p["email"].startswith("rui@")]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=_chromium(), args=list(ARGUMENTS))
        context = chromium.new_context(base_url=mandate.url, viewport=NARROW)  # type: ignore[arg-type] # two numbers
        page = new_page(context)
        page.goto("/account/login/")
        page.fill("[name=login]", person["email"])
        page.fill("[name=password]", person["password"])
        press(page, "button:has-text('Sign in')")
        assert page.url == f"{mandate.url}/"
        yield page
        chromium.close()


@pytest.mark.browser
def test_edited_on_a_phone(mandate: Installation, phone: Page) -> None:
    client = mandate.openai(KEY)
    name, call = begun(client, mandate)
    (case,) = mandate.rows("SELECT id FROM routing_review_case WHERE call = %s", call)
    phone.goto("/reviews/")
    press(phone, f'a[href="/reviews/{case["id"]}/"]')
    press(phone, "button:has-text('Claim and read')")
    assert MODELS_WORDS in phone.content()
    phone.get_by_text("Edit the answer, or take words out").click()
    phone.get_by_label("What the caller gets instead").fill(RUIS_WORDS)
    phone.get_by_label("Reason").fill("only the parquet is covered")
    press(phone, "button:has-text('Edit and approve')")
    assert phone.get_by_text("Your text is what the caller gets.").count() == 1
    assert printed(client, name) == ["completed", RUIS_WORDS]
    edited_once(mandate, call)


def test_edited_by_api(mandate: Installation) -> None:
    client = mandate.openai(KEY)
    name, call = begun(client, mandate)
    with rui(mandate) as reviewer:
        review = claimed(mandate, reviewer, call)
        shown = reviewer.post(f"/reviews/{review}/content/").json()
        assert shown["draft"]["text"] == MODELS_WORDS
        body = {"text": RUIS_WORDS, "reason": "only the parquet is covered"}
        assert reviewer.post(f"/reviews/{review}/edit/", json=body).json()["outcome"] == "edited"
    assert printed(client, name) == ["completed", RUIS_WORDS]
    edited_once(mandate, call)
    # whoever goes on from it goes on from what Rui wrote
    more = client.responses.create(
        model="one", previous_response_id=name, input="Why? [[sandbox tokens=5]]"
    )
    sent = mandate.raw(mandate.upstream.arrivals(UUID(hex=more.id.removeprefix("resp_")))[0])
    assert RUIS_WORDS.encode() in sent
    # the model's own words only where its prompt told it to say them
    assert sent.count(b"Elbrus") == 1
