"""A shop of one's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from tests.policies.changes.world import world
from tests.policies.texts import ensure_organisation
from tests.routing.reconcile.shop import Shop


@pytest.fixture
def shop(transactional_db: None, settings: LazySettings, tmp_path: Path) -> Iterator[Shop]:
    """Published with its first price."""
    settings.MANDATE_KEYS_DIR = tmp_path
    (tmp_path / "pepper").write_text("07" * 32, encoding="ascii")
    ensure_organisation()
    with world() as made:
        shop = Shop(made)
        shop.price()
        yield shop
