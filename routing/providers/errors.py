"""From HTTP statuses and exceptions to the seven error classes. Texts name no content, no secret."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from routing.providers.base import ErrorClass, ProviderError

LONGEST_RETRY_AFTER = 3_600.0
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,6})?", re.ASCII)
_EXACT: dict[int, ErrorClass] = {
    400: "refused_request",
    401: "refused_account",
    402: "refused_account",
    403: "refused_account",
    404: "refused_account",
    408: "timeout",
    409: "server_error",
    413: "refused_request",
    422: "refused_request",
    425: "overloaded",
    429: "rate_limited",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
# what a gateway in front of the model says when it gave up waiting for it
_MAYBE_PROCESSED = frozenset({408, 409, 499, 502, 504, 520, 522, 524})


def class_of(status: int) -> ErrorClass:
    """The error class of an HTTP status that is not a success."""
    exact = _EXACT.get(status)
    if exact is not None:
        return exact
    if status < 400:
        # a redirect, which is never followed: the account's address is wrong
        return "refused_account"
    return "refused_request" if status < 500 else "server_error"


def retry_after(headers: dict[str, str], now: datetime) -> float | None:
    """Seconds to wait by `retry-after-ms` or `retry-after` (seconds or a date); None if unsaid."""
    millis = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(millis):
        return min(float(millis) / 1000, LONGEST_RETRY_AFTER)
    text = headers.get("retry-after", "").strip()
    if _NUMBER.fullmatch(text):
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((aware - now).total_seconds(), 0.0), LONGEST_RETRY_AFTER)


def refused(
    provider: str, status: int, headers: dict[str, str], body: bytes | None = None
) -> ProviderError:
    """An upstream's own error answer: complete, so nothing is billed unless a gateway gave up."""
    error_class = class_of(status)
    return ProviderError(
        error_class,
        f'provider "{provider}" answered {status}',
        status=status,
        retry_after_seconds=retry_after(headers, datetime.now(tz=UTC)),
        maybe_processed=status in _MAYBE_PROCESSED,
        body=body if error_class == "refused_request" else None,
    )


def unconnected(provider: str, why: str) -> ProviderError:
    """No connection was made, so nothing was sent."""
    return ProviderError(
        "server_error", f'provider "{provider}": no connection ({why})', maybe_processed=False
    )


def forbidden_address(provider: str, why: str) -> ProviderError:
    """The address may not be called; nothing was sent."""
    return ProviderError("refused_account", f'provider "{provider}": {why}', maybe_processed=False)


def too_late(provider: str, what: str, seconds: float, *, sent: bool = True) -> ProviderError:
    """A timer ran out: connect, first token, stall, total or the caller's deadline."""
    return ProviderError(
        "timeout",
        f'provider "{provider}": {what} took longer than {seconds:g} s',
        maybe_processed=sent,
    )


def unreadable(provider: str, why: str, status: int = 0) -> ProviderError:
    """An answer came that cannot be used: not JSON, cut off, too large, an error in a stream."""
    return ProviderError(
        "server_error", f'provider "{provider}": {why}', status=status, maybe_processed=True
    )
