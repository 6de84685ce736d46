"""What a provider is to the rest of routing: one plain call, one streamed call, one kind of error.

An adapter takes the caller's request and gives back bytes in the caller's dialect. Where caller and
upstream speak the same dialect the bytes pass through; else the codecs of `routing.dialects`
translate. An adapter never retries, never logs content and never puts content or a secret in an
exception's text.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import UUID

from policies.engine.bundle import RulesView
from routing.exchange import CallRequest, Usage

ErrorClass = Literal[
    "timeout",
    "rate_limited",
    "overloaded",
    "server_error",
    "worker_lost",
    "refused_request",
    "refused_account",
]
ATTEMPT_HEADER = "x-mandate-attempt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds, each per attempt. A plain answer has connect and total, a stream all four."""

    connect: float = 5.0
    first_token: float = 30.0
    stall: float = 60.0
    total: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which model to ask, where, as which account, for which attempt.

    `credential` is `secret:<name>`, or "" for a provider without a key at a public address.
    `max_output_tokens` bounds one answer; the smaller of it and what the caller asked is sent.
    `public_model` is the name the caller sent and gets back. `deadline` is on the event loop's clock (`loop.time()`).
    """

    provider: str
    provider_type: str
    base_url: str
    credential: str
    upstream_name: str
    call: UUID
    attempt_no: int
    public_model: str
    deadline: float
    max_output_tokens: int
    timeouts: Timeouts = field(default_factory=Timeouts)
    rules: RulesView | None = None
    """Of a provider of type `rules`: all there is to ask."""
    logprobs: bool = False
    """Whether we want the tokens' probabilities; a caller who did not ask does not see them."""

    @property
    def attempt(self) -> str:
        """The value of `x-mandate-attempt`: the call in hex and the attempt's number."""
        return f"{self.call.hex}/{self.attempt_no}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A complete answer. `body` is JSON in the caller's dialect; `usage` None when none came."""

    body: bytes = field(repr=False)
    usage: Usage | None
    finish_reason: str | None
    upstream_model: str = ""
    upstream_request_id: str = ""
    logprobs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a streamed answer, ready for the caller; `data` may be empty.

    `usage` and `finish` are set on the piece that brought them, `output_bytes` counts the UTF-8
    bytes of model output in this piece (text, reasoning and tool arguments).
    """

    data: bytes = field(repr=False)
    usage: Usage | None = None
    finish: str | None = None
    output_bytes: int = 0
    logprobs: tuple[float, ...] = ()


class ProviderError(Exception):
    """One attempt failed.

    `maybe_processed`: the model may have worked on it, so it may be billed. `body` is the vendor's
    explanation as JSON in the caller's dialect, for `refused_request` only. `status` is 0 when no
    HTTP answer came.
    """

    def __init__(  # noqa: PLR0913  # one keyword-only record, built in errors.py alone
        self,
        error_class: ErrorClass,
        message: str,
        *,
        status: int = 0,
        retry_after_seconds: float | None = None,
        maybe_processed: bool,
        body: bytes | None = None,
    ) -> None:
        super().__init__(message)
        self.error_class = error_class
        self.message = message
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.maybe_processed = maybe_processed
        self.body = body


class Provider(Protocol):
    """An adapter to one kind of upstream account."""

    async def answer(self, request: CallRequest, target: Target) -> Answered:
        """One plain call. Raises ProviderError."""
        ...

    def stream(self, request: CallRequest, target: Target) -> AsyncGenerator[Piece]:
        """One streamed call; closing the generator cuts the upstream. Raises ProviderError."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
