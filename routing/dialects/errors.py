"""Errors in each SDK's own shape: status, headers, body, and the event that ends an open stream.

Both SDKs try again on 408, 409, 429 and 5xx unless `x-should-retry` says otherwise: where that is pointless, it says so.
"""

from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from controlplane.kernel.errors import MandateError
from controlplane.kernel.ids import call_name
from routing.exchange import StreamFailed

JSON: Final = "application/json"
RETRY_AFTER_SECONDS: Final = 1
_SHOWN: Final = ("rules", "owner", "routes", "budget", "poll")


class Kind(NamedTuple):
    """How the two SDKs name a kind of error."""

    openai: str
    anthropic: str


_BY_STATUS: Final = {
    400: Kind("invalid_request_error", "invalid_request_error"),
    401: Kind("authentication_error", "authentication_error"),
    403: Kind("permission_error", "permission_error"),
    404: Kind("invalid_request_error", "not_found_error"),
    409: Kind("conflict_error", "invalid_request_error"),
    413: Kind("invalid_request_error", "invalid_request_error"),
    422: Kind("invalid_request_error", "invalid_request_error"),
    429: Kind("rate_limit_error", "rate_limit_error"),
    503: Kind("service_unavailable_error", "overloaded_error"),
    504: Kind("timeout_error", "timeout_error"),
}
_BY_CODE: Final = {"budget_exhausted": Kind("insufficient_quota", "billing_error")}
_OPENAI_CODES: Final = {
    "unauthenticated": "invalid_api_key",
    "not_found": "model_not_found",
    "budget_exhausted": "insufficient_quota",
}
_SERVER: Final = Kind("server_error", "api_error")


def kind_of(error: MandateError) -> Kind:
    """How the SDKs call this error."""
    return _BY_CODE.get(error.code) or _BY_STATUS.get(error.status, _SERVER)


def openai_error(error: MandateError) -> dict[str, Any]:
    """The object under `error` that the OpenAI SDK unwraps. `code` is what its users already check."""
    code = str(error.details.get("code") or _OPENAI_CODES.get(error.code, error.code))
    found = {
        "message": message_of(error),
        "type": kind_of(error).openai,
        "param": None,
        "code": code,
    }
    param = error.details.get("param")
    if isinstance(param, str):
        found["param"] = param
    return found | shown(error)


def anthropic_error(error: MandateError) -> dict[str, Any]:
    """The object under `error` that the Anthropic SDK reads; our own code stands in its `details`."""
    code = str(error.details.get("code") or error.code)
    return {
        "type": kind_of(error).anthropic,
        "message": message_of(error),
        "details": {"error_code": code, **shown(error)},
    }


def message_of(error: MandateError) -> str:
    """The message; for an unknown route, with the routes this key may call."""
    routes = error.details.get("routes")
    if error.status != 404 or not isinstance(routes, list | tuple):
        return error.message
    known = ", ".join(f'"{route}"' for route in routes) or "none"
    return f"{error.message}; the routes this key may call: {known}"


def shown(error: MandateError) -> dict[str, Any]:
    """The details a caller may see: rules, owner, routes, budget, where to poll."""
    return {name: error.details[name] for name in _SHOWN if error.details.get(name)}


def headers_of(error: MandateError, call: UUID | None) -> dict[str, str]:
    """Content type, request ids of both SDKs, and whether and when to try again."""
    headers = {"content-type": JSON}
    if call is not None:
        headers |= {"x-request-id": call_name(call), "request-id": call_name(call)}
    if not error.retryable:
        headers["x-should-retry"] = "false"
    after = error.details.get("retry_after_seconds")
    if after is None and error.status == 503:
        after = RETRY_AFTER_SECONDS
    if isinstance(after, int | float):
        headers["retry-after"] = str(max(1, round(after)))
    return headers


def encoded(body: object) -> bytes:
    """The body as JSON; details hold plain values, anything else is written as its text."""
    return msgspec.json.encode(body, enc_hook=str)


_CLASSES: Final = (
    ("overloaded", "overloaded"),
    ("quota", "refused_account"),
    ("billing", "refused_account"),
    ("rate_limit", "rate_limited"),
    ("timeout", "timeout"),
    ("authentication", "refused_account"),
    ("permission", "refused_account"),
    ("not_found", "refused_account"),
    ("invalid_request", "refused_request"),
)


def class_of(name: str) -> str:
    """The error class of an upstream's error type or code; `server_error` when it says nothing we know."""
    return next((found for part, found in _CLASSES if part in name), "server_error")


def stream_failed(raw: bytes) -> StreamFailed:
    """An upstream's error in mid-stream. Its type and code are named, its message is not: it may quote content."""
    try:
        found = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        found = None
    names = [found.get("type"), found.get("code")] if isinstance(found, dict) else []
    said = [name[:64] for name in names if isinstance(name, str) and name.isascii()]
    classes = [class_of(name) for name in said]
    error_class = next((c for c in classes if c != "server_error"), "server_error")
    words = f" ({', '.join(said)})" if said else ""
    return StreamFailed(f"the upstream broke off its stream{words}", error_class=error_class)
