"""A budget that is spent: refused at once and for good, never over, and full means full."""

import threading
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.journeys import world
from tests.journeys.installation import Installation, call_of

KEY, TENANT = "j-exhaust/desk", "j-exhaust"


def ask(words: str) -> Any:
    return [{"role": "user", "content": f"Again. [[sandbox {words}]]"}]


def limit(mandate: Installation, folder: Path, nano: int) -> None:
    """Publish the tenant's budget with this limit."""
    folder.mkdir(exist_ok=True)
    (folder / "month.yaml").write_text(
        world.budget("exhaust", f"{nano // 10**9}.{nano % 10**9:09}")
    )
    mandate.apply(folder)


def all_at_once(mandate: Installation, calls: int, words: str) -> "Counter[str]":
    """So many calls at the same time; how each ended."""
    gate = threading.Barrier(calls)
    client = mandate.openai(KEY)

    def one(_: int) -> str:
        gate.wait()
        try:
            client.chat.completions.create(model="one", messages=ask(words), max_tokens=20)
        except openai.RateLimitError as error:
            return "refused" if error.code == "insufficient_quota" else str(error)
        return "answered"

    with ThreadPoolExecutor(calls) as pool:
        return Counter(pool.map(one, range(calls)))


def test_twenty_at_once_and_then_one_by_one_until_it_is_full(
    mandate: Installation, tmp_path: Path
) -> None:
    before = mandate.window("month", TENANT)["posted_nano"] if mandate.calls_of(TENANT) else 0
    limit(mandate, tmp_path, before + 3_000_000)
    ended = all_at_once(mandate, 20, "tokens=20 latency=1500ms")
    window = mandate.window("month", TENANT)
    assert ended["answered"] + ended["refused"] == 20
    assert ended["answered"] > 0
    assert ended["refused"] > 0
    assert window["posted_nano"] <= before + 3_000_000
    assert (window["pending_nano"], window["overrun_nano"]) == (0, 0)
    done = [row for row in mandate.calls_of(TENANT)[-20:] if row["state"] == "completed"]
    assert sum(row["cost_nano"] for row in done) == window["posted_nano"] - before

    # the other direction: nobody is refused while there is room for a whole reservation
    reserved = mandate.attempts(done[0]["id"])[0]["reserved_nano"]
    client = mandate.openai(KEY)
    spend = partial(
        client.chat.completions.create, model="one", messages=ask("tokens=20"), max_tokens=20
    )
    with pytest.raises(openai.RateLimitError) as raised:
        deque((spend() for _ in range(20)), maxlen=0)
    window = mandate.window("month", TENANT)
    left = before + 3_000_000 - window["posted_nano"]
    assert 0 <= left < reserved + 20_000  # the prompt is shorter by a word

    error = raised.value
    assert (error.status_code, error.code, error.type) == (
        429,
        "insufficient_quota",
        "insufficient_quota",
    )
    assert error.response.headers["x-should-retry"] == "false"
    call = call_of(error.response.headers)
    row = mandate.call(call)
    assert (row["state"], row["code"]) == ("denied", "budget_exhausted")
    assert mandate.entries(call) == ["call.denied"]
    assert mandate.upstream.arrivals(call) == []
    assert mandate.told(call)[0]["data"]["rules"] == ["month"]

    with pytest.raises(anthropic.RateLimitError) as other:
        mandate.anthropic(KEY).messages.create(
            model="one", messages=ask("tokens=20"), max_tokens=20
        )
    body: Any = other.value.body
    assert body["error"]["type"] == "billing_error"
    assert other.value.response.headers["x-should-retry"] == "false"


def test_exactly_full_is_let_in_once_and_one_nano_less_never(
    mandate: Installation, tmp_path: Path
) -> None:
    limit(mandate, tmp_path, 10**12)
    words = "tokens=20 latency=800ms"
    client = mandate.openai(KEY)
    raw = client.chat.completions.with_raw_response.create(
        model="one", messages=ask(words), max_tokens=20
    )
    reserved = mandate.attempts(call_of(raw.headers))[0]["reserved_nano"]
    posted = mandate.window("month", TENANT)["posted_nano"]
    limit(mandate, tmp_path, posted + reserved - 1)
    assert all_at_once(mandate, 3, words) == {"refused": 3}
    limit(mandate, tmp_path, posted + reserved)
    assert all_at_once(mandate, 5, words) == {"answered": 1, "refused": 4}
    assert mandate.window("month", TENANT)["posted_nano"] <= posted + reserved
