"""Owners are mailed by themselves: of a budget at a mark or overrun, and of spend out of pattern. Once, and only they."""

import pytest
from django.conf import LazySettings
from django.db import transaction

from policies.bundles.published import published
from policies.order.entries import append_entry
from policies.order.lock import mandate_now
from routing.notifications.deriving import put as tell_of
from routing.notifications.events import Event
from routing.notifications.models import Delivery
from tests.policies.texts import put
from tests.routing.notifications.conftest import deliveries, notification, read_on, send, tell
from tests.routing.notifications.receivers import Mailbox
from tests.routing.notifications.test_overruns import look
from tests.routing.notifications.test_watching import BUDGET, NANO, bill, spend

OWNER = "finn@acme.example"


@pytest.fixture(autouse=True)
def posted(settings: LazySettings) -> None:
    settings.MANDATE_MAIL_FROM = "mandate@acme.example"


def alert(place: str, owner: str = OWNER) -> None:
    """A budget at a mark, as the job tells it."""
    data = {
        "budget": "monthly",
        "percent": 80,
        "spent": "80.00",
        "limit": "100.00",
        "currency": "EUR",
    }
    with transaction.atomic():
        append_entry(
            "budget.alert",
            actor="job:budgets",
            at=mandate_now(),
            tenant=place,
            subject=f"budget:{place}/monthly",
            data={**data, "owner": owner},
        )


def to(place: str) -> list[tuple[str, str, str]]:
    return [(row.document, row.way, row.target) for row in deliveries(place, "budget.alert")]


def test_a_budgets_owner_gets_one_mail_that_no_document_asks_for(
    place: str, mailbox: Mailbox
) -> None:
    alert(place)
    read_on()
    read_on()
    assert to(place) == [("", "email", OWNER)]
    [row] = deliveries(place)
    assert send(row).state == "sent"
    [mail] = mailbox.got
    assert mail["To"] == OWNER
    text = mail.get_content()
    assert "The budget monthly has used 80 % of its limit." in text
    assert "Mandate has you as the owner of what this is about." in text


def test_whom_a_notification_mails_is_not_mailed_twice(place: str) -> None:
    tell(place, "budget.alert", "email: Finn@ACME.example")
    alert(place)
    alert(place, owner="fay@acme.example")
    read_on()
    assert to(place) == [
        ("mail", "email", "Finn@ACME.example"),
        ("mail", "email", "Finn@ACME.example"),
        ("", "email", "fay@acme.example"),
    ]


def test_a_team_or_nobody_as_the_owner_is_told_by_documents_alone(place: str) -> None:
    alert(place, owner="claims")
    with transaction.atomic():
        append_entry(
            "key.revoked",
            actor="cli:test",
            at=mandate_now(),
            tenant=place,
            subject="key:k",
            data={"team": "claims", "owner": OWNER},
        )
    read_on()
    assert deliveries(place) == []


def test_without_a_mail_server_nobody_is_told_by_itself(place: str, settings: LazySettings) -> None:
    settings.MANDATE_MAIL_FROM = ""
    put(notification("other", "", "stop.set", "email: ada@acme.example"))
    alert(place)
    read_on()
    assert deliveries(place) == []


def test_an_overrun_and_an_anomaly_name_their_owner(place: str) -> None:
    tell(place, "stop.set")
    put(BUDGET.format(name="monthly", place=f", tenant: {place}", scope=place))
    window = spend(place, "monthly", 3 * NANO)
    bill(window, 3 * NANO, 20_000_000)
    look()
    read_on()
    assert to(place) == [("", "email", OWNER)]
    event = Event(
        name="anomaly", tenant=place, occurrence="x", at=mandate_now(), title="It spends", path="/", facts={"owner": OWNER}
    )  # fmt: skip
    tell_of(published(), event, mandate_now())
    assert Delivery.objects.get(tenant=place, event="anomaly").target == OWNER
