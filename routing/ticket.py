"""What admission hands to the waiting request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from policies.engine.rates import RateClaim


@dataclass(frozen=True, slots=True)
class Ticket:
    """An admitted call as the waiting request needs it. `duplicate`: it came before; only wait for it.

    `held`: a person decides about it before any model runs. `beside` are the models that are asked the same once it is answered.
    """

    call: UUID
    frames_key: bytes = field(repr=False)
    deadline: datetime
    stream: bool
    keeps_running: bool
    tenant: str
    key: str
    duplicate: bool = False
    limits: tuple[RateClaim, ...] = ()
    held: bool = False
    beside: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def answer_headers(call: UUID) -> dict[str, str]:
    """The ids that every answer carries: ours, and the ones the SDKs read."""
    name = f"call_{call.hex}"
    return {"x-mandate-call-id": name, "x-request-id": name, "request-id": name}
