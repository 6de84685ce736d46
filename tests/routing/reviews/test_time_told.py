"""The time of people is read from the entries that their own commands wrote."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from django.db.models import Q

from policies.bundles.published import NOTHING
from policies.order.lock import mandate_now
from routing.reports.casework import Question, cases
from routing.reports.spans import span_of
from routing.reviews import commands
from tests.routing.reviews.held import Desk
from tests.routing.reviews.test_people import cleo, rui


def test_a_claim_given_back_and_a_decision_are_both_told(desk: Desk) -> None:
    desk.publish()
    case = desk.hold("pay 1")
    commands.claim(rui(desk), case.id)
    commands.give_back(rui(desk), case.id)
    commands.claim(cleo(desk), case.id)
    commands.approve(cleo(desk), case.id, 0)
    span = span_of("week", mandate_now() + timedelta(seconds=1), ZoneInfo("UTC"))
    (told,) = cases(Question(Q(tenant=desk.name), span), NOTHING)
    assert (told.name, told.outcome, told.finished) == (
        (desk.name, "claims-desk"),
        "approved",
        True,
    )
    assert (told.told.returned, told.told.lapsed) == (1, 0)
    assert timedelta() < told.told.returned_time < told.told.time < timedelta(minutes=15)
