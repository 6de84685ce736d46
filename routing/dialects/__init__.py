"""The wire formats callers and models speak. Pure codecs, both directions; `dialect` knows each by its name."""

from typing import Final

from routing.dialects.anthropic_messages.dialect import AnthropicMessages
from routing.dialects.base import (
    Dialect,
    Event,
    StreamReader,
    StreamSplicer,
    StreamWriter,
)
from routing.dialects.openai_chat.dialect import OpenAIChat

__all__ = ["Dialect", "Event", "StreamReader", "StreamSplicer", "StreamWriter", "dialect"]

_DIALECTS: Final[dict[str, Dialect]] = {
    found.name: found for found in (OpenAIChat(), AnthropicMessages())
}


def dialect(name: str) -> Dialect:
    """The dialect of that name, `openai.chat` or `anthropic.messages`. Raises KeyError."""
    return _DIALECTS[name]
