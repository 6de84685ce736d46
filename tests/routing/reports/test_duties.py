"""Articles of the EU AI Act beside what can be shown."""

from datetime import UTC, date, datetime
from itertools import pairwise

import pytest

from policies.bundles.published import Governed, Published
from routing.reports.duties import Shown, duties, shown

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MADE = Shown(
    entries=9,
    begins=NOW,
    signed_at=NOW,
    calls=5,
    last_call=NOW,
    cases=2,
    late=1,
    decisions=3,
    last_decision=NOW,
    stops=1,
    last_stop=NOW,
    high=1,
    unvalidated=2,
    watched=4,
)


def test_five_articles_each_with_its_date_and_what_people_must_do() -> None:
    told = list(duties(MADE))
    assert [one.article for one in told] == [12, 14, 19, 26, 86]
    assert {one.applies for one in told} == {date(2027, 12, 2)}
    assert all(one.yourself and one.evidence for one in told)
    assert all(a.article < b.article for a, b in pairwise(told))


def test_no_more_is_claimed_than_is_so() -> None:
    record, *_, explanation = duties(MADE)
    assert "It asks for logs; it does not ask that they be tamper-evident." in record.asks
    assert "from 2 August 2026" in explanation.note
    assert [(one.what, one.number) for one in record.evidence] == [
        ("entries in the log", 9),
        ("calls decided and recorded, 90 days", 5),
    ]


@pytest.mark.django_db
def test_evidence_is_counted_from_what_is_there() -> None:
    valid = {"on": "2026-01-01", "validUntil": "2026-11-24"}
    cases = (
        Governed("UseCase", "", "a", {}, {"riskClass": "high", "validation": valid}),
        Governed("UseCase", "", "b", {}, {"riskClass": "limited", "validation": None}),
        Governed("EscalationRule", "", "c", {}, {}),
    )
    found = Published(1, "", 1, "", flagged=False, published_at=None, documents=cases)
    told = shown(found, NOW)
    assert (told.high, told.unvalidated, told.watched) == (1, 1, 1)
