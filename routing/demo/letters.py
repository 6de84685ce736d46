"""Saturday's part of the story: underwriting reads a backlog of letters, and Rui checks every answer.

What he says of our own model's answers is the evidence by which the page of waste claims something.
"""

import random
from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from policies.changes.commands import NewChange
from routing.calls.models import Attempt
from routing.demo import plan
from routing.demo.acting import agree, person
from routing.demo.history import Event
from routing.demo.plan import Asked
from routing.reviews import clock, commands
from routing.reviews.models import ReviewCase

TEAM: Final = "insurance/underwriting"
QUEUE: Final = "letters"
TIMES, AT_ONCE = 10, 16
"""So many letters at once, so many times: about three of ten are read by our own model, and thirty labels are needed."""
_OPENS, _FIRST, _ENDS = time(9, 40), time(10, 0), time(13, 40)
_EVERY: Final = timedelta(minutes=20)
_APART: Final = timedelta(seconds=9)
_READ_AFTER: Final = clock.SAMPLE_AFTER + clock.SAMPLE_SPAN - timedelta(seconds=15)
"""When a sitting begins, after the first of its letters: all of them are then in the span that is sampled."""
_OURS: Final = "llama-large"
_FAULT: Final = "The piano is a valuable of its own in these terms, not household goods"
TEXT: Final = """\
apiVersion: mandate/v1
kind: ReviewQueue
metadata: {{name: letters, tenant: insurance, description: Answers to the backlog of letters}}
spec: {{reviewers: ["role:reviewer"], dueMinutes: 60, onOverdue: escalate, escalateTo: risk-desk{sample}}}
"""
_BEGIN: Final = NewChange(
    title="Rui checks every letter of Saturday's backlog",
    reason="Two models read letters; which of them may is to rest on what people say of their answers",
)
_END: Final = NewChange(
    title="The backlog is checked: letters are no more sampled",
    reason="Enough answers of both models were looked at",
)
_LETTERS: Final = (
    "the parquet and a piano of 1987",
    "the wardrobe and both carpets",
    "nine days with relatives",
    "the drying firm's second invoice",
)


class Letters:
    """`wait` lets seconds of the story pass, as they do where a person reads."""

    def __init__(self, wait: Callable[[float], None]) -> None:
        self._wait = wait
        self._found = False
        self._draw = random.Random(20)  # noqa: S311 - how long somebody reads is no secret

    def events(self, now: datetime, zone: ZoneInfo) -> Iterator[Event]:
        """In the order of time; of the sittings only the first is told."""
        opens, first, ends = _moments(now, zone)
        begin, end = TEXT.format(sample=", sample: {percent: 100}"), TEXT.format(sample="")
        yield Event(opens, _BEGIN.title, partial(agree, _BEGIN, begin))
        for number in range(TIMES):
            told = "" if number else f"Rui begins to read {TIMES * AT_ONCE} answers"
            yield Event(first + number * _EVERY + _READ_AFTER, told, self._sit)
        yield Event(ends, _END.title, partial(agree, _END, end))

    def calls(self, now: datetime, zone: ZoneInfo) -> Iterator[Asked]:
        """The letters."""
        _, first, _ = _moments(now, zone)
        for number in range(TIMES * AT_ONCE):
            at = first + number // AT_ONCE * _EVERY + number % AT_ONCE * _APART
            yield Asked(at, TEAM, _body(number), {})

    def _sit(self) -> None:
        """Open what is to be sampled, and decide on it, one after the other."""
        clock.sample()
        rui = person("rui")
        for case in ReviewCase.objects.filter(queue=QUEUE, closed_at=None).order_by("pk"):
            commands.claim(rui, case.pk)
            commands.look(rui, case.pk)
            self._wait(self._draw.uniform(12, 26))
            if not self._found and _answered_by_ours(case):
                self._found = True
                commands.reject(rui, case.pk, _FAULT)
            else:
                commands.approve(rui, case.pk, case.version)


def is_disturbed(one: Asked, now: datetime, zone: ZoneInfo) -> bool:
    """Whether an everyday call falls into the hours in which every answer of the tenant is checked."""
    opens, _, ends = _moments(now, zone)
    return one.team.startswith("insurance/") and opens - timedelta(minutes=15) < one.at < ends


def _answered_by_ours(case: ReviewCase) -> bool:
    return Attempt.objects.filter(call=case.call, model=_OURS).exists()


def _body(number: int) -> dict[str, object]:
    asked = f"Letter {number + 1} of the backlog: read amounts, dates and parties; it is about {_LETTERS[number % 4]}."
    return {
        "model": "extraction",
        "messages": [{"role": "user", "content": f"{asked} [[sandbox tokens=900]]"}],
        "max_tokens": 1200,
    }


def _moments(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime, datetime]:
    day = plan.last_saturday(now, zone)
    opens, first, ends = (datetime.combine(day, at, tzinfo=zone) for at in (_OPENS, _FIRST, _ENDS))
    return opens, first, ends
