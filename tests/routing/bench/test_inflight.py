"""What `bench inflight` counts as in flight, and what it calls a failure."""

import pytest

from routing.bench.calls import Mismatch
from routing.bench.inflight import BY_PROCESS, Peak, Sizes, see, verdict
from routing.bench.load import Told
from routing.bench.usage import Usage
from routing.calls import commands
from routing.calls.pool import ask_all
from tests.routing.world import World

SIZES = Sizes(calls=12, wanted=10, seconds=1)
FULL = Peak(in_process=11, processes=1, at_upstream=12, memory_mib=90.4)


def told(errors: int = 0) -> Told:
    return Told(12, errors, 26.04, [], [])


async def test_in_flight_is_what_a_living_process_has_started(world: World) -> None:
    started, waiting, ended = (world.admission() for _ in range(3))
    for admission in (started, waiting, ended):
        await commands.admit(world.db, admission)
    for admission in (started, ended):
        await commands.start_attempt(world.db, world.start(admission.asked.call))
    done = world.finish(ended.asked.call, attempt={"amount_nano": 0})
    assert isinstance(await commands.finish_call(world.db, done), commands.Finished)
    rows = await ask_all(world.db, BY_PROCESS, (world.tenant,))
    assert rows == [(1, 1)]
    await commands.give_up(world.db, world.worker)
    assert await ask_all(world.db, BY_PROCESS, (world.tenant,)) == []


def test_the_peak_is_of_one_process_and_not_of_all() -> None:
    peak = Peak()
    for counts, upstream, memory in (([3, 4], 7, 50.0), ([6], 6, 80.0), ([], 0, 70.0)):
        see(peak, counts, upstream, Usage({}, memory))
    assert peak == Peak(in_process=6, processes=2, at_upstream=7, memory_mib=80.0)


def test_the_figures_of_a_run_that_held_what_was_asked() -> None:
    assert verdict(SIZES, told(), FULL, 12) == {
        "calls": 12,
        "errors": 0,
        "in_flight_one_process": 11,
        "in_flight_upstream": 12,
        "calls_processes": 1,
        "seconds": 26.0,
        "rss_mib": 90,
    }


@pytest.mark.parametrize(
    ("peak", "errors", "completed"),
    [(Peak(in_process=9), 0, 12), (FULL, 1, 12), (FULL, 0, 11)],
)
def test_a_run_that_held_less_or_lost_an_answer_fails(
    peak: Peak, errors: int, completed: int
) -> None:
    with pytest.raises(Mismatch, match="10 in flight in one process and 12 answers were wanted"):
        verdict(SIZES, told(errors), peak, completed)
