"""One tree of errors. `code` is stable and public, `status` is HTTP's, `retryable` tells a client whether to try again."""

from typing import ClassVar


class MandateError(Exception):
    """The root: something Mandate refuses or could not do, in words for the person who reads it."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InvalidRequest(MandateError):
    """The caller sent something that cannot be understood; the message quotes it and says what to do."""

    code = "invalid_request"
    status = 400


class Unauthenticated(MandateError):
    """No key, an unknown key, an expired or a revoked one. The answer never says which."""

    code = "unauthenticated"
    status = 401


class Forbidden(MandateError):
    """Known, but not allowed: a policy denial or a missing role. `details` may carry `rules` and `owner`."""

    code = "forbidden"
    status = 403


class NotFound(MandateError):
    """There is no such thing, or not for this caller: the two look the same."""

    code = "not_found"
    status = 404


class Conflict(MandateError):
    """The state moved, or the same Idempotency-Key came with another body."""

    code = "conflict"
    status = 409


class HeldForReview(MandateError):
    """A person decides about this call first. `details` carries `poll`: where its answer will be."""

    code = "held_for_review"
    status = 409


class TooLarge(MandateError):
    """The body is above the limit."""

    code = "too_large"
    status = 413


class BudgetExhausted(MandateError):
    """A hard budget has no headroom for this call. Trying again before the next window is pointless."""

    code = "budget_exhausted"
    status = 429


class RateLimited(MandateError):
    """A rate limit lets no call in at the moment; nothing was called. `details` carries `retry_after_seconds`."""

    code = "rate_limited"
    status = 429
    retryable = True


class Unavailable(MandateError):
    """Something we need is away (PostgreSQL, a worker, capacity). Nothing was sent upstream."""

    code = "unavailable"
    status = 503
    retryable = True


class DeadlineExceeded(MandateError):
    """The caller's deadline passed."""

    code = "deadline_exceeded"
    status = 504
    retryable = True


class UpstreamFailed(MandateError):
    """Every allowed attempt at a model failed; `details` may carry the `error_class` of the last one."""

    code = "upstream_failed"
    status = 502
    retryable = True
