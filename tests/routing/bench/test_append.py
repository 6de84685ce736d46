"""What `bench append` counts as lost, what it calls a failure, and that its load is entries as ours are."""

import json
import time
from uuid import UUID

import pytest

from audit.log.models import Entry
from audit.merkle import canonical
from controlplane.kernel.ids import IdSource
from routing.bench.append import Sizes, verdict
from routing.bench.appending import Appended, Ask, append_all, read_on
from routing.bench.calls import Mismatch

SIZES = Sizes(clients=2, seconds=2.0)
IDS = [IdSource().new() for _ in range(4)]
APPENDED = Appended(IDS, [10.0, 10.1, 10.2, 10.3])
PLACED = dict(zip(IDS, [10.2, 10.4, 10.6, 11.3], strict=True))


def test_the_figures_of_a_run_that_proves_something() -> None:
    assert verdict(SIZES, APPENDED, Appended(IDS[:3], []), PLACED) == {
        "appends_per_s": 2.0,
        "lost": 0,
        "naive_lost": 1,
        "signed_p50_ms": 350.0,
        "signed_p99_ms": 982.0,
        "entries": 4,
        "clients": 2,
        "seconds": 2.0,
    }


@pytest.mark.parametrize(
    ("read", "placed"),
    [(IDS[:3], IDS[:3]), (IDS, IDS), (IDS[:1], [])],
    ids=["lost", "no load", "all"],
)
def test_a_lost_entry_or_a_load_that_loses_none_fails(read: list[UUID], placed: list[UUID]) -> None:
    with pytest.raises(Mismatch, match="none and some were wanted"):
        verdict(SIZES, APPENDED, Appended(read, []), {one: PLACED[one] for one in placed})


@pytest.mark.django_db(transaction=True)
def test_the_load_appends_entries_and_the_reader_remembers_the_greatest_id(app_dsn: str) -> None:
    now = time.time()
    told = append_all(Ask(app_dsn, now, now + 0.3, clients=2, slow=0.5))
    assert len(told.ids) == len(told.at) == len(set(told.ids)) >= 2
    bodies = [bytes(row.body) for row in Entry.objects.filter(id__in=told.ids)]
    assert len(bodies) == len(told.ids)
    for body in bodies:
        said = json.loads(body)
        assert canonical.dumps(said) == body
        assert (said["kind"], said["tenant"], UUID(said["id"]) in told.ids) == (
            "key.created",
            "bench",
            True,
        )
    assert set(told.ids) <= set(read_on(Ask(app_dsn, 0, 0)).ids)
