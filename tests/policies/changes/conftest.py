"""Four-eyes worlds."""

from collections.abc import Iterator

import pytest

from tests.policies.changes.world import World
from tests.policies.changes.world import world as made
from tests.policies.texts import ORGANISATION, ensure_organisation


@pytest.fixture
def world(transactional_db: None) -> Iterator[World]:
    """People and a tenant in four-eyes mode."""
    ensure_organisation()
    with made() as found:
        yield found


@pytest.fixture
def alone(transactional_db: None) -> Iterator[World]:
    """The same in single-operator mode."""
    ensure_organisation()
    with made(ORGANISATION) as found:
        yield found
