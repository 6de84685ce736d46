"""A four-eyes world whose two tenants have models, a route and a permit each."""

from collections.abc import Iterator

import pytest

from policies.replay.models import OPEN, Replay
from tests.policies.changes.world import FOUR_EYES, RULES, World, force
from tests.policies.changes.world import world as made
from tests.policies.replay.world import documents
from tests.policies.texts import ensure_organisation

REPLAYED = FOUR_EYES.replace("required: false", "required: true")


@pytest.fixture
def world(transactional_db: None) -> Iterator[World]:
    """People and tenants in four-eyes mode, where every change request is replayed over seven days."""
    ensure_organisation()
    Replay.objects.filter(state__in=OPEN).update(state="cancelled")
    with made(REPLAYED, RULES) as found:
        force(*documents(found.tenant), *documents(found.other))
        yield found
