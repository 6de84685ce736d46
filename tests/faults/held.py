"""Calls that wait for a person when a fault comes: how each was asked, its case, what is decided, what its caller reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx2
import openai
import pytest

from tests.faults.load import KEY, TENANT, call_of_key
from tests.journeys.installation import Installation

HELD_TEXT = "we pay 14200 to Elbrus"
EDITED_TEXT = "we pay 9800"
REASON = "the report is missing"
CASES = """
SELECT r.id, r.call, r.stage, r.queue, r.outcome, r.version, r.claimed_by, r.claimed_until, r.opened_at, r.due_at
  FROM routing_review_case r JOIN routing_call c ON c.id = r.call WHERE c.tenant = %s AND r.id = ANY(%s) ORDER BY r.id"""
DECIDED = "SELECT count(*) AS count FROM audit_entry WHERE call = %s AND kind = ANY(%s)"
VERDICTS = ["review.approved", "review.edited", "review.redacted", "review.rejected"]


@dataclass
class Held:
    """One held call. `how`: `chat`, `stream` or `response`, told 409 or an error event; `background`, told to ask again."""

    route: str
    how: str
    call: UUID = field(default_factory=lambda: UUID(int=0))
    review: str = ""
    verdict: str = ""
    latency: str = ""
    key: str = field(default_factory=lambda: uuid4().hex)

    @property
    def text(self) -> str:
        """What its caller reads in the end."""
        return {"approve": HELD_TEXT, "edit": EDITED_TEXT, "reject": REASON}[self.verdict]

    @property
    def arrivals(self) -> int:
        """How often its model is asked in all: never where it was turned down before any."""
        return 0 if (self.route, self.verdict) == ("first", "reject") else 1


def all_kinds() -> list[Held]:
    """Two of each: held before any model and with its answer, asked in every way."""
    ways = ("chat", "stream", "response", "background")
    return [Held(route, how) for route in ("first", "payout") for how in ways for _ in range(2)]


def send(sdk: openai.OpenAI, held: Held) -> Any:
    """Ask as its caller does, with the same Idempotency-Key each time: the answer, or the SDK's error."""
    asked = f"What do we pay? {held.key} [[sandbox say='{HELD_TEXT}' {held.latency}]]"
    more: dict[str, Any] = {"extra_headers": {"idempotency-key": held.key}, "model": held.route}
    if held.how in {"response", "background"}:
        return sdk.responses.create(input=asked, background=held.how == "background", **more)
    given = {"messages": [{"role": "user", "content": asked}], **more}
    if held.how == "chat":
        return sdk.chat.completions.create(**given)
    return list(sdk.chat.completions.create(stream=True, **given))


def ask(it: Installation, held: Held) -> None:
    """Ask for the first time, and be told that a person decides."""
    sdk = it.openai(KEY)
    if held.how == "background":
        answer = send(sdk, held)
        assert answer.status in {"queued", "in_progress"}
        held.call = UUID(hex=answer.id.removeprefix("resp_"))
        return
    with pytest.raises(openai.APIError) as told:
        send(sdk, held)
    assert told.value.code == "held_for_review"
    row = call_of_key(it, held.key)
    assert row is not None
    held.call = row["id"]


@contextmanager
def person(it: Installation, role: str) -> Iterator[httpx2.Client]:
    """Somebody of the demo, by API alone."""
    headers = {"authorization": f"Bearer {it.facts()['tokens'][role]}"}
    with httpx2.Client(base_url=f"{it.url}/api/v1", headers=headers, timeout=30.0) as client:
        yield client


def decide(client: httpx2.Client, held: Held) -> int:
    """Say what was chosen for the case; the status of the answer, 0 where the connection broke."""
    bodies: dict[str, dict[str, Any]] = {
        "approve": {"version": 0},
        "edit": {"text": EDITED_TEXT, "reason": "only the parquet"},
        "reject": {"reason": REASON},
    }
    body = bodies[held.verdict]
    try:
        return client.post(f"/reviews/{held.review}/{held.verdict}/", json=body).status_code
    except httpx2.TransportError:
        return 0


def cases(it: Installation, those: list[Held]) -> list[dict[str, Any]]:
    """The rows of their cases."""
    return it.rows(CASES, TENANT, [UUID(held.review) for held in those])


def read_again(it: Installation, held: Held) -> set[str]:
    """What the caller reads by polling, by the same Idempotency-Key, and by GET of a response: one text, one answer."""
    sdk, found = it.openai(KEY), {text_of(it.seen_by(KEY, held.call).json()["answer"])}
    try:
        found.add(text_of(send(sdk, held)))
    except openai.APIError as error:
        found.add(text_of({"error": error.body}))
    if held.how == "background":
        found.add(text_of(sdk.responses.retrieve(f"resp_{held.call.hex}")))
    return found


def text_of(answer: Any) -> str:
    """The words of an answer in any shape; of a refusal, the reviewer's reason."""
    if isinstance(answer, list):
        return "".join(c.choices[0].delta.content or "" for c in answer if c.choices)
    told = answer if isinstance(answer, dict) else answer.to_dict()
    if told.get("error"):
        words = str(told["error"]["message"])
        return REASON if words.endswith(REASON) else words
    if "choices" in told:
        return str(told["choices"][0]["message"]["content"])
    items = [item for item in told["output"] if item["type"] == "message"]
    return "".join(part["text"] for item in items for part in item["content"])
