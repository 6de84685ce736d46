"""Token probabilities that we ask for ourselves, to know how sure an answer is: read, and hidden from who did not ask."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from routing.dialects import dialect
from routing.dialects.base import Event
from routing.exchange import Answer, CallRequest

DIALECT = "openai.chat"
"""The one dialect whose upstreams report them."""


class Wish(NamedTuple):
    """Whether an attempt wants them, and whether its caller is to see them."""

    asks: bool
    hides: bool


def wish(request: CallRequest, *, wanted: bool, theirs: str) -> Wish:
    """What an attempt at an upstream of the dialect `theirs` wants."""
    if not wanted or theirs != DIALECT:
        return Wish(asks=False, hides=False)
    asked = dialect(request.dialect).conversation(request).logprobs
    return Wish(asks=True, hides=not asked)


def asking(body: bytes) -> bytes:
    """A chat request that asks for them."""
    return json.dumps(json.loads(body) | {"logprobs": True}, separators=(",", ":")).encode()


def of_answer(body: bytes) -> tuple[float, ...]:
    """Those of the first choice of a chat completion."""
    choices = json.loads(body).get("choices") or [{}]
    return of_choice(choices[0].get("logprobs"))


def hidden(body: bytes) -> bytes:
    """A chat completion, or one chunk of it, without them."""
    found = json.loads(body)
    for choice in found.get("choices") or ():
        if choice.get("logprobs") is not None:
            choice["logprobs"] = None
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()


def of_choice(found: Any) -> tuple[float, ...]:  # noqa: ANN401  # any JSON value
    """The log probability of each token of a choice in OpenAI's shape; what is no number is left out."""
    content = found.get("content") if isinstance(found, dict) else None
    tokens = content if isinstance(content, list) else ()
    values = (token.get("logprob") for token in tokens if isinstance(token, dict))
    return tuple(float(value) for value in values if isinstance(value, int | float))


def without(answer: Answer) -> Answer:
    """The answer without them."""
    choices = tuple(msgspec.structs.replace(c, logprobs=None) for c in answer.choices)
    return msgspec.structs.replace(answer, choices=choices)


def of_events(events: Sequence[Event], *, hide: bool) -> tuple[list[Event], tuple[float, ...]]:
    """The events of a chat stream, without them where they are to be hidden, and those that they brought."""
    out: list[Event] = []
    values: list[float] = []
    for event in events:
        if b'"logprobs"' not in event.data:
            out.append(event)
            continue
        try:
            choices = json.loads(event.data).get("choices") or ()
        except ValueError:
            # the reader says what is wrong with it
            out.append(event)
            continue
        for choice in choices:
            if not choice.get("index"):
                values += of_choice(choice.get("logprobs"))
        out.append(Event(event.name, hidden(event.data)) if hide else event)
    return out, tuple(values)
