"""One attempt's outcome as a value, and what a repair asks."""

from dataclasses import dataclass
from datetime import datetime

from policies.engine import pricing
from policies.engine.decision import Candidate
from routing.exchange import CallRequest, Usage


@dataclass(slots=True)
class Tried:
    """One attempt's outcome, settled or not yet. `body` is what the caller gets, in the caller's dialect."""

    candidate: Candidate
    no: int
    at: datetime
    error_class: str = ""
    status: int = 0
    relayed: bool = False
    retry_after_seconds: float | None = None
    body: bytes = b""
    usage: Usage | None = None
    logprobs: tuple[float, ...] = ()
    finish: str | None = None
    upstream_model: str = ""
    maybe_processed: bool = False
    latency_ms: int = 0
    late: bool = False
    """Whether the caller's deadline passed, and not the model's patience: nothing is said about the model."""
    slept: bool = False
    """Whether it failed while this process slept, so that its timers ran out by themselves: the same."""

    def becomes(self) -> str:
        """What the attempt turns into: an answer or counted output is charged; dispatched and lost is unknown."""
        if not self.error_class:
            return "succeeded"
        return "failed" if self.usage is not None or not self.maybe_processed else "unknown"

    def amount_nano(self) -> int:
        """What it cost: by the reported tokens, or by the counted ones up to what was reserved."""
        if self.usage is None:
            return self.candidate.amount_nano if not self.error_class else 0
        return self._cost(self.usage)

    def broke_off(self, counted: Usage) -> None:
        """A stream ended early: what was reported on the way to its finish is a part, so the larger of it and `counted` holds."""
        if self.usage is None:
            self.usage = counted
        elif self.finish is None:
            self.usage = max(self.usage, counted, key=self._cost)

    def _cost(self, used: Usage) -> int:
        counts = pricing.UsageCounts(
            input=used.input,
            cached_input=used.cached_input,
            cache_write=used.cache_write,
            output=used.output,
            image_input=used.image_input,
            audio_input=used.audio_input,
            audio_output=used.audio_output,
        )
        cost = pricing.cost(pricing.served(self.candidate.price, used.service_tier), counts)
        return min(cost, self.candidate.amount_nano) if used.source == "counted" else cost

    def basis(self) -> str:
        """Where the amount comes from: reported, counted, reserve, or none."""
        if self.usage is not None:
            return self.usage.source
        return "reserve" if not self.error_class else "none"

    def counts_against(self) -> bool:
        """Whether the model, not the request or the account, failed."""
        return self.error_class in {"timeout", "rate_limited", "overloaded", "server_error"}


@dataclass(frozen=True, slots=True)
class Repair:
    """What a model is asked once more: its request with what is to be put right, and how much longer that is."""

    request: CallRequest
    more_tokens: int


def tokens_of(used: Usage | None) -> dict[str, int]:
    """The four kinds of tokens by name; nothing where none were counted."""
    if used is None:
        return {}
    return {
        "input": used.input,
        "cached_input": used.cached_input,
        "cache_write": used.cache_write,
        "output": used.output,
    }


def parts_of(used: Usage | None) -> dict[str, int]:
    """What of the four is told apart, where there is any: pictures, sound, and what was thought."""
    names = ("image_input", "audio_input", "audio_output", "reasoning")
    return {name: count for name in names if (count := getattr(used, name, 0))}


def tier_of(used: Usage | None) -> dict[str, str]:
    """The service tier that the provider named, where it is not the ordinary one."""
    return {"service_tier": used.service_tier} if used is not None and used.service_tier else {}
