"""A change request on its way: who waits for it is told once, then that it was published or sent back."""

from policies.changes import commands, publishing
from policies.changes.models import ChangeRequest
from routing.tasks import notify, watch_marks
from tests.policies.changes.world import budget, force, opened, world
from tests.policies.texts import permission
from tests.routing.notifications.conftest import deliveries, notification, read_on

EVENTS = "change.waiting, change.published, change.refused"


def told(of: str, change: ChangeRequest) -> list[tuple[str, str]]:
    return [
        (row.event, row.told["data"]["url"].partition("/change-requests/")[2])
        for row in deliveries(of)
        if row.told["data"]["change"] == change.id.hex
    ]


def test_what_waits_is_told_once_and_then_how_it_ended() -> None:
    with world() as people:
        force(notification("changes", people.tenant, EVENTS, "email: cleo@acme.example"))
        row = opened(people.cleo, permission("p", of=people.tenant), of=people.tenant)
        assert row.state == "approval"
        read_on()
        commands.run_checks(people.cleo, row)
        read_on()
        place = f"{row.id}/"
        assert told(people.tenant, row) == [("change.waiting", place)]
        publishing.approve(people.dora, row.id)
        read_on()
        assert told(people.tenant, row) == [("change.waiting", place), ("change.published", place)]


def test_what_is_sent_back_is_told_without_its_reason() -> None:
    with world() as people:
        force(notification("changes", people.tenant, EVENTS, "email: cleo@acme.example"))
        row = opened(people.cleo, permission("p", of=people.tenant), of=people.tenant)
        publishing.request_changes(people.dora, row.id, "SECRET WORDS")
        read_on()
        # it was read after it was sent back: by then it waited for nobody
        assert [event for event, _ in told(people.tenant, row)] == ["change.refused"]
        assert "SECRET WORDS" not in repr([found.told for found in deliveries(people.tenant)])


def test_another_tenants_change_is_told_to_nobody_here() -> None:
    with world() as people:
        force(notification("changes", people.other, EVENTS, "email: cleo@acme.example"))
        opened(people.cleo, budget("b", people.tenant), of=people.tenant)
        read_on()
        assert deliveries(people.other) == []


def test_the_jobs_run_and_may_run_twice(place: str) -> None:
    for _ in range(2):
        assert notify() >= 0
        watch_marks()
    assert deliveries(place) == []
