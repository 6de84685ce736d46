"""A desk of its own for each test of people."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from routing.reviews import content
from tests.routing.reviews.held import Desk


@pytest.fixture
def desk(
    transactional_db: None, app_dsn: str, settings: LazySettings, tmp_path: Path
) -> Iterator[Desk]:
    """A tenant with a queue, and a key store that is emptied with the test."""
    settings.MANDATE_KEYS_DIR = tmp_path / "keys"
    content._store.cache_clear()
    yield Desk(app_dsn, tmp_path / "keys")
    content._store.cache_clear()
