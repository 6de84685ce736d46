"""Service tiers, from the caller's own client to the books: billed by what the upstream says that it did."""

from typing import Any

import openai
import pytest

from tests.journeys.installation import Installation, call_of

KEY = "j-responses/desk"
WORDS = "Sort this by night. [[sandbox tokens=20{}]]"
ASK: list[Any] = [{"role": "user", "content": WORDS.format("")}]
AS_USUAL: list[Any] = [{"role": "user", "content": WORDS.format(" service_tier=default")}]
MILLI_INPUT, MILLI_OUTPUT = 1000, 10_000
"""1 EUR and 10 EUR a million, in nano units a token."""


def booked(mandate: Installation, call: Any) -> tuple[str, int, int, str]:
    """The attempt's service tier, what it cost, what was held for it, and the tier that its entry names."""
    (attempt,) = mandate.attempts(call)
    [entry] = [told["data"] for told in mandate.told(call) if told["kind"] == "attempt.succeeded"]
    assert entry["amount"] == str(attempt["posted_nano"])
    assert attempt["overrun_nano"] == 0
    tier = entry.get("service_tier", "")
    return attempt["service_tier"], attempt["posted_nano"], attempt["reserved_nano"], tier


def full(given: int, output: int) -> int:
    return given * MILLI_INPUT + output * MILLI_OUTPUT


