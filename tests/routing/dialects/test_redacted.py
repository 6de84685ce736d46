"""Redaction in the JSON of all three dialects: every string, arguments of tools, numbers; what cannot be is refused."""

# ruff: noqa: E501  # tables

import json
from typing import Any

import pytest

from routing.dialects.redacted import NotRedactable, of_body, of_request, told
from routing.dialects.registry import dialect
from routing.exchange import CallRequest

CARD, SHOWN = "4111 1111 1111 1111", "[card]"


def parsed(name: str, body: dict[str, Any] | str) -> CallRequest:
    text = body if isinstance(body, str) else json.dumps(body)
    return dialect(name).parse_request(text.encode(), {}, "")


def bodies(card: str, number: int | str) -> dict[str, dict[str, Any]]:
    """The same in each dialect: text, a part, a tool's arguments and result, a member that nobody knows."""
    inner = json.dumps({"to": f"<{card}>", "n": number})
    return {
        "openai.chat": {
            "model": "r", "x_unknown": {"note": card}, "user": "u",
            "messages": [
                {"role": "system", "content": f"never say {card}"},
                {"role": "user", "content": [{"type": "text", "text": f"it is {card}."}]},
                {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "pay", "arguments": inner}}]},
                {"role": "tool", "tool_call_id": "c1", "content": f"paid {card}"},
            ],
            "tools": [{"type": "function", "function": {"name": "pay", "description": f"like {card}", "parameters": {"default": number}}}],
        },
        "openai.responses": {
            "model": "r", "instructions": f"never say {card}", "x_unknown": [card],
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": f"it is {card}."}]},
                {"type": "function_call", "call_id": "c1", "name": "pay", "arguments": inner},
                {"type": "function_call_output", "call_id": "c1", "output": f"paid {card}"},
            ],
        },
        "anthropic.messages": {
            "model": "r", "max_tokens": 50, "system": [{"type": "text", "text": f"never say {card}", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "user", "content": f"it is {card}."},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": f"hm, {card}", "signature": "4111111111111111"},
                    {"type": "tool_use", "id": "c1", "name": "pay", "input": {"to": f"<{card}>", "n": number}},
                ]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": f"paid {card}"}]},
            ],
        },
    }  # fmt: skip


@pytest.mark.parametrize("name", ["openai.chat", "openai.responses", "anthropic.messages"])
def test_every_string_of_a_request_and_nothing_else(name: str) -> None:
    request = parsed(name, bodies(CARD, 4111111111111111)[name])
    found = of_request(request, ["card"])
    assert json.loads(found.request.raw) == bodies(SHOWN, SHOWN)[name]
    said = json.dumps(bodies(CARD, 4111111111111111)[name])
    sealed = name == "anthropic.messages"  # its signature is only its vendor's
    assert found.counts == {"card": said.count(CARD) + said.count("4111111111111111") - int(sealed)}
    assert (found.request.stream, found.request.route) == (request.stream, "r")


def test_every_byte_beside_a_match_is_the_callers_own() -> None:
    text = '{ "model":"r",\n "messages" : [{"role":"user","content":"\\u00e9 a@b.co \\/ \\n"}], "seed":  4e2 }'
    found = of_request(parsed("openai.chat", text), ["email"])
    assert found.request.raw.decode() == text.replace("\\u00e9 a@b.co \\/ \\n", "é [email] / \\n")


@pytest.mark.parametrize(
    "content", ["\\u0034111 1111 1111 1111", '{\\"a\\":\\"4\\\\u003111111111111111\\"}']
)
def test_an_escape_hides_nothing(content: str) -> None:
    text = f'{{"model":"r","messages":[{{"role":"user","content":"{content}"}}]}}'
    found = of_request(parsed("openai.chat", text), ["card"])
    assert found.counts == {"card": 1}
    assert "1111" not in found.request.raw.decode()


def test_a_request_with_nothing_in_it_is_the_very_same() -> None:
    request = parsed("openai.chat", {"model": "r", "messages": [{"role": "user", "content": CARD}]})
    assert of_request(request, ["iban", "email", "phone"]).request is request
    assert of_request(request, []).request is request


AUDIO = {"type": "input_audio", "input_audio": {"data": "UklGR" + "A" * 600 + "1", "format": "wav"}}


@pytest.mark.parametrize(
    ("content", "why"),
    [([AUDIO], "an encoded attachment"), ([{"type": "text", "text": "x", CARD: 1}], "the name of a member")],
)  # fmt: skip
def test_what_cannot_be_redacted_is_refused_without_a_word_of_it(content: Any, why: str) -> None:
    request = parsed(
        "openai.chat", {"model": "r", "messages": [{"role": "user", "content": content}]}
    )
    with pytest.raises(NotRedactable, match=why) as refused:
        of_request(request, ["card"])
    assert "1111" not in str(refused.value)
    assert "UklGR" not in str(refused.value)


def test_two_members_never_become_one() -> None:
    with pytest.raises(NotRedactable):
        of_body(b'{"a@b.co": 1, "c@d.co": 2}', ["email"])


def test_an_answers_body_keeps_its_ids_and_figures() -> None:
    body = json.dumps(
        {"id": "chatcmpl-0193590f000070008000000000004111", "created": 1732838400, "text": CARD}
    )
    now, counts = of_body(body.encode(), ["card", "phone"])
    assert (now.decode(), counts) == (body.replace(CARD, SHOWN), {"card": 1})


def test_an_entry_has_counts_and_no_content() -> None:
    assert told({"email": 1, "card": 2}) == {
        "redacted": {"counts": {"card": 2, "email": 1}, "rules": 1}
    }
    assert told({}) == {}
