"""The spend report over rows: every dimension, what nobody owns, comparisons, steps; to the last nano unit."""

import csv
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db.models import Q

from controlplane.kernel.ids import IdSource
from controlplane.kernel.principal import Principal
from policies.bundles.published import NOTHING
from routing.beside.models import Beside
from routing.reports.asking import csv_of, question, rows_of
from routing.reports.attributes import Attributes, Timeline
from routing.reports.dimensions import DIMENSIONS, UNALLOCATED, UNRECORDED
from routing.reports.report import Line, Question, Report, report
from routing.reports.spans import Span
from tests.routing.reports.made import Ledger, Tried

pytestmark = pytest.mark.django_db
UTC_ZONE = ZoneInfo("UTC")
USER = "subject/insurance/user/" + "c0ffee" * 10


def chart(told: Report) -> tuple[tuple[date, ...], dict[tuple[date, str], int]]:
    return told.steps, dict(told.chart)


def asked(ledger: Ledger, by: str, then: str = "", **more: Any) -> Question:
    day = ledger.at.replace(hour=0)
    span = Span(day, day + timedelta(days=2), UTC_ZONE)
    past = Span(day - timedelta(days=2), day, UTC_ZONE)
    return Question(Q(tenant__in=("insurance", "retail")), span, past, by, then, **more)


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Three calls at 100, 20 + 7 (2 of it overrun) and 3 nano units, one denied, one held before any model; one day before."""
    made = Ledger()
    made.call(Tried(100), labels={"project": "roof"}, run="r1", revision=2, user_ref=USER)
    made.call(
        Tried(20),
        Tried(5, "claude-large", "anthropic", overrun=2, service_tier="priority"),
        after=timedelta(hours=1),
        committed=True,
        revision=3,
    )
    made.call(
        Tried(3), after=timedelta(days=1), tenant="retail", team="support", key="ef56ab78",
        route="replies", user_ref="subject/retail/team/support",
    )  # fmt: skip
    made.call(state="denied")
    made.call(state="held")
    made.call(Tried(11), after=timedelta(days=-1))
    made.write()
    documents = Attributes(
        {
            ("Tenant", "", "insurance"): Timeline(
                [1, 3], [{"costCentre": "4410"}, {"costCentre": "4420"}]
            ),
            ("Route", "insurance", "triage"): Timeline(
                [1, 3],
                [
                    {"useCase": "claims-triage", "task": "classification"},
                    {"useCase": "claims-triage"},
                ],
            ),
        }
    )
    monkeypatch.setattr("routing.reports.report.attributes", lambda: documents)
    return made


LINES: dict[str, list[tuple[tuple[str, ...], int, int, int]]] = {
    "tenant": [(("insurance",), 3, 127, 11), (("retail",), 1, 3, 0)],
    "team": [(("insurance", "claims"), 3, 127, 11), (("retail", "support"), 1, 3, 0)],
    "costCentre": [(("4410",), 2, 100, 11), (("4420",), 1, 27, 0), (("",), 1, 3, 0)],
    "key": [(("insurance", "ab12cd34"), 3, 127, 11), (("retail", "ef56ab78"), 1, 3, 0)],
    "user": [
        (("insurance", "c0ffee" * 10), 1, 100, 0),
        (("insurance", ""), 2, 27, 11),
        (("retail", ""), 1, 3, 0),
    ],
    "route": [(("insurance", "triage"), 3, 127, 11), (("retail", "replies"), 1, 3, 0)],
    "useCase": [(("insurance", "claims-triage"), 3, 127, 11), (("retail", ""), 1, 3, 0)],
    "model": [
        (("gpt-mini",), 3, 123, 11),
        (("claude-large",), 1, 7, 0),
        (("",), 1, 0, 0),
    ],
    "provider": [(("openai",), 3, 123, 11), (("anthropic",), 1, 7, 0), (("",), 1, 0, 0)],
    "task": [(("classification",), 2, 100, 11), (("",), 2, 30, 0)],
    "label": [(("roof",), 1, 100, 0), ((UNRECORDED,), 1, 27, 0), (("",), 2, 3, 11)],
    "run": [
        (("insurance", "r1"), 1, 100, 0),
        (("insurance", ""), 2, 27, 11),
        (("retail", ""), 1, 3, 0),
    ],
    "serviceTier": [(("standard",), 3, 123, 11), (("priority",), 1, 7, 0), (("",), 1, 0, 0)],
}


def test_every_dimension_is_expected_here() -> None:
    assert set(LINES) == set(DIMENSIONS)


@pytest.mark.parametrize("by", list(LINES))
def test_each_dimension_has_its_lines_and_they_come_to_the_whole(ledger: Ledger, by: str) -> None:
    told = report(asked(ledger, by, label="project"))
    found = [(line.name, line.calls, line.spent_nano, line.before_nano) for line in told.lines]
    assert found == LINES[by]
    assert (told.total.calls, told.total.spent_nano, told.total.before_nano) == (4, 130, 11)
    assert told.denied == 1


@pytest.mark.parametrize("by", ["costCentre", "model", "label", "run"])
@pytest.mark.parametrize("then", ["route", "provider", "task"])
def test_the_second_dimension_divides_the_first(ledger: Ledger, by: str, then: str) -> None:
    told = report(asked(ledger, by, then, label="project"))
    for line in told.lines:
        assert sum(part.spent_nano for part in line.inside) == line.spent_nano
        assert sum(part.before_nano for part in line.inside) == line.before_nano
    assert sum(row.spent_nano for row in rows_of(told)) == 130


def test_the_parts_of_a_line_are_made_where_it_is_opened_and_come_to_its_sum() -> None:
    made = Ledger()
    for nano, model in ((5, "gpt-mini"), (9, "claude-large"), (2, "gpt-mini")):
        made.call(Tried(nano, model), run="r1")
    made.call(Tried(4), after=timedelta(days=-1), run="r1")
    made.call(Tried(7), run="r2")
    made.write()
    told = report(asked(made, "run", "model"))
    assert [line.parts.made for line in told.lines if line.parts] == [None, None]
    found = [
        (part.name, part.calls, part.spent_nano, part.before_nano) for part in told.lines[0].inside
    ]
    assert found == [(("claude-large",), 1, 9, 0), (("gpt-mini",), 2, 7, 4)]
    assert (told.lines[0].spent_nano, told.lines[0].before_nano) == (16, 4)
    assert told.lines[0].inside is told.lines[0].inside
    assert [line.parts.made for line in told.lines[1:] if line.parts] == [None]


@pytest.mark.parametrize("then", ["", "team"])
def test_a_call_counts_once_for_each_model_and_each_provider_that_it_tried(then: str) -> None:
    made = Ledger()
    azure = ("gpt-mini", "azure")
    made.call(Tried(1), Tried(2, "claude-large", "anthropic"), Tried(3), Tried(4, *azure))
    made.call(Tried(5), Tried(6, *azure))
    made.call(state="held")
    made.call(state="denied")
    made.write()
    told = {
        by: [(line.name, line.calls) for line in report(asked(made, by, then)).lines]
        for by in ("model", "provider", "team")
    }
    assert told == {
        "model": [(("gpt-mini",), 2), (("claude-large",), 1), (("",), 1)],
        "provider": [(("azure",), 2), (("openai",), 2), (("anthropic",), 1), (("",), 1)],
        "team": [(("insurance", "claims"), 3)],
    }
    assert report(asked(made, "model", then)).denied == 1
    alone = report(asked(made, "team", then, only={"model": "gpt-mini"}))
    assert (alone.total.calls, alone.total.spent_nano) == (2, 19)


def test_what_a_title_says(ledger: Ledger) -> None:
    titles = {
        by: [line.title for line in report(asked(ledger, by, label="project")).lines]
        for by in LINES
    }
    assert titles["team"] == ["insurance / claims", "retail / support"]
    assert titles["costCentre"] == ["4410", "4420", "no cost centre"]
    assert titles["user"][:2] == [
        "insurance / committed c0ffeec0ffee…",
        "insurance / no user named",
    ]
    assert titles["label"] == ["roof", "committed (not readable)", "without it"]
    assert titles["model"][2] == "no model"


@pytest.mark.parametrize(
    ("only", "spent", "calls"),
    [
        ({"model": "claude-large"}, 7, 1),
        ({"provider": "openai"}, 123, 3),
        ({"costCentre": "4410"}, 100, 2),
        ({"costCentre": ""}, 3, 1),
        ({"task": "classification", "tenant": "insurance"}, 100, 2),
        ({"label": "roof"}, 100, 1),
        ({"label": ""}, 3, 2),
        ({"user": "c0ffee" * 10, "tenant": "insurance"}, 100, 1),
        ({"useCase": "claims-triage", "model": "gpt-mini"}, 120, 2),
        ({"run": "r1"}, 100, 1),
        ({"serviceTier": "standard"}, 123, 3),
        ({"serviceTier": "priority", "model": "claude-large"}, 7, 1),
        ({"serviceTier": "priority", "model": "gpt-mini"}, 0, 0),
        ({"team": "nobody"}, 0, 0),
    ],
)
def test_a_line_opened_shows_itself_alone(
    ledger: Ledger, only: dict[str, str], spent: int, calls: int
) -> None:
    told = report(asked(ledger, "team", "route", only=only, label="project"))
    assert (told.total.spent_nano, told.total.calls) == (spent, calls)
    assert sum(line.spent_nano for line in told.lines) == spent
    drawn = report(asked(ledger, "team", only=only, label="project"))
    assert (len(drawn.steps), sum(drawn.chart.values())) == (2, spent)


def test_what_nobody_owns_stands_alone_or_is_laid_over_the_others(ledger: Ledger) -> None:
    alone = report(asked(ledger, "costCentre"))
    assert alone.unallocated is not None
    assert (alone.unallocated.spent_nano, alone.unallocated.shared_nano) == (3, 0)
    laid = report(asked(ledger, "costCentre", shared="calls"))
    assert [(line.name, line.spent_nano, line.shared_nano) for line in laid.lines] == [
        (("4410",), 100, 2),
        (("4420",), 27, 1),
        (("",), 3, -3),
    ]
    assert sum(line.shared_nano for line in laid.lines) == 0
    assert report(asked(ledger, "team", shared="calls")).unallocated is None


@pytest.mark.parametrize("shared", ["", "calls", "spend", "equal"])
@pytest.mark.parametrize("by", UNALLOCATED)
def test_the_groups_and_what_is_unallocated_are_the_total(
    ledger: Ledger, by: str, shared: str
) -> None:
    told = report(asked(ledger, by, label="project", shared=shared))
    groups = [line for line in told.lines if line.name[-1]]
    alone = told.unallocated or Line(("",))
    assert (
        sum(line.spent_nano for line in groups) + alone.spent_nano == told.total.spent_nano == 130
    )
    assert sum(line.shared_nano for line in groups) == -alone.shared_nano
    assert [line.spent_nano for line in (told.unreadable,) if line] == [27] * (by == "label")
    # laid on others whole, or where there are none not at all
    assert alone.shared_nano == (-alone.spent_nano if shared and groups else 0)
    table = csv_of(asked(ledger, by, label="project"), told, "EUR")
    amounts = [Decimal(row["spent EUR"]) for row in csv.DictReader(StringIO(table))]
    assert sum(amounts) == Decimal("0.00000013")


@pytest.mark.parametrize("shared", ["calls", "spend", "equal"])
def test_what_was_committed_stands_beside_the_values_and_nothing_is_laid_on_it(
    ledger: Ledger, shared: str
) -> None:
    told = report(asked(ledger, "label", label="project", shared=shared))
    assert [(line.title, line.spent_nano, line.shared_nano) for line in told.lines] == [
        ("roof", 100, 3),
        ("committed (not readable)", 27, 0),
        ("without it", 3, -3),
    ]
    assert told.unreadable == told.lines[1]
    assert [line.readable for line in told.lines] == [True, False, True]
    (roof,) = report(
        asked(ledger, "label", label="project", shared=shared, only={"label": "roof"})
    ).lines
    assert (roof.spent_nano, roof.shared_nano) == (100, 0)


def test_where_every_label_was_committed_nothing_is_laid_on_anybody() -> None:
    made = Ledger()
    made.call(Tried(5), committed=True)
    made.call(Tried(3))
    made.write()
    told = report(asked(made, "label", "team", label="project", shared="equal"))
    assert [(line.title, line.spent_nano, line.shared_nano) for line in told.lines] == [
        ("committed (not readable)", 5, 0),
        ("without it", 3, 0),
    ]
    assert told.total.spent_nano == 8
    assert (told.unallocated, told.unreadable) == (Line(("",), "", 1, 3), told.lines[0])


def test_what_is_unallocated_counts_in_every_tenant() -> None:
    made = Ledger()
    for tenant, nano in (("insurance", 5), ("retail", 3), ("retail", 2)):
        made.call(Tried(nano), tenant=tenant)
    made.call(Tried(10), run="r1")
    made.write()
    told = report(asked(made, "run", shared="spend"))
    assert told.unallocated == Line(("",), "", 3, 10, 0, -10)
    assert [(line.name, line.shared_nano) for line in told.lines if line.name[-1]] == [
        (("insurance", "r1"), 10)
    ]


def test_a_label_that_every_call_has_leaves_nothing_unallocated() -> None:
    made = Ledger()
    for case, nano in (("roof", 5), ("hail", 3), ("roof", 2)):
        made.call(Tried(nano), labels={"project": case})
    made.write()
    told = report(asked(made, "label", label="project"))
    assert [(line.name, line.spent_nano) for line in told.lines] == [(("roof",), 7), (("hail",), 3)]
    assert told.unallocated is None


def test_a_steps_first_day_stands_for_it(ledger: Ledger) -> None:
    days, nano = chart(report(asked(ledger, "tenant")))
    first = ledger.at.date()
    assert days == (first, first + timedelta(days=1))
    assert nano == {(first, "insurance"): 127, (first + timedelta(days=1), "retail"): 3}
    month, of_month = chart(report(asked(ledger, "tenant", grain="month")))
    assert month == (first.replace(day=1),)
    assert of_month == {(month[0], "insurance"): 127, (month[0], "retail"): 3}
    assert chart(report(asked(ledger, "user", "model")))[1] == {
        (first, "every user"): 127,
        (days[1], "every user"): 3,
    }


def test_a_reader_of_nothing_is_told_of_nothing(ledger: Ledger) -> None:
    told = report(replace(asked(ledger, "label", "team", label="project"), condition=Q(pk__in=[])))
    assert (told.lines, told.total, told.denied, told.chart) == ((), Line(()), 0, {})


def test_a_call_without_a_run_and_one_whose_run_has_no_name_are_one_line() -> None:
    made = Ledger()
    made.call(Tried(5), run=None)
    made.call(Tried(3), run="")
    made.write()
    (line,) = report(asked(made, "run", "model")).lines
    assert (line.name, line.calls, line.spent_nano) == (("insurance", ""), 2, 8)


def test_no_chart_is_asked_for_where_there_are_no_steps(ledger: Ledger) -> None:
    told = report(asked(ledger, "team", grain=""))
    assert (told.steps, told.chart, told.total.spent_nano) == ((), {}, 130)


def test_a_call_belongs_to_the_day_of_its_admission_whatever_its_id_says() -> None:
    made = Ledger()
    late = made.call(Tried(5))
    late.admitted_at = late.admitted_at.replace(hour=23) + timedelta(hours=1)
    made.write()
    first = made.at.date()
    assert report(asked(made, "tenant")).chart == {(first + timedelta(days=1), "insurance"): 5}
    day = made.at.replace(hour=0)
    whole = asked(made, "tenant")
    assert (
        report(replace(whole, span=Span(day, day + timedelta(days=1), UTC_ZONE))).total.calls == 0
    )


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"project": "a'b\"c"}, "a'b\"c"),
        ({"project": "nul\x00"}, UNRECORDED),
        ({"project": ""}, ""),
        ({"other": "x", "labelsCommitted": "y"}, ""),
        ({"project": "Dach"}, "Dach"),
    ],
)
def test_a_labels_value_comes_back_as_it_was_sent(labels: dict[str, str], told: str) -> None:
    made = Ledger()
    made.call(Tried(5), labels=labels)
    made.write()
    assert [line.name for line in report(asked(made, "label", label="project")).lines] == [(told,)]


def test_an_address_says_everything() -> None:
    finn = Principal(kind="cli", id="finn", name="Finn")
    made = Ledger()
    address = {
        "by": "label", "label": "project", "value": "-", "then": "costCentre", "group": "quarter",
        "compare": "year", "split": "equal", "task": "-", "from": "2026-02-28", "to": "2026-03-01",
    }  # fmt: skip
    told, trouble = question(address, finn, NOTHING, made.at)
    assert trouble == ""
    assert (told.by, told.then, told.label, told.only) == (
        "label",
        "costCentre",
        "project",
        {"label": "", "task": ""},
    )
    assert (told.grain, told.shared, told.compare) == ("quarter", "equal", "year")
    assert told.before is not None
    assert (told.before.first, told.before.last) == (date(2025, 2, 28), date(2025, 3, 1))
    plain, _ = question({"by": "label", "compare": "-"}, finn, NOTHING, made.at)
    assert (plain.by, plain.then, plain.before, plain.grain) == ("team", "route", None, "day")


@pytest.fixture
def beside(ledger: Ledger) -> Ledger:
    """Two shadow runs more, at 4 and 9 nano units, one of them with two attempts at one model; and one that was denied."""
    runs = Ledger()
    runs.call(Tried(4, "llama-small", "own"))
    runs.call(
        Tried(1, "llama-small", "own"),
        Tried(8, "llama-small", "own"),
        tenant="retail",
        team="support",
    )
    runs.call(state="denied")
    runs.write()
    Beside.objects.bulk_create(
        Beside(
            call=run.id, of=IdSource().new(), asked_at=run.admitted_at, tenant=run.tenant, team=run.team,
            route=run.route, model="llama-small",
        )
        for run in runs.calls
    )  # fmt: skip
    return ledger


def test_shadow_runs_are_in_every_sum_and_in_no_count_of_calls(beside: Ledger) -> None:
    told = report(asked(beside, "team", "model"))
    figures = [
        (one.title, one.calls, one.spent_nano, one.shadow_runs, one.shadow_nano)
        for one in (*told.lines, *told.lines[0].inside)
    ]
    assert figures == [
        ("insurance / claims", 3, 131, 1, 4),
        ("retail / support", 1, 12, 1, 9),
        # the held one has tried no model
        ("gpt-mini", 2, 120, 0, 0),
        ("claude-large", 1, 7, 0, 0),
        ("llama-small", 0, 4, 1, 4),
        ("no model", 1, 0, 0, 0),
    ]
    all_of_it = told.total
    assert (all_of_it.calls, all_of_it.spent_nano) == (4, 143)
    assert (all_of_it.shadow_runs, all_of_it.shadow_nano, told.denied) == (2, 13, 1)
    assert sum(told.chart.values()) == 143


@pytest.mark.parametrize("by", DIMENSIONS)
def test_without_them_and_they_alone_add_up_to_all(beside: Ledger, by: str) -> None:
    whole, without, only = (
        report(asked(beside, by, label="project", shadow=shadow))
        for shadow in ("", "without", "only")
    )
    parts: dict[tuple[str, ...], list[int]] = {line.name: [0, 0, 0] for line in whole.lines}
    for told in (without, only):
        for line in told.lines:
            for at, figure in enumerate((line.calls, line.spent_nano, line.shadow_nano)):
                parts[line.name][at] += figure
    assert parts == {
        line.name: [line.calls, line.spent_nano, line.shadow_nano] for line in whole.lines
    }
    assert (without.total.spent_nano, without.total.shadow_runs) == (130, 0)
    assert (only.total.spent_nano, only.total.calls, only.total.shadow_runs) == (13, 0, 2)
    assert (without.denied, only.denied) == (1, 0)


def test_an_address_asks_for_them_and_the_file_tells_them(beside: Ledger) -> None:
    finn = Principal(kind="cli", id="finn", name="Finn")
    for word, wanted in (("only", "only"), ("without", "without"), ("none", ""), ("", "")):
        found, trouble = question({"shadow": word}, finn, NOTHING, beside.at)
        assert (found.shadow, trouble) == (wanted, "")
    asking = asked(beside, "team")
    rows = list(csv.DictReader(StringIO(csv_of(asking, report(asking), "EUR"))))
    columns = ("team", "calls", "spent EUR", "shadow runs", "of it for shadow runs EUR")
    assert [tuple(row[column] for column in columns) for row in rows] == [
        ("insurance / claims", "3", "0.000000131", "1", "0.000000004"),
        ("retail / support", "1", "0.000000012", "1", "0.000000009"),
    ]


def test_many_of_them_are_told_as_few_are(beside: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    few = report(asked(beside, "team", "model"))
    monkeypatch.setattr("routing.reports.shadow_runs.FEW", 1)
    assert report(asked(beside, "team", "model")) == few
