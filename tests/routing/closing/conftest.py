"""Books of one's own, and the clock of closing."""

from datetime import datetime

import pytest

from policies.bundles.published import Published
from routing.closing import commands
from tests.routing.closing.books import Books, policy
from tests.routing.closing.house import House

ROOMS = (commands,)


class Clock:
    """What `mandate_now` says, until it is set again."""

    now: datetime


@pytest.fixture
def books() -> Books:
    """A tenant that nobody else has."""
    return Books()


@pytest.fixture
def clock(books: Books, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Some days after the month; every module of the room reads it."""
    clock = Clock()
    clock.now = books.at(34)
    for module in ROOMS:
        monkeypatch.setattr(module, "mandate_now", lambda: clock.now)
    return clock


@pytest.fixture(autouse=True)
def found(books: Books, monkeypatch: pytest.MonkeyPatch) -> Published:
    """What is published: four-eyes, with the books' tenant."""
    found = policy(books.tenant)
    publish(found, monkeypatch)
    return found


def publish(found: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every module of the room read this bundle."""
    for module in ROOMS:
        monkeypatch.setattr(module, "published", lambda: found)


@pytest.fixture
def house(books: Books, clock: Clock, found: Published, monkeypatch: pytest.MonkeyPatch) -> House:
    """Its two tenants have used two of three models."""
    house = House(books)
    house.publish = lambda found: publish(found, monkeypatch)
    house.publish(house.found)
    house.filled()
    return house
