"""A desk of its own for each test of people."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from tests.routing.reviews.held import Desk, own_keys


@pytest.fixture
def desk(
    transactional_db: None, app_dsn: str, settings: LazySettings, tmp_path: Path
) -> Iterator[Desk]:
    """A tenant with a queue, and a key store that is emptied with the test."""
    with own_keys(settings, tmp_path / "keys") as keys:
        yield Desk(app_dsn, keys)
