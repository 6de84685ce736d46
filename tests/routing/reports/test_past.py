"""What replays are told of past calls: what attempts used, and what the caller got, for as long as its keys exist."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection

from policies.replay.answers import Spoken
from policies.replay.values import Attempted
from routing.calls.models import Attempt
from routing.reports import content as opened
from routing.reports.past import Past
from routing.reviews import commands
from routing.reviews.models import ReviewCase
from tests.policies.people import member
from tests.routing.reviews.held import Desk, own_keys


@pytest.fixture
def desk(
    transactional_db: None, app_dsn: str, settings: LazySettings, tmp_path: Path
) -> Iterator[Desk]:
    with own_keys(settings, tmp_path / "keys") as keys:
        made = Desk(app_dsn, keys)
        made.publish()
        yield made


def delivered(desk: Desk, **how: object) -> ReviewCase:
    case = desk.hold("pay 14,200", **how)
    rui = member("rui", "reviewer", tenant=desk.name)
    commands.claim(rui, case.id)
    assert commands.approve(rui, case.id, 0).closed is True
    return case


@pytest.mark.parametrize("spoken", ["openai.chat", "anthropic.messages"])
def test_the_words_that_the_caller_got(desk: Desk, spoken: str) -> None:
    past = Past()
    held = desk.hold("pay 14,200")
    assert past.said(held.call, 0) is None, "nobody has got anything yet"
    assert past.said(delivered(desk, dialect=spoken).call, 0) == Spoken("pay 14,200", "stop", 4)
    assert past.said(held.call, 3) is None
    assert past.said(held.id, 0) is None, "there is no such call"


def test_a_stream_is_read_back(desk: Desk) -> None:
    assert Past().said(delivered(desk, stream=True).call, 0) == Spoken("pay 14,200", "stop", 4)


def test_what_each_attempt_used(desk: Desk) -> None:
    call = delivered(desk).call
    assert Past().attempts([call]) == {}, "nobody knows what it used"
    Attempt.objects.filter(call=call).update(
        tokens_input=9, tokens_cached=2, tokens_cache_write=1, tokens_output=4
    )
    other = desk.hold("x").call
    assert Past().attempts([call, other]) == {call: [Attempted("gpt-mini", 9, 2, 1, 4)]}
    assert Past().attempts([other]) == {}


def test_what_a_request_named_for_as_long_as_its_keys_exist(desk: Desk) -> None:
    held, past = desk.hold("pay 14,200"), Past()
    found = past.asked([held.call, held.id])
    assert list(found) == [held.call], "the other is no call"
    asked = found[held.call]
    assert (dict(asked.labels), asked.tools) == ({}, ())
    assert len(asked.commit("labels", b"{}")) == 64
    assert asked.commit("labels", b"{}") != asked.commit("tools", b"{}")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT subject_key FROM vault_content WHERE call = %s AND field = 'request'",
            [held.call],
        )
        (name,) = cursor.fetchone() or ("",)
    opened.store().destroy(name)
    assert past.asked([held.call]) == {}
