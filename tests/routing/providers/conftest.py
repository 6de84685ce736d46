from collections.abc import AsyncIterator, Iterator

import pytest

from routing.providers.registry import Providers
from tests.routing.providers.asking import secrets_for
from tests.routing.upstream.process import Upstream, serving


@pytest.fixture(scope="package")
def upstream() -> Iterator[Upstream]:
    with serving() as found:
        yield found


@pytest.fixture
async def providers(upstream: Upstream) -> AsyncIterator[Providers]:
    made = Providers(secrets_for(upstream.host))
    yield made
    await made.close()
