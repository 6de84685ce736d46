"""What SQL reads of a label from the bytes of a decision's facts is what the facts say, whatever callers called things."""

import pytest
from django.db import connection

from controlplane.kernel.ids import IdSource
from policies.engine.facts import Facts, KeyFacts, RequestFacts, encode
from routing.reports.dimensions import UNRECORDED

pytestmark = pytest.mark.django_db

NASTY = (
    "north",
    "",
    'say "hello"',
    "back\\slash",
    '},"labelsCommitted":"',
    '"},"labelsCommitted":""',
    '"request":{"labels":{"project":"south"}',
    "Zürich 東 🏔",
    "}",
    "line\nbreak",
)
NAMES = ("project", "labels", "labelsCommitted", 'x"labels', 'own"request', "}")


def facts(labels: dict[str, str], committed: str = "", key: dict[str, str] | None = None) -> bytes:
    asked = RequestFacts(
        dialect='"labels":{', data_classes=("a",), labels=labels, labels_committed=committed
    )
    return encode(
        Facts(
            now="2026-11-29T12:00:00.000Z",
            call=IdSource().new().hex,
            tenant="insurance",
            team="claims",
            key=KeyFacts(id="k", labels=key or {}),
            route="triage",
            request=asked,
        )
    )


def label(given: bytes, name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT routing_label(routing_labels(%s::bytea), %s)", [given, name])
        (found,) = cursor.fetchone()
    return str(found)


@pytest.mark.parametrize("value", NASTY)
@pytest.mark.parametrize("name", NAMES)
def test_a_value_is_read_as_it_was_recorded(name: str, value: str) -> None:
    others = {"a": '},"x":', "zz": '"labels":{"project":"wrong"}'}
    given = facts({**others, name: value}, key={name: "of the key", "labels": '"request":{'})
    assert label(given, name) == value
    assert label(given, "a") == '},"x":'
    assert label(given, "absent") == ""


@pytest.mark.parametrize(
    ("labels", "committed", "told"),
    [
        ({}, "", ""),
        ({}, "ab" * 32, UNRECORDED),
        ({"other": "x"}, "ab" * 32, UNRECORDED),
        ({"project": "x"}, "ab" * 32, "x"),
        ({"project": "a\x00b"}, "", UNRECORDED),
    ],
)
def test_what_was_committed_and_what_no_database_holds_is_not_recorded(
    labels: dict[str, str], committed: str, told: str
) -> None:
    assert label(facts(labels, committed), "project") == told


def test_facts_that_have_no_request_tell_of_no_label() -> None:
    assert label(b'{"now":"x"}', "project") == UNRECORDED
