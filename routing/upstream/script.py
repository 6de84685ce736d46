"""What one request to the upstream becomes: an ask for the simulator, then bytes to send."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from routing.simulator.model import Ask, Simulated


class BadBody(ValueError):
    """The request's body is not what the vendor's API takes; the message says why."""


@dataclass(frozen=True, slots=True)
class Script:
    """A streamed answer: what comes first, the deltas that timing and cuts count, what comes last."""

    prelude: bytes
    deltas: tuple[bytes, ...]
    end: bytes


@dataclass(frozen=True, slots=True)
class Origin:
    """What an answer says about itself."""

    id: str
    created: int
    model: str


class Vendor(Protocol):
    """One vendor's request and answer shapes."""

    request_id_header: bytes

    def ask(self, body: Mapping[str, Any], tries: int) -> Ask:
        """What the request asks of the model. Raises BadBody."""
        ...

    def plain(self, body: Mapping[str, Any], origin: Origin, done: Simulated) -> bytes:
        """The whole answer as JSON."""
        ...

    def script(self, body: Mapping[str, Any], origin: Origin, done: Simulated) -> Script:
        """The answer as server-sent events."""
        ...

    def error(self, status: int, message: str, request_id: str) -> bytes:
        """The vendor's error object."""
        ...

    def stream_error(self, message: str, request_id: str) -> bytes:
        """The vendor's error as a server-sent event."""
        ...


def text_of(content: object) -> tuple[str, int]:
    """The text of a message's content (a string or a list of parts) and how many images it has."""
    if isinstance(content, str):
        return content, 0
    texts: list[str] = []
    images = 0
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, dict):
            raise BadBody("a content part is not an object")
        kind = part.get("type")
        images += kind in {"image_url", "image"}
        if isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind == "tool_result":
            inner, more = text_of(part.get("content"))
            texts.append(inner)
            images += more
    return "\n".join(texts), images


def messages_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages of a request. Raises BadBody when there are none."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadBody("messages: a list with at least one message is required")
    if not all(isinstance(message, dict) for message in messages):
        raise BadBody("messages: each message is an object")
    return messages


def model_of(body: Mapping[str, Any]) -> str:
    """The model a request names. Raises BadBody."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise BadBody("you must provide a model parameter")
    return model


def whole(body: Mapping[str, Any], *names: str) -> int | None:
    """The first of these fields that is a whole number. Raises BadBody for one below 1."""
    for name in names:
        value = body.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            if value < 1:
                raise BadBody(f"{name}: must be at least 1")
            return value
    return None


def tier_asked(body: Mapping[str, Any]) -> str:
    """The service tier of OpenAI's that a request asks for; the ordinary one is none."""
    tier = body.get("service_tier")
    return tier if isinstance(tier, str) and tier not in {"auto", "default"} else ""
