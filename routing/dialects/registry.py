"""Every dialect by its name: a new one is one room and one line here."""

from typing import Final

from routing.dialects.anthropic_messages.dialect import AnthropicMessages
from routing.dialects.base import Dialect
from routing.dialects.openai_chat.dialect import OpenAIChat

_DIALECTS: Final[dict[str, Dialect]] = {
    found.name: found for found in (OpenAIChat(), AnthropicMessages())
}


def dialect(name: str) -> Dialect:
    """The dialect of that name, `openai.chat` or `anthropic.messages`. Raises KeyError."""
    return _DIALECTS[name]
