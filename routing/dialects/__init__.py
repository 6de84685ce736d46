"""The wire formats callers and models speak. Pure codecs, both directions; `dialect` knows each by its name."""

from routing.dialects.base import Dialect, Event, StreamReader, StreamSplicer, StreamWriter
from routing.dialects.registry import dialect

__all__ = ["Dialect", "Event", "StreamReader", "StreamSplicer", "StreamWriter", "dialect"]
