"""Bundles of entries (C2SP tlog-tiles): each with its length in two bytes before it."""

from collections.abc import Iterable


class BadBundle(ValueError):
    """The bytes are no sequence of entries with their lengths."""


def pack(entries: Iterable[bytes]) -> bytes:
    """Return the entries end to end. Raises OverflowError for one of more than 65,535 bytes."""
    return b"".join(len(entry).to_bytes(2) + entry for entry in entries)


def unpack(data: bytes) -> list[bytes]:
    """Take a bundle apart. Raises BadBundle."""
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2])
        if at + 2 > len(data) or end > len(data):
            raise BadBundle(f"the bundle ends within entry {len(entries)}")
        entries.append(data[at + 2 : end])
        at = end
    return entries
