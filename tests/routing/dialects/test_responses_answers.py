"""Answers of the responses dialect: passed on, read, written; exact bytes and the SDK's own types."""

import json
from typing import Any

import pytest
from openai.types.responses import Response
from pydantic import BaseModel

from routing.exchange import (
    Answer,
    Choice,
    Finish,
    StreamFailed,
    Text,
    ToolCall,
    UnreadableAnswer,
    Usage,
)
from tests.routing.dialects.material import (
    CALL,
    CALLED,
    RESP_ID,
    RESPONSE,
    RESPONSES,
    SAID,
    begun,
    compact,
    responses,
)
from tests.routing.dialects.test_sdks import Seen, openai_client

USAGE = Usage(input=6, cached_input=4, cache_write=2, output=3, reasoning=1)
MSG, FC = RESP_ID.replace("resp_", "msg_"), RESP_ID.replace("resp_", "fc_")


def replaced(data: bytes, **ours: Any) -> bytes:
    """As our caller gets it: id and model, and what was kept from the vendor."""
    given = {"previous_response_id": None, "store": False, "background": False}
    for name, value in ours.items():
        data = data.replace(compact({name: given[name]})[1:-1], compact({name: value})[1:-1])
    return data.replace(b"resp_upstream", RESP_ID.encode()).replace(b"gpt-5-mini-2026", b"triage")


def test_a_response_passes_with_only_ours_replaced() -> None:
    body = compact(RESPONSE)
    passed = RESPONSES.pass_answer(body, call=CALL, model="triage")
    assert passed.body == replaced(body)
    assert passed.body == RESPONSES.splice_answer(body, call=CALL, model="triage")
    assert (passed.usage, passed.finish) == (USAGE, "tool_calls")
    assert (passed.upstream_id, passed.upstream_model) == ("resp_upstream", "gpt-5-mini-2026")
    assert RESPONSES.usage(body) == USAGE
    request = responses(previous_response_id="resp_1", background=True)
    passed = RESPONSES.pass_answer(body, call=CALL, model="triage", request=request)
    ours = {"previous_response_id": "resp_1", "store": True, "background": True}
    assert passed.body == replaced(body, **ours)
    bare = RESPONSES.pass_answer(b'{"output":[]}', call=CALL, model="t").body
    assert bare == b'{"id":"%b","model":"t","output":[]}' % RESP_ID.encode()


def test_a_response_is_read_without_what_was_thought() -> None:
    refused = {"type": "refusal", "refusal": "no"}
    body = compact(RESPONSE | {"output": [*RESPONSE["output"], SAID | {"content": [refused]}]})
    call = ToolCall("call_1", "look", '{"q":1}')
    assert RESPONSES.read_answer(body) == Answer(
        choices=(Choice((Text("Grüße"), call), "tool_calls", refusal="no"),),
        usage=USAGE,
        upstream_id="resp_upstream",
        upstream_model="gpt-5-mini-2026",
    )


FINISHES: list[tuple[dict[str, Any], Finish]] = [
    ({"output": [SAID]}, "stop"),
    ({"output": [CALLED]}, "tool_calls"),
    ({"output": [SAID | {"content": [{"type": "refusal", "refusal": "no"}]}]}, "refusal"),
    (
        {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
        "length",
    ),
    ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "refusal"),
    ({"status": "incomplete"}, "length"),
]


@pytest.mark.parametrize(("fields", "finish"), FINISHES)
def test_why_it_ended_is_read(fields: dict[str, Any], finish: Finish) -> None:
    assert RESPONSES.read_answer(compact(RESPONSE | fields)).choices[0].finish == finish
    passed = RESPONSES.pass_answer(compact(RESPONSE | fields), call=CALL, model="t")
    assert passed.finish == finish


def test_a_response_that_failed_is_a_failure_and_quotes_nothing() -> None:
    error = {"code": "rate_limit_exceeded", "message": "secret"}
    body = compact(RESPONSE | {"status": "failed", "error": error})
    with pytest.raises(StreamFailed) as caught:
        RESPONSES.read_answer(body)
    assert caught.value.details == {"error_class": "rate_limited"}
    assert "secret" not in caught.value.message
    with pytest.raises(UnreadableAnswer, match="has not ended"):
        RESPONSES.pass_answer(compact(begun()), call=CALL, model="t")


ANSWERS = [
    Answer(choices=(Choice((Text("Grüße"),), "stop"),), usage=USAGE),
    Answer(
        choices=(Choice((Text("a"), ToolCall("c1", "look", '{"q":1}')), "tool_calls"),),
        usage=Usage(),
    ),
    Answer(choices=(Choice((), "refusal", refusal="no"),), usage=Usage()),
    Answer(choices=(Choice((Text("a"),), "length"),), usage=Usage(output=1)),
    Answer(choices=(Choice((), "refusal"),), usage=Usage()),
    Answer(
        choices=(
            Choice(
                (Text("a"),),
                "stop",
                logprobs={
                    "content": [
                        {
                            "token": "a",
                            "logprob": -0.1,
                            "bytes": [97],
                            "top_logprobs": [{"token": "b", "logprob": -2.0, "bytes": [98]}],
                        }
                    ],
                    "refusal": None,
                },
            ),
        ),
        usage=Usage(),
    ),
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_is_written_is_strictly_valid_and_read_again(answer: Answer) -> None:
    body = RESPONSES.encode_answer(answer, call=CALL, model="triage", created=1700000000)
    response = Response.model_validate_json(body, strict=True)
    assert (response.id, response.model, response.created_at) == (RESP_ID, "triage", 1700000000)
    read = RESPONSES.read_answer(body)
    assert read.usage == answer.usage
    (found,), (said,) = read.choices, answer.choices
    assert found == said


def test_an_answer_is_written_whole() -> None:
    body = json.loads(
        RESPONSES.encode_answer(ANSWERS[1], call=CALL, model="triage", created=1700000000)
    )
    part = {"type": "output_text", "text": "a", "annotations": [], "logprobs": []}
    message = {"id": f"{MSG}_0", "type": "message", "status": "completed", "role": "assistant"}
    call = {"id": f"{FC}_1", "type": "function_call", "status": "completed", "call_id": "c1"}
    assert body["output"] == [
        message | {"content": [part]},
        call | {"name": "look", "arguments": '{"q":1}'},
    ]
    assert (body["status"], body["error"], body["incomplete_details"]) == ("completed", None, None)
    cut = json.loads(RESPONSES.encode_answer(ANSWERS[3], call=CALL, model="t", created=1))
    assert (cut["status"], cut["incomplete_details"]) == (
        "incomplete",
        {"reason": "max_output_tokens"},
    )
    assert cut["output"][0]["status"] == "incomplete"
    filtered = json.loads(RESPONSES.encode_answer(ANSWERS[4], call=CALL, model="t", created=1))
    assert filtered["incomplete_details"] == {"reason": "content_filter"}


class Label(BaseModel):
    label: str


def test_the_client_parses_structured_answers() -> None:
    body = RESPONSES.encode_answer(
        Answer(choices=(Choice((Text('{"label":"storm"}'),), "stop"),), usage=USAGE),
        call=CALL,
        model="triage",
        created=1,
    )
    with openai_client(Seen(200, {"content-type": "application/json"}, body)) as client:
        parsed = client.responses.parse(model="triage", input="hello", text_format=Label)
    assert parsed.output_parsed == Label(label="storm")
