"""What finished cases cost over rows: models once a call, people by the rate of their queue, each line to the nano unit."""

import csv
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, timedelta
from io import StringIO
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.db.models import Q

from audit.log.kinds import KINDS
from audit.log.read import Line as LogLine
from controlplane.kernel.ids import IdSource
from policies.bundles.published import NOTHING, Governed, Published
from routing.calls.models import Call
from routing.reports.attributes import Attributes, Timeline
from routing.reports.cases_asked import asked_cases, csv_of_cases, minutes, title_of
from routing.reports.casework import Casework, Question, casework
from routing.reports.spans import Span
from routing.reviews.models import ReviewCase
from tests.policies.people import FINN, member
from tests.routing.reports.made import Ledger, Tried

pytestmark = pytest.mark.django_db
RUI, CLEO = "member:rui@acme.example", "member:cleo@acme.example"
NEW = IdSource()


def document(kind: str, tenant: str, name: str, **spec: object) -> Governed:
    return Governed(kind=kind, tenant=tenant, name=name, metadata={}, spec=spec)


FOUND: Published = replace(
    NOTHING,
    documents=(
        document("Organisation", "", "acme", currency="EUR", reviewerHourlyRate="36.00"),
        document("ReviewQueue", "insurance", "claims-desk", reviewerHourlyRate="60.00"),
        document("ReviewQueue", "", "risk-desk"),
        document("Tenant", "", "insurance"),
    ),
)


class Desk:
    """Cases and what was done with them, as the tables and the log have them."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.cases: list[ReviewCase] = []
        self.lines: list[LogLine] = []

    def closed(self, call: Call, *acts: tuple[float, str, str], **more: Any) -> ReviewCase:
        """A case of this call, opened at the base and closed so many minutes later; each act: minutes, kind, actor."""
        minute = more.pop("minute", 30)
        told = {"outcome": "approved", "queue": "claims-desk", "queue_tenant": "insurance", **more}
        case = ReviewCase(
            id=NEW.new(), call=call.id, revision=call.revision, opened_at=self.ledger.at,
            due_at=self.ledger.at, closed_at=self.ledger.at + timedelta(minutes=minute),
            approvals=1, version=0, round=1, stage="sample" if more.get("stage") else "response",
            on_overdue="reject", tenant=call.tenant, team=call.team, key=call.key, route=call.route,
            message="", rules=[], **{name: v for name, v in told.items() if name != "stage"},
        )  # fmt: skip
        self.cases.append(case)
        for minutes_, kind, actor in acts:
            self.lines.append(self._line(case, minutes_, kind, actor))
        return case

    def _line(self, case: ReviewCase, after: float, kind: str, actor: str) -> LogLine:
        at = self.ledger.at + timedelta(minutes=after)
        return LogLine(
            id=NEW.new(), at=at, recorded_at=at, kind=KINDS[f"review.{kind}"], actor=actor,
            tenant=case.tenant, call=case.call, subject=f"review:{case.id.hex}", data={}, index=None,
        )  # fmt: skip


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Five closed cases of four calls: two of one call, one turned down, one that nobody decided, one in another queue."""
    ledger = Ledger()
    made = Desk(ledger)
    first = ledger.call(Tried(1_000), Tried(200, overrun=34))
    second = ledger.call(Tried(5_000), route="letters", revision=2)
    third = ledger.call(Tried(70), tenant="retail", team="support")
    fourth = ledger.call(Tried(9), route="letters")
    made.closed(first, (0, "claimed", RUI), (6, "approved", RUI), minute=6, stage="")
    made.closed(first, (10, "claimed", CLEO), (12, "edited", CLEO), minute=12, outcome="edited")
    made.closed(
        second, (0, "claimed", RUI), (1, "returned", RUI), (2, "claimed", CLEO), (12, "rejected", CLEO),
        minute=12, outcome="rejected",
    )  # fmt: skip
    made.closed(
        third, (0, "claimed", RUI), (30, "overdue", "job:sweep"),
        outcome="overdue-rejected", queue="risk-desk", queue_tenant="",
    )  # fmt: skip
    made.closed(
        fourth, (0, "claimed", CLEO), (3, "approved", CLEO), minute=60 * 24 + 3,
        queue="risk-desk", queue_tenant="",
    )  # fmt: skip
    ledger.write()
    ReviewCase.objects.bulk_create(made.cases)
    monkeypatch.setattr(
        "routing.reports.casework.of_calls",
        lambda calls, kinds, _span: _told(made, set(calls), kinds),
    )
    return made


def _told(desk: Desk, calls: set[UUID], kinds: tuple[str, ...]) -> Iterator[LogLine]:
    return (line for line in desk.lines if line.call in calls and line.kind.name in kinds)


def asked(desk: Desk, by: str = "queue", days: int = 2, **more: Any) -> Question:
    day = desk.ledger.at.replace(hour=0)
    span = Span(day, day + timedelta(days=days), ZoneInfo("UTC"))
    return Question(Q(tenant__in=("insurance", "retail")), span, by, **more)


def lines(told: Casework) -> list[tuple[Any, ...]]:
    return [
        (
            line.name,
            line.finished,
            line.alone,
            minutes(line.time),
            line.model_nano,
            line.people_nano,
        )
        for line in told.lines
    ]


