"""Where answers to callers count, a shadow run does not; where money counts, it does."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.db.models import Q

from routing.beside.models import Beside
from routing.calls.models import Call
from routing.reports.spend import totals
from routing.reviews import clock
from tests.routing.reports.made import Ledger, Tried

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair() -> tuple[Call, Call]:
    """A call, and a shadow run of it that failed."""
    ledger = Ledger()
    of = ledger.call(Tried(5))
    run = ledger.call(Tried(2), state="failed")
    ledger.write()
    Beside.objects.create(
        call=run.id, of=of.id, asked_at=ledger.at, tenant=of.tenant, team=of.team, route=of.route, model="s"
    )  # fmt: skip
    return of, run


def test_no_queue_samples_it(pair: tuple[Call, Call]) -> None:
    of, run = pair
    Call.objects.filter(pk=run.id).update(state="completed")
    queue = cast("Any", SimpleNamespace(tenant=of.tenant))
    found = clock._delivered(queue, Q(pk__in=[of.id, run.id]))
    assert [call.id for call in found] == [of.id]


def test_the_overview_counts_its_money_alone(pair: tuple[Call, Call]) -> None:
    rows = Call.objects.filter(pk__in=[call.id for call in pair])
    told = totals(rows, rows)
    assert (told.calls, told.failed, told.denied, told.spent_nano) == (1, 0, 0, 7)
