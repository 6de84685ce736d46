"""PURE: a made-up past of calls, as a busy organisation has it: three tenants, nine teams, their keys, routes and models.

The same number of calls up to the same moment is always the same past, but for the random part of the calls' ids.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from controlplane.kernel.ids import IdSource

ZONE: Final = ZoneInfo("Europe/Berlin")
MONTHS: Final = 13
TENANTS: Final = ("bench-a", "bench-b", "bench-c")
TEAMS: Final = ("claims", "sales", "service")
ROUTES: Final = ("answer", "extract", "sort", "write")
MODELS: Final = {
    "bench-small": ("bench-one", 100, 400),
    "bench-middle": ("bench-two", 1_000, 4_000),
    "bench-large": ("bench-three", 3_000, 15_000),
}
"""A model's provider, and the nano units of one token that goes in and of one that comes out."""
PROJECTS: Final = ("", "north", "south", "east", "west", "harbour")
_NAMES: Final = tuple(MODELS)
_USERS, _RUN_SPAN = 60, 200
_DENIED, _FAILED_OVER, _FAILED = 50, 31, 97
"""One call of so many is denied, has a failure before its success, or ends failed."""


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt; money in nano units."""

    model: str
    state: str
    tokens_input: int
    tokens_output: int
    amount_nano: int


@dataclass(frozen=True, slots=True)
class Made:
    """One call; `run` and `user` are "" where it names none, `shape` is what its decision depends on."""

    call: UUID
    at: datetime
    tenant: str
    team: str
    key: str
    route: str
    state: str
    project: str
    user: str
    run: str
    tries: tuple[Try, ...]

    @property
    def amount_nano(self) -> int:
        """What all its attempts cost."""
        return sum(one.amount_nano for one in self.tries)


def key_of(tenant: str, team: str, number: int) -> str:
    """The id of a team's first or second key."""
    return f"{tenant[-1]}{team[:5].ljust(5, 'x')}{number:02d}"


def begins(now: datetime) -> datetime:
    """The first moment of the past: that of the month twelve months before this one, in the organisation's time zone."""
    here = now.astimezone(ZONE)
    return here.replace(
        year=here.year - 1, day=1, hour=0, minute=0, second=0, microsecond=0, fold=0
    )


def past(count: int, now: datetime) -> Iterator[Made]:
    """So many calls from `begins` up to now, evenly, in the order of time."""
    first = begins(now)
    step, at = (now - first) / (count + 1), [first]
    source = IdSource(lambda: at[0])
    for number in range(count):
        at[0] = first + step * (number + 1)
        yield _call(number, source.new(), at[0])


def _call(number: int, call: UUID, at: datetime) -> Made:
    tenant = TENANTS[number % 7 % 3]
    team = TEAMS[number // 7 % 3]
    state = "completed"
    if number % _DENIED == 0:
        state = "denied"
    elif number % _FAILED == 0:
        state = "failed"
    return Made(
        call=call,
        at=at,
        tenant=tenant,
        team=team,
        key=key_of(tenant, team, number // 3 % 2),
        route=ROUTES[number * 5 % 11 % 4],
        state=state,
        project=PROJECTS[number * 3 % 13 % 6],
        user="" if number % 3 else f"{number * 17 % _USERS:064x}",
        run=""
        if number % 4
        else sha256(f"{tenant} {team} {number // _RUN_SPAN}".encode()).hexdigest(),
        tries=() if state == "denied" else tuple(_tries(number, state)),
    )


def _tries(number: int, state: str) -> Iterator[Try]:
    model = _NAMES[number * 11 % 17 % 3]
    if state == "failed":
        yield Try(model, "failed", 0, 0, 0)
        return
    if number % _FAILED_OVER == 0:
        yield Try(model, "failed", 0, 0, 0)
        model = _NAMES[(_NAMES.index(model) + 1) % 3]
    into, out = 200 + number * 37 % 3_800, 20 + number * 53 % 780
    _, price_in, price_out = MODELS[model]
    yield Try(model, "succeeded", into, out, into * price_in + out * price_out)


def months(now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Every calendar month of the past, from its first moment up to the next one's."""
    starts = begins(now)
    for _ in range(MONTHS):
        ends = (starts + timedelta(days=32)).replace(day=1)
        yield starts, ends
        starts = ends
