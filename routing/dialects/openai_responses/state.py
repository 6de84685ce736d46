"""A response as an object: what it repeats of its request, how far it is, and how it ended."""

from typing import Any, Final
from uuid import UUID

import msgspec

from controlplane.kernel.errors import MandateError
from controlplane.kernel.ids import call_name
from routing.dialects.errors import message_of, shown
from routing.dialects.received import part_of
from routing.dialects.spliced import ENCODER
from routing.dialects.sse import EventReader
from routing.exchange import CallRequest

TERMINAL: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})
_CODES: Final = {"refused_request": "invalid_prompt", "rate_limited": "rate_limit_exceeded"}
_DEFAULTS: Final[dict[str, Any]] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}


def head(call: UUID, model: str, created: int, request: CallRequest | None) -> dict[str, Any]:
    """A response that has just begun, with what it repeats of its request."""
    found = {name: None if request is None else part_of(request, name) for name in _DEFAULTS}
    settings = {name: _DEFAULTS[name] if value is None else value for name, value in found.items()}
    if "format" not in settings["text"]:
        settings["text"] = {**_DEFAULTS["text"], **settings["text"]}
    return {
        "id": call_name(call, "resp_"),
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "background": request is not None and request.background,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "previous_response_id": (request and request.previous) or None,
        "service_tier": "default",
        "store": request is None or request.kept,
        "usage": None,
        **settings,
    }


def failure_of(error: MandateError) -> dict[str, Any]:
    """An error as a response carries it: one of the SDK's codes, our words, and our code under `mandate_code`."""
    said = str(error.details.get("code") or error.code)
    told = str(error.details.get("error_class") or said)
    words = {"code": _code(error.status, told), "message": message_of(error)}
    return {**words, "mandate_code": said, **shown(error)}


def _code(status: int, said: str) -> str:
    return "rate_limit_exceeded" if status == 429 else _CODES.get(said, "server_error")


def encoded_state(found: dict[str, Any], status: str, error: MandateError | None = None) -> bytes:
    """The response `found` with another status and, where it failed, why."""
    told = None if error is None else failure_of(error)
    return ENCODER.encode({**found, "status": status, "error": told})


def failed_by(found: dict[str, Any], status: int, body: bytes) -> bytes:
    """The response `found`, ended by an error answer of this status and body."""
    said: dict[str, Any] = msgspec.json.decode(body)["error"]
    told = "refused_request" if status == 400 else str(said.get("code"))
    error: dict[str, Any] = {}
    error |= {name: said[name] for name in ("rules", "owner") if name in said}
    error |= {"code": _code(status, told), "message": str(said.get("message", ""))}
    error["mandate_code"] = said.get("code")
    return ENCODER.encode({**found, "status": "failed", "error": error})


def final_of(answer: bytes) -> dict[str, Any] | None:
    """The response that an answer or a whole stream ends with; None where it ended without one."""
    if answer[:1] == b"{":
        found: dict[str, Any] = msgspec.json.decode(answer)
        return found if found.get("object") == "response" else None
    for event in reversed(EventReader().feed(answer)):
        if event.name in TERMINAL:
            response: dict[str, Any] = msgspec.json.decode(event.data)["response"]
            return response
    return None
