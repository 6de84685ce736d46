"""Answers that are checked before anybody sees them, by the callers' own clients: plain, streamed, in every dialect."""

import openai
import pytest

from tests.journeys.installation import Installation, call_of

KEY = "j-checked/desk"
GOOD = '[[sandbox model=j-gpt-upstream say=\'{"label": "motor"}\']]'
WORDS = "[[sandbox model=j-gpt-upstream say='a secret thought' chunks=3 delay=30ms]]"
LARGE = '[[sandbox model=j-claude-upstream say=\'{"label": "travel"}\' chunks=2]]'
NEVER = "[[sandbox say='a secret thought' chunks=3 delay=30ms]]"


def ask(*words: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"A tree fell on the shed. {' '.join(words)}"}]


def test_two_samples_agree_and_what_was_weighed_comes_out_again(mandate: Installation) -> None:
    raw = mandate.openai(KEY).chat.completions.with_raw_response.create(
        model="sorted", messages=ask(GOOD), max_tokens=40
    )
    answer, call = raw.parse(), call_of(raw.headers)
    assert answer.choices[0].message.content == '{"label": "motor"}'
    assert (raw.headers["x-mandate-model"], raw.headers["x-mandate-reason"]) == (
        "j-gpt",
        "accepted",
    )
    assert [a["state"] for a in mandate.attempts(call)] == ["succeeded", "succeeded"]
    assert [(n, stage, effect) for n, stage, _, effect in mandate.decisions(call)] == [
        (1, "request", "permit"), (2, "response", "permit"),
    ]  # fmt: skip
    again = mandate.decided_again(call)
    assert again["identical"] is True
    assert [stage["stage"] for stage in again["stages"]] == ["request", "response"]
    last = mandate.told(call)[-1]
    assert last["data"]["weighed"] == again["stages"][1]["recorded"]


def test_an_answer_that_fails_is_followed_by_the_next_tier(mandate: Installation) -> None:
    raw = mandate.openai(KEY).chat.completions.with_raw_response.create(
        model="sorted", messages=ask(WORDS, LARGE), max_tokens=40
    )
    answer, call = raw.parse(), call_of(raw.headers)
    assert answer.choices[0].message.content == '{"label": "travel"}'
    assert [a["model"] for a in mandate.attempts(call)] == ["j-gpt"] * 2 + ["j-claude"] * 2
    assert [(stage, effect) for _, stage, _, effect in mandate.decisions(call)] == [
        ("request", "permit"), ("response", "deny"), ("response", "permit"),
    ]  # fmt: skip
    assert mandate.decided_again(call)["identical"] is True


def test_a_stream_brings_the_checked_answer_and_nothing_before_it(mandate: Installation) -> None:
    chunks = list(
        mandate.openai(KEY).chat.completions.create(
            model="sorted", messages=ask(WORDS, LARGE), max_tokens=40, stream=True
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == '{"label": "travel"}'
    assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_what_no_tier_answered_well_is_shown_to_nobody(
    mandate: Installation, *, stream: bool
) -> None:
    def asked() -> list[str]:
        found = mandate.openai(KEY).chat.completions.create(
            model="sorted", messages=ask(NEVER), max_tokens=40, stream=stream
        )
        return [str(chunk) for chunk in found]

    with pytest.raises(openai.APIError) as caught:
        asked()
    assert "secret thought" not in str(caught.value)
    assert "no answer passed the checks" in str(caught.value)
    call = mandate.calls_of("j-checked")[-1]
    assert (call["state"], call["code"]) == ("failed", "not_accepted")


def test_the_other_vendors_client_gets_the_same(mandate: Installation) -> None:
    raw = mandate.anthropic(KEY).messages.with_raw_response.create(
        model="sorted", messages=ask(WORDS, LARGE), max_tokens=40
    )
    block = raw.parse().content[0]
    assert block.type == "text"
    assert block.text == '{"label": "travel"}'
    streamed = ""
    with mandate.anthropic(KEY).messages.stream(
        model="sorted", messages=ask(WORDS, LARGE), max_tokens=40
    ) as events:
        for text in events.text_stream:
            streamed += text
    assert streamed == '{"label": "travel"}'


def test_a_caller_of_responses_gets_the_same(mandate: Installation) -> None:
    found = mandate.openai(KEY).responses.create(
        model="sorted", input=f"A tree fell. {WORDS} {LARGE}", max_output_tokens=40
    )
    assert found.output_text == '{"label": "travel"}'
