"""Every dialect by its name: a new one is one room and one line here. And what a request loses on its way to a provider."""

from typing import Final

from routing.dialects.anthropic_messages.dialect import AnthropicMessages
from routing.dialects.base import Dialect
from routing.dialects.openai_chat.dialect import OpenAIChat
from routing.dialects.openai_responses.dialect import OpenAIResponses
from routing.exchange import CallRequest, DialectName

_DIALECTS: Final[dict[str, Dialect]] = {
    found.name: found for found in (OpenAIChat(), OpenAIResponses(), AnthropicMessages())
}
_SPOKEN: Final[dict[str, DialectName]] = {
    "openai": "openai.chat",
    "azure-openai": "openai.chat",
    "gemini": "openai.chat",
    "openai-compatible": "openai.chat",
    "anthropic": "anthropic.messages",
}
_NATIVE: Final = frozenset({("openai", "openai.responses")})
"""Where a provider speaks the caller's dialect beside its usual one."""


def dialect(name: str) -> Dialect:
    """The dialect of that name, as `openai.chat`. Raises KeyError."""
    return _DIALECTS[name]


def spoken_by(provider_type: str, caller: DialectName) -> DialectName:
    """The dialect in which a provider of this type is asked; one that runs in our process takes the caller's."""
    if (provider_type, caller) in _NATIVE:
        return caller
    return _SPOKEN.get(provider_type, caller)


def obstacles(request: CallRequest, provider_type: str) -> list[str]:
    """Why this request cannot go to a provider of this type: such models are routed around. Empty when it can.

    Raises InvalidRequest where the request's form is not its dialect's. Reads the whole body: ask once per type.
    """
    spoken = spoken_by(provider_type, request.dialect)
    if spoken == request.dialect:
        return []
    return dialect(spoken).cannot_carry(dialect(request.dialect).conversation(request))


def changes(
    request: CallRequest, provider_type: str, *, max_output_tokens: int | None
) -> list[str]:
    """What is changed or left out for a provider of this type beyond model, limit and stream options: to be reported."""
    spoken = spoken_by(provider_type, request.dialect)
    ours = dialect(request.dialect)
    if spoken == request.dialect:
        return ours.splice_notes(request, max_output_tokens=max_output_tokens)
    left = dialect(spoken).left_out(ours.conversation(request))
    return [f"{name} was left out: a model of another dialect has no place for it" for name in left]
