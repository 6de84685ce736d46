import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.dialects import Event
from routing.dialects.sse import MAX_EVENT_BYTES, EventReader
from routing.exchange import UnreadableAnswer
from tests.routing.dialects.material import CHAT_STREAM, MESSAGES_STREAM

STREAM = (
    b"\xef\xbb\xbf: hello\n\n"
    b"data: one\n\n"
    b"event: ping\ndata: {}\n\n"
    b":\n\n\n"
    b"id: 7\nretry: 5\nevent: two\ndata: a\ndata: b\n\n"
    b"data\n\n"
    b"data:no space\n\n"
    b"event: empty\n\n"
    b"data: never completed\n"
)
EVENTS = [
    Event("", b"one"),
    Event("ping", b"{}"),
    Event("two", b"a\nb"),
    Event("", b""),
    Event("", b"no space"),
]


def fed(data: bytes, cuts: list[int]) -> list[Event]:
    reader, found, here = EventReader(), [], 0
    for cut in sorted({min(cut, len(data)) for cut in cuts} | {len(data)}):
        found += reader.feed(data[here:cut])
        here = cut
    return found


def test_events_comments_and_fields() -> None:
    assert fed(STREAM, []) == EVENTS


@given(
    st.lists(st.integers(0, 200), max_size=20),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
)
def test_reading_does_not_depend_on_where_the_stream_is_cut(cuts: list[int], end: bytes) -> None:
    assert fed(STREAM.replace(b"\n", end), cuts) == EVENTS


@pytest.mark.parametrize("data", [CHAT_STREAM, MESSAGES_STREAM])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_byte_at_a_time_is_the_same_as_all_at_once(data: bytes, end: bytes) -> None:
    whole = data.replace(b"\n", end)
    assert fed(whole, list(range(len(whole)))) == fed(data, [])


def test_an_event_that_never_ends_does_not_fill_memory() -> None:
    reader = EventReader()
    piece = b"data: " + b"x" * (1024 * 1024)
    for _ in range(7):
        assert reader.feed(piece) == []
    with pytest.raises(UnreadableAnswer, match=f"larger than {MAX_EVENT_BYTES} bytes"):
        reader.feed(piece)
