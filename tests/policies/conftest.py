"""A tenant of its own for each test: tables are never flushed."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection

from policies.identity.models import Team, Tenant

PEPPER = bytes(range(32))


@pytest.fixture(autouse=True)
def _keys_dir(settings: LazySettings, tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    (folder / "pepper").write_text(PEPPER.hex(), encoding="ascii")
    settings.MANDATE_KEYS_DIR = folder


@pytest.fixture
def tenant(transactional_db: None) -> Tenant:
    """A tenant with one team, `claims`, used by one test."""
    row = Tenant(slug=f"t-{secrets.token_hex(4)}")
    row.save(actor="cli:test")
    Team(tenant=row, slug="claims").save(actor="cli:test")
    return row


@pytest.fixture
def application_role(transactional_db: None) -> Iterator[None]:
    """Asserts that the test ran as the application role."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == (connection.settings_dict["USER"],)
