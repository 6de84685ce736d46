"""Risk one of this product: the state machine under death. Hypothesis draws steps of callers, workers, sweepers, people and
publishers in any order; most are done twice (in doubt: the same entries; delivered twice: new ones). PostgreSQL must answer and
count as the reference does after every step, and end with one terminal entry a call and nothing pending.
"""

import asyncio
from collections import Counter
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routing.calls.pool import open_pool
from tests.routing.calls.interleaving import WEIGHTS, Interleaving

KINDS = [kind for kind, weight in WEIGHTS.items() for _ in range(weight)]
STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 2**32 - 1)), min_size=20, max_size=50
)

MUST_BE_SEEN = {
    *(
        ("admit", name)
        for name in ("Admitted", "Stale", "Duplicate", "Conflict", "NoHeadroom", "Unauthenticated")
    ),
    *(("together", granted, True) for granted in (0, 1, 2)),
    ("together", 2, False),
    *(("deny", name) for name in ("Denied", "Stale", "Unauthenticated")),
    *(
        ("start_attempt", name)
        for name in ("Started", "Stale", "Moved", "Lost", "Cancelled", "Late", "NoHeadroom")
    ),
    *(("settle_attempt", name) for name in ("Settled", "Moved")),
    *(("finish_call", name) for name in ("Finished", "Stale", "Lost", "Moved", "OpenAttempt")),
    *(("cancel_call", name) for name in ("cancelled", "asked", "running", "over")),
    *(("hold_call", name) for name in ("Finished", "Lost", "Moved")),
    *(("admit_held", name) for name in ("Admitted", "Stale", "Duplicate", "Unauthenticated")),
    *(("claim", name) for name in ("claimed", "taken", "decided", "closed")),
    *(("give_back", name) for name in ("returned", "moved")),
    *(("decide", name) for name in ("counted", "closed", "over", "unclaimed", "version")),
    *(("overdue", name) for name in ("done", "claimed", "moved")),
    *(("sweep_call", name) for name in (True, False)),
}


async def _run(app_dsn: str, steps: list[tuple[str, int]], seen: Counter[tuple[Any, ...]]) -> None:
    db = await open_pool(app_dsn, 2)
    try:
        interleaving = await Interleaving.begin(db, seen)
        for kind, seed in steps:
            await interleaving.step(kind, seed)
        await interleaving.end()
    finally:
        await db.close()


def test_any_order_of_steps_ends_as_the_reference_does(app_dsn: str) -> None:
    @settings(
        max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(steps=STEPS)
    def run(steps: list[tuple[str, int]]) -> None:
        asyncio.run(_run(app_dsn, steps, Counter()))

    run()


def test_long_interleavings_reach_every_answer(app_dsn: str) -> None:
    """A model test that never reaches an answer proves nothing about it."""
    seen: Counter[tuple[Any, ...]] = Counter()
    for seed in range(14):
        r = Random(seed)  # noqa: S311 - draws of a test
        steps = [(r.choice(KINDS), r.randrange(2**32)) for _ in range(100)]
        asyncio.run(_run(app_dsn, steps, seen))
    assert MUST_BE_SEEN - seen.keys() == set()
