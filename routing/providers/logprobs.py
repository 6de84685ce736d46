"""Token probabilities that we ask for ourselves, to know how sure an answer is: read, and hidden from who did not ask."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from routing.dialects import dialect
from routing.dialects.base import Event
from routing.exchange import Answer, CallRequest

DIALECTS = ("openai.chat", "openai.responses")
"""The dialects whose upstreams report them."""
INCLUDED = "message.output_text.logprobs"
_WHERE = frozenset({"response", "output", "item", "content", "part"})


class Wish(NamedTuple):
    """Whether an attempt wants them, and whether its caller is to see them."""

    asks: bool
    hides: bool


def wish(request: CallRequest, *, wanted: bool, theirs: str) -> Wish:
    """What an attempt at an upstream of the dialect `theirs` wants."""
    if not wanted or theirs not in DIALECTS:
        return Wish(asks=False, hides=False)
    asked = dialect(request.dialect).conversation(request).logprobs
    return Wish(asks=True, hides=not asked)


def asking(body: bytes) -> bytes:
    """A request that asks for them: of the responses dialect where it has an input, else of chat completions."""
    found = json.loads(body)
    if "input" in found:
        found["include"] = [*(found.get("include") or ()), INCLUDED]
    else:
        found["logprobs"] = True
    return json.dumps(found, separators=(",", ":")).encode()


def of_answer(body: bytes) -> tuple[float, ...]:
    """Those of the first choice of a chat completion, or of the texts of a response."""
    found = json.loads(body)
    if "output" in found:
        parts = (part for item in found["output"] for part in item.get("content") or ())
        return tuple(value for part in parts for value in of_choice(_of_part(part)))
    choices = found.get("choices") or [{}]
    return of_choice(choices[0].get("logprobs"))


def _of_part(part: dict[str, Any]) -> dict[str, Any]:
    return {"content": part.get("logprobs")}


def hidden(body: bytes) -> bytes:
    """A chat completion or a response, or one event of either, without them."""
    found = json.loads(body)
    choices = found.get("choices")
    if choices is None:
        _empty(found)
    for choice in choices or ():
        if choice.get("logprobs") is not None:
            choice["logprobs"] = None
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()


def _empty(found: Any) -> None:  # noqa: ANN401  # any JSON value
    """Every list of them in a response becomes empty, as where nobody asked."""
    for one in found if isinstance(found, list) else [found]:
        if not isinstance(one, dict):
            continue
        if isinstance(one.get("logprobs"), list):
            one["logprobs"] = []
        for name in _WHERE & one.keys():
            _empty(one[name])


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
    """The events of a stream, without them where they are to be hidden, and those that they brought."""
    out: list[Event] = []
    values: list[float] = []
    for event in events:
        if b'"logprobs"' not in event.data:
            out.append(event)
            continue
        try:
            found = json.loads(event.data)
        except ValueError:
            # the reader says what is wrong with it
            out.append(event)
            continue
        if found.get("type") == "response.output_text.delta":
            values += of_choice(_of_part(found))
        for choice in found.get("choices") or ():
            if not choice.get("index"):
                values += of_choice(choice.get("logprobs"))
        out.append(Event(event.name, hidden(event.data)) if hide else event)
    return out, tuple(values)
