"""The last minutes of the story: a job of underwriting reads one file again and again, and an alert goes to who pays."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from policies.bundles.published import published
from policies.order.lock import mandate_now
from routing.anomalies.watching import watch
from routing.demo.history import Event
from routing.demo.letters import TEAM
from routing.demo.plan import Asked

TIMES = 30
_BEGAN, _APART, _SEEN = timedelta(minutes=8), timedelta(seconds=12), timedelta(minutes=1)
_BODY: dict[str, object] = {
    "model": "extraction",
    "messages": [
        {
            "role": "user",
            "content": "List every amount, date and party of file 2210-B. [[sandbox tokens=2400]]",
        }
    ],
    "max_tokens": 2400,
}


def calls(now: datetime) -> Iterator[Asked]:
    """The same call, every twelve seconds."""
    for number in range(TIMES):
        yield Asked(now - _BEGAN + number * _APART, TEAM, _BODY, {})


def events(now: datetime) -> Iterator[Event]:
    """The job that looks each minute finds it."""
    yield Event(now - _SEEN, "underwriting's key spends out of pattern; its owner is told", _look)


def _look() -> None:
    watch(published(), mandate_now())