def test_a_call_counts_its_money_once_and_each_queue_its_own_rate(desk: Desk) -> None:
    told = casework(asked(desk), FOUND)
    assert lines(told) == [
        (("insurance", "claims-desk"), 3, 0, "19.00", 6_234, 19_000_000_000),
        (("", "risk-desk"), 1, 1, "18.00", 79, 10_800_000_000),
    ]
    desk_line, risk = told.lines
    assert (desk_line.each_nano, risk.each_nano) == (6_333_335_412, 10_800_000_079)
    assert (minutes(desk_line.median), minutes(desk_line.p90)) == ("6.00", "11.00")
    assert (desk_line.returned, minutes(desk_line.returned_time), desk_line.lapsed) == (
        1,
        "1.00",
        0,
    )
    assert (risk.lapsed, minutes(risk.lapsed_time), risk.returned) == (1, "15.00", 0)
    assert minutes(risk.median) == "3.00"
    whole = told.total
    assert (whole.finished, whole.alone, whole.model_nano) == (4, 1, 6_313)
    assert whole.cost_nano == 6_313 + 29_800_000_000
    assert sum(desk.ledger.attempts[n].posted_nano + desk.ledger.attempts[n].overrun_nano for n in range(5)) == 6_313  # fmt: skip


def test_by_route_and_by_tenant_the_same_money_stands(desk: Desk) -> None:
    routes = casework(asked(desk, "route"), FOUND)
    assert lines(routes) == [
        (("insurance", "letters"), 2, 0, "14.00", 5_009, 12_800_000_000),
        (("retail", "triage"), 0, 1, "15.00", 70, 9_000_000_000),
        (("insurance", "triage"), 2, 0, "8.00", 1_234, 8_000_000_000),
    ]
    tenants = casework(asked(desk, "tenant"), FOUND)
    assert [line.name for line in tenants.lines] == [("insurance",), ("retail",)]
    assert routes.total.cost_nano == tenants.total.cost_nano == 29_800_006_313
    assert routes.lines[1].each_nano is None


def test_by_use_case_the_document_of_that_time_counts(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Attributes(
        {("Route", "insurance", "letters"): Timeline([1, 2], [{"useCase": "old"}, {"useCase": "new"}])}
    )  # fmt: skip
    monkeypatch.setattr("routing.reports.casework.attributes", lambda: known)
    told = casework(asked(desk, "useCase"), FOUND)
    assert [(line.name, line.finished) for line in told.lines] == [
        (("insurance", "new"), 1), (("retail", ""), 0), (("insurance", ""), 2), (("insurance", "old"), 1),
    ]  # fmt: skip
    assert title_of("useCase", ("retail", "")) == "retail / no use case"


def test_without_a_rate_time_is_told_and_costs_nothing(desk: Desk) -> None:
    unrated = replace(FOUND, documents=FOUND.documents[2:])
    told = casework(asked(desk), unrated)
    assert (told.total.unrated, told.total.people_nano, minutes(told.total.time)) == (5, 0, "37.00")
    assert told.total.each_nano == 1_579


def test_a_case_belongs_to_the_day_of_its_closing_and_its_money_to_the_first_of_a_call(
    desk: Desk,
) -> None:
    told = casework(asked(desk), FOUND)
    day: date = desk.ledger.at.date()
    assert told.steps == {
        (day, "models"): 6_304, (day, "people"): 28_000_000_000,
        (day + timedelta(days=1), "models"): 9, (day + timedelta(days=1), "people"): 1_800_000_000,
    }  # fmt: skip
    only = replace(asked(desk), span=Span(
        desk.ledger.at + timedelta(minutes=7), desk.ledger.at + timedelta(minutes=12, seconds=1), ZoneInfo("UTC"),
    ))  # fmt: skip
    late = casework(only, FOUND)
    # the second case of the first call closed here, its money did not
    assert lines(late) == [(("insurance", "claims-desk"), 2, 0, "13.00", 5_000, 13_000_000_000)]


def test_who_reads_one_tenants_money_sees_only_its_cases(desk: Desk) -> None:
    finance = member("finn", "finance", tenant="retail")
    now = desk.ledger.at + timedelta(days=3)
    told, trouble = asked_cases({"by": "tenant", "period": "week"}, finance, FOUND, now)
    assert trouble == ""
    assert [line.name for line in casework(told, FOUND).lines] == [("retail",)]
    other, _ = asked_cases(
        {"by": "x", "period": "week", "tenant": "insurance"}, finance, FOUND, now
    )
    assert (other.by, casework(other, FOUND).lines) == ("queue", ())


def test_the_file_has_the_same_figures(desk: Desk) -> None:
    now = desk.ledger.at + timedelta(days=3)
    question, _ = asked_cases({"period": "week", "tenant": "insurance"}, FINN, FOUND, now)
    told = casework(question, FOUND)
    (_, *rows) = csv.reader(StringIO(csv_of_cases(question, told, "EUR")))
    day = desk.ledger.at.astimezone(UTC).date()
    span = [str(day - timedelta(days=3)), str(day + timedelta(days=3))]
    assert rows == [
        ["insurance / claims-desk", "3", "0", "19.00", "6.00", "11.00", "1", "1.00", "0", "0.00", "0", "0.000006234",
         "19.00", "19.000006234", "6.333335412", *span],
        ["organisation / risk-desk", "1", "0", "3.00", "3.00", "3.00", "0", "0.00", "0", "0.00", "0", "0.000000009",
         "1.80", "1.800000009", "1.800000009", *span],
    ]  # fmt: skip
