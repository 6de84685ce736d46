"""One installation for all journeys of the session; each journey has a tenant of its own in it."""

from collections.abc import Iterator

import pytest

from tests.controlplane.machines import folder
from tests.journeys import installation
from tests.journeys.installation import Installation


@pytest.fixture(scope="session")
def mandate() -> Iterator[Installation]:
    """Every process running, the demo seeded, the journeys' documents published."""
    with folder(mode=0o700) as home:
        it = installation.start(home / "home", home / "documents")
        try:
            yield it
            assert it.upstream.violations() == []
        finally:
            installation.stop(it)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What holds over all journeys is asked when all are done."""
    items.sort(key=lambda item: item.path.name == "test_proof.py")
