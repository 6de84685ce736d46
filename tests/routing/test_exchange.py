import msgspec
import pytest

from routing.exchange import (
    CallRequest,
    Chunk,
    Outline,
    ToolDelta,
    Usage,
    decode_request,
    encode_request,
)


def test_a_request_survives_the_vault() -> None:
    request = CallRequest(
        dialect="openai.chat",
        route="triage",
        stream=True,
        raw=b'{"model":"triage"}\xc3\xa9',
        outline=Outline(tools=("look",), needs=("chat", "tools"), labels={"a": "b"}, user="u"),
        spans={"model": (9, 17)},
        headers={"openai-beta": "x"},
        query="beta=true",
    )
    assert decode_request(encode_request(request)) == request


def test_bytes_that_are_no_request_are_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_request(b"\x93\x01\x02\x03")


def test_usage_adds_its_three_inputs() -> None:
    assert Usage(input=6, cached_input=4, cache_write=2, output=3).input_all == 12


def test_a_chunk_counts_the_utf8_bytes_of_all_it_says() -> None:
    assert Chunk(text="Grüße").output_bytes == 7
    assert Chunk(refusal="no").output_bytes == 2
    assert Chunk(tool=ToolDelta(0, "call_1", "look", '{"q":"ß"}')).output_bytes == 14
    assert Chunk(finish="stop").output_bytes == 0
