"""Server-sent events: bytes in, events out, wherever the chunks of the transport are cut."""

from typing import Final

from routing.dialects.base import Event
from routing.exchange import UnreadableAnswer

MAX_EVENT_BYTES: Final = 8 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"


class EventReader:
    """Splits a stream into events. Memory is bounded by one event of 8 MiB; comments are skipped."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._searched = 0
        self._after_cr = False
        self._started = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete. Raises UnreadableAnswer when one grows above 8 MiB."""
        if self._after_cr or b"\r" in data:
            data = self._unix(data)
        rest = self._rest
        rest += data
        if not self._started and not self._skip_mark():
            return []
        events = []
        here, cut = 0, rest.find(b"\n\n", self._searched)
        while cut >= 0:
            event = _event(bytes(rest[here:cut]))
            if event is not None:
                events.append(event)
            here = cut + 2
            cut = rest.find(b"\n\n", here)
        del rest[:here]
        self._searched = max(0, len(rest) - 1)
        if len(rest) > MAX_EVENT_BYTES:
            raise UnreadableAnswer(f"an upstream event is larger than {MAX_EVENT_BYTES} bytes")
        return events

    def _unix(self, data: bytes) -> bytes:
        """Line ends may be CR, LF or CRLF, and the transport may cut between the two."""
        if not data:
            return data
        ends_in_cr = data[-1:] == b"\r"
        if self._after_cr and data[:1] == b"\n":
            data = data[1:]
        self._after_cr = ends_in_cr
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _skip_mark(self) -> bool:
        rest = self._rest
        if len(rest) < len(_BOM) and _BOM.startswith(bytes(rest)):
            return False
        if rest.startswith(_BOM):
            del rest[: len(_BOM)]
        self._started = True
        return True


def _event(block: bytes) -> Event | None:
    if block.startswith(b"data: ") and b"\n" not in block:
        return Event("", block[6:])
    name, data = "", []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("ascii", "replace")
    return Event(name, b"\n".join(data)) if data else None
