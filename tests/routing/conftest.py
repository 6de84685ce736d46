"""A pool as the application role and a world of its own for each test of calls and money."""

from collections.abc import AsyncIterator

import pytest

from routing.calls.pool import Database, open_pool
from tests.routing.world import World, make_world


@pytest.fixture
async def db(app_dsn: str) -> AsyncIterator[Database]:
    """A pool on the test database."""
    pool = await open_pool(app_dsn, 8)
    yield pool
    await pool.close()


@pytest.fixture
async def world(db: Database) -> World:
    """A tenant, a key and a worker that nobody else has."""
    return await make_world(db)