def test_a_chat_completion_at_flex_costs_half_of_what_was_held_for_it(
    mandate: Installation,
) -> None:
    client, held = mandate.openai(KEY).chat.completions.with_raw_response, []
    for messages, said in ((ASK, "flex"), (AS_USUAL, "default")):
        raw = client.create(model="one", messages=messages, max_tokens=50, service_tier="flex")
        answer, call = raw.parse(), call_of(raw.headers)
        assert answer.service_tier == said
        assert answer.usage is not None
        whole = full(answer.usage.prompt_tokens, answer.usage.completion_tokens)
        tier, posted, reserved, told = booked(mandate, call)
        assert (tier, told) == (("flex", "flex") if said == "flex" else ("", ""))
        assert posted == (whole // 2 if said == "flex" else whole)
        assert mandate.facts_of(call)["request"]["serviceTier"] == "flex"
        (arrival,) = mandate.upstream.arrivals(call)
        assert mandate.sent(arrival)["service_tier"] == "flex"
        held.append(reserved)
        assert reserved > whole
        assert mandate.decided_again(call)["identical"] is True
    # what the directive adds is bytes of input, at twice the price
    assert held[1] - held[0] == len(" service_tier=default") * 2 * MILLI_INPUT


def test_a_streamed_response_at_flex(mandate: Installation) -> None:
    stream = mandate.openai(KEY).responses.create(
        model="own", input=WORDS.format(""), max_output_tokens=50, service_tier="flex", stream=True
    )
    call = call_of(stream.response.headers)
    last = list(stream)[-1]
    assert last.type == "response.completed"
    assert (last.response.service_tier, last.response.usage is not None) == ("flex", True)
    assert last.response.usage is not None
    whole = full(last.response.usage.input_tokens, last.response.usage.output_tokens)
    assert booked(mandate, call)[:2] == ("flex", whole // 2)


def test_it_crosses_to_a_provider_of_chat_completions(mandate: Installation) -> None:
    client = mandate.openai(KEY).responses.with_raw_response
    raw = client.create(model="compatible", input=WORDS.format(""), service_tier="flex")
    answer, call = raw.parse(), call_of(raw.headers)
    assert answer.service_tier == "flex"
    (arrival,) = mandate.upstream.arrivals(call)
    assert (arrival["path"], mandate.sent(arrival)["service_tier"]) == (
        "/v1/chat/completions",
        "flex",
    )
    assert booked(mandate, call)[0] == "flex"


def test_a_route_to_models_that_have_it_not_refuses_and_names_them(mandate: Installation) -> None:
    with pytest.raises(openai.PermissionDeniedError) as raised:
        mandate.openai(KEY).chat.completions.create(
            model="own-claude", messages=ASK, service_tier="flex"
        )
    assert "claude has no service tier flex: openai.chat at anthropic" in raised.value.message
    assert mandate.upstream.arrivals(call_of(raised.value.response.headers)) == []


def test_a_route_to_both_goes_to_the_one_that_has_it(mandate: Installation) -> None:
    raw = mandate.openai(KEY).chat.completions.with_raw_response.create(
        model="own-both", messages=ASK, max_tokens=50, service_tier="flex"
    )
    assert raw.headers["x-mandate-model"] == "gpt"
    assert booked(mandate, call_of(raw.headers))[0] == "flex"


def served(tier: str) -> str:
    return WORDS.format(f" service_tier={tier}")


def test_flex_that_nobody_asked_for_is_billed_as_the_answer_says(mandate: Installation) -> None:
    """A project's default at the provider: the request says nothing, the answer says flex."""
    raw = mandate.openai(KEY).chat.completions.with_raw_response.create(
        model="one", messages=[{"role": "user", "content": served("flex")}], max_tokens=50
    )
    answer, call = raw.parse(), call_of(raw.headers)
    assert answer.usage is not None
    whole = full(answer.usage.prompt_tokens, answer.usage.completion_tokens)
    tier, posted, reserved, told = booked(mandate, call)
    assert (tier, told, posted) == ("flex", "flex", whole // 2)
    assert reserved > whole
    assert "serviceTier" not in mandate.facts_of(call)["request"]
    (arrival,) = mandate.upstream.arrivals(call)
    assert "service_tier" not in mandate.sent(arrival)
    assert mandate.decided_again(call)["identical"] is True


def test_streams_of_each_dialect_that_end_at_a_cheaper_tier(mandate: Installation) -> None:
    chat = mandate.openai(KEY).chat.completions.create(
        model="one", messages=[{"role": "user", "content": served("flex")}], max_tokens=50, stream=True,
        stream_options={"include_usage": True},
    )  # fmt: skip
    call = call_of(chat.response.headers)
    usage = [chunk.usage for chunk in chat if chunk.usage][-1]
    whole = full(usage.prompt_tokens, usage.completion_tokens)
    assert booked(mandate, call)[:2] == ("flex", whole // 2)

    responses = mandate.openai(KEY).responses.create(
        model="one", input=served("flex"), max_output_tokens=50, stream=True
    )
    call = call_of(responses.response.headers)
    last = list(responses)[-1]
    assert last.type == "response.completed"
    assert last.response.usage is not None
    whole = full(last.response.usage.input_tokens, last.response.usage.output_tokens)
    assert booked(mandate, call)[:2] == ("flex", whole // 2)

    with mandate.anthropic(KEY).messages.stream(
        model="claude", max_tokens=50, messages=[{"role": "user", "content": served("batch")}]
    ) as messages:
        call = call_of(messages.response.headers)
        final = messages.get_final_message()
    whole = full(final.usage.input_tokens, final.usage.output_tokens)
    assert booked(mandate, call)[:2] == ("batch", whole // 2)


def test_priority_is_booked_at_its_price_and_named_where_it_has_none(mandate: Installation) -> None:
    held = {}
    for route, factor in (("own", 1), ("quick", 2.5)):
        raw = mandate.openai(KEY).chat.completions.with_raw_response.create(
            model=route, messages=[{"role": "user", "content": served("priority")}], max_tokens=50
        )
        answer, call = raw.parse(), call_of(raw.headers)
        assert answer.service_tier == "priority"
        assert answer.usage is not None
        whole = full(answer.usage.prompt_tokens, answer.usage.completion_tokens)
        tier, posted, held[route], told = booked(mandate, call)
        assert (tier, told, posted) == ("priority", "priority", int(whole * factor))
        assert mandate.decided_again(call)["identical"] is True
    # two units are for rounding; the longer name of the route is two bytes of input more, at twice the price
    assert held["quick"] - 2 == (held["own"] - 2 + 2 * 2 * MILLI_INPUT) * 2.5
