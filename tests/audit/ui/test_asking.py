"""What the explorer's address means."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from audit.log.kinds import Group
from audit.ui.asking import asked
from controlplane.kernel.errors import Forbidden
from tests.policies.people import member

CLEO = member("cleo", "auditor")
HERE = member("otto", "auditor", tenant="insurance")
CALL = "call_0193c5d2a1b27c3d8e4f5a6b7c8d9e0f"


def test_every_filter_is_in_the_address_and_comes_back_from_it() -> None:
    given = {
        "tenant": "insurance",
        "who": "member",
        "what": "policy",
        "from": "2026-11-17",
        "to": "2026-11-23",
        "about": "change:ab",
        "call": CALL,
    }
    with timezone.override("UTC"):
        found = asked(given, CLEO)
    assert found.wanted.tenants == frozenset({"insurance"})
    assert (found.wanted.actor_kind, found.wanted.groups) == ("member", (Group.POLICY,))
    assert found.wanted.since == datetime(2026, 11, 17, tzinfo=UTC)
    assert found.wanted.until == datetime(2026, 11, 24, tzinfo=UTC)
    assert (found.wanted.subject, found.wanted.call) == ("change:ab", UUID(hex=CALL[5:]))
    assert dict(found.told) == given
    assert found.filters.query == (
        f"?from=2026-11-17&to=2026-11-23&about=change%3Aab&call={CALL}&tenant=insurance&who=member&what=policy"
    )
    assert found.trouble == ""


def test_days_say_it_more_exactly_than_a_span() -> None:
    found = asked({"time": "week", "from": "2026-11-17"}, CLEO)
    assert dict(found.told) == {"from": "2026-11-17"}
    before = timezone.now() - timedelta(hours=24)
    since = asked({"time": "day"}, CLEO).wanted.since
    assert since is not None
    assert before <= since <= timezone.now() - timedelta(hours=24)


@pytest.mark.parametrize(
    ("given", "trouble"),
    [
        ({"from": "yesterday"}, "“yesterday” is no day; write it like 2026-11-23"),
        ({"to": "0001-01-01"}, "“0001-01-01” is no day; write it like 2026-11-23"),
        ({"call": "4711"}, "“4711” is no call; its id begins with call_ and has 32 digits"),
    ],
)
def test_what_cannot_be_read_is_said(given: dict[str, str], trouble: str) -> None:
    assert asked(given, CLEO).trouble == trouble


def test_an_unknown_choice_narrows_nothing_and_a_zero_byte_is_left_out() -> None:
    found = asked({"who": "nobody", "what": "x", "time": "x", "about": "a\x00b"}, CLEO)
    assert dict(found.told) == {"about": "ab"}


def test_who_reads_one_tenant_asks_within_it() -> None:
    assert asked({}, HERE).wanted.tenants == frozenset({"insurance"})
    assert asked({"tenant": "retail"}, HERE).wanted.tenants == frozenset()
    with pytest.raises(Forbidden):
        asked({}, member("finn", "finance"))
