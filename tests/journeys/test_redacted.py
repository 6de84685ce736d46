"""What the policy takes out, with the real clients: no upstream gets the card, no caller the account, streamed or not."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.journeys.installation import Installation

KEY, CARD, IBAN = "j-redact/desk", "4111 1111 1111 1111", "DE89370400440532013000"
Ask = Callable[[Installation, str, str, bool], str]


def chat(mandate: Installation, route: str, said: str, stream: bool) -> str:
    found: Any = mandate.openai(KEY).chat.completions.create(
        model=route, messages=[{"role": "user", "content": said}], max_tokens=60, stream=stream
    )
    if not stream:
        return str(found.choices[0].message.content)
    return "".join(c.choices[0].delta.content or "" for c in found if c.choices)


def responses(mandate: Installation, route: str, said: str, stream: bool) -> str:
    found: Any = mandate.openai(KEY).responses.create(
        model=route, input=said, max_output_tokens=60, stream=stream
    )
    if not stream:
        return str(found.output_text)
    return "".join(e.delta for e in found if e.type == "response.output_text.delta")


def messages(mandate: Installation, route: str, said: str, stream: bool) -> str:
    asked: Any = {"model": route, "messages": [{"role": "user", "content": said}], "max_tokens": 60}
    client = mandate.anthropic(KEY)
    if not stream:
        return str(client.messages.create(**asked).content[0].text)  # type: ignore[union-attr]  # an answer of text
    with client.messages.stream(**asked) as events:
        return "".join(events.text_stream)


everywhere = pytest.mark.parametrize("ask", [chat, responses, messages])
both = pytest.mark.parametrize("stream", [False, True])
vendors = pytest.mark.parametrize("vendor", ["", "-claude"])


def newest(mandate: Installation) -> Any:
    return mandate.calls_of("j-redact")[-1]["id"]


@everywhere
@both
@vendors
def test_the_upstream_never_gets_the_card(
    mandate: Installation, ask: Ask, vendor: str, *, stream: bool
) -> None:
    said = f"My card is {CARD}, charge it. [[sandbox say='done' chunks=2 delay=1ms]]"
    assert ask(mandate, f"asked{vendor}", said, stream) == "done"
    call = newest(mandate)
    (arrival,) = mandate.upstream.arrivals(call)
    assert b"1111" not in mandate.raw(arrival)
    assert b"My card is [card], charge it." in mandate.raw(arrival)
    started = next(e for e in mandate.told(call) if e["kind"] == "attempt.started")
    assert started["data"]["redacted"] == {"counts": {"card": 1}, "rules": 1}


@everywhere
@both
@vendors
def test_the_caller_never_sees_the_account(
    mandate: Installation, ask: Ask, vendor: str, *, stream: bool
) -> None:
    said = f"Where to? [[sandbox say='pay to {IBAN} today' chunks=6 delay=1ms]]"
    assert ask(mandate, f"told{vendor}", said, stream) == "pay to [iban] today"
    ended = mandate.told(newest(mandate))[-1]
    assert (ended["kind"], ended["data"]["redacted"]["counts"]) == ("call.completed", {"iban": 1})


def test_nothing_of_it_lies_in_any_table(mandate: Installation) -> None:
    chat(mandate, "asked", f"{CARD} [[sandbox say='ok']]", False)
    assert mandate.tables_with("4111 1111") == []
    assert mandate.tables_with("DE8937040044") == []
