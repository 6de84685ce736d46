"""One more try at the same model: the request with the answer and what is wrong with it appended, in the caller's dialect."""

import json
from collections.abc import Sequence
from typing import Any, Final

from routing.dialects.base import Dialect
from routing.exchange import CallRequest

_PLACES: Final = {
    "openai.chat": "messages",
    "anthropic.messages": "messages",
    "openai.responses": "input",
}


def repaired(
    speaks: Dialect, request: CallRequest, answer: str, problems: Sequence[str]
) -> CallRequest:
    """The request with two turns more. Everything else stays as the caller sent it."""
    body = json.loads(request.raw)
    place = _PLACES[request.dialect]
    turns = body[place]
    if isinstance(turns, str):
        turns = [{"role": "user", "content": turns}]
    body[place] = [*turns, *_turns(answer, problems)]
    raw = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    return speaks.parse_request(raw, request.headers, request.query)


def _turns(answer: str, problems: Sequence[str]) -> list[dict[str, Any]]:
    said = "; ".join(problems)
    words = f"Your answer was not accepted: {said}. Answer again, in full, with this put right."
    return [
        *([{"role": "assistant", "content": answer}] if answer.strip() else []),
        {"role": "user", "content": words},
    ]
