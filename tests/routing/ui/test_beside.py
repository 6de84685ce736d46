"""What the call page and the list say of shadow runs, as data and as rendered."""

import pytest
from django.template.loader import render_to_string

from controlplane.kernel.ids import call_name
from routing.beside.models import Beside, BesideVerdict
from routing.beside.read import with_runs
from routing.calls.models import Call
from routing.ui.beside import BesideRow, beside_of
from routing.ui.calls import rows_of
from tests.routing.reports.made import Ledger, Tried
from tests.routing.reports.test_casework import NEW

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair() -> tuple[Call, Call]:
    """A call, and a shadow run of it that agreed."""
    ledger = Ledger()
    of, run = ledger.call(Tried(5_000_000)), ledger.call(Tried(1_500_000, "tiny"))
    ledger.write()
    Beside.objects.create(
        call=run.id, of=of.id, asked_at=ledger.at, tenant=of.tenant, team=of.team, route=of.route, model="tiny"
    )  # fmt: skip
    BesideVerdict.objects.create(
        call=run.id, entry=NEW.new(), compared_at=ledger.at, verdict="agreed"
    )
    return of, run


def read(call: Call) -> Call:
    found: Call = with_runs(Call.objects.filter(pk=call.id)).get()
    return found


def test_a_call_names_what_was_asked_beside_it(pair: tuple[Call, Call]) -> None:
    of, run = pair
    told = beside_of(read(of), "EUR")
    assert told["shadow_of"] is None
    name = call_name(run.id)
    assert told["beside"] == [
        BesideRow(
            *("tiny", f"/calls/{name}/", name, "agreed", "ok", "check", "completed", "€0.0015")
        )
    ]


def test_a_shadow_run_names_its_call_and_reached_nobody(pair: tuple[Call, Call]) -> None:
    of, run = pair
    told = beside_of(read(run), "EUR")
    name = call_name(of.id)
    assert told["shadow_of"] == {"name": name, "url": f"/calls/{name}/", "word": "agreed"}
    assert told["beside"] == []


def test_an_ordinary_call_says_nothing_of_it() -> None:
    ledger = Ledger()
    call = ledger.call(Tried(1))
    ledger.write()
    assert beside_of(read(call), "EUR") == {"shadow_of": None, "beside": []}


def test_the_list_marks_it(pair: tuple[Call, Call]) -> None:
    of, run = pair
    assert [row.beside for row in rows_of([of, run], "EUR")] == ["", call_name(of.id)]


def test_both_sides_are_on_the_page(pair: tuple[Call, Call]) -> None:
    of, run = pair
    for call, words in ((of, "Asked beside"), (run, "its answer never reached a caller")):
        told = beside_of(read(call), "EUR")
        page = render_to_string("routing/beside.html", told)
        assert words in page
        assert (words == "Asked beside") is ("tiny" in page)
    assert "Asked" not in render_to_string("routing/beside.html", {"beside": [], "shadow_of": None})
