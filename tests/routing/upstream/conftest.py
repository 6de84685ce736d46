from collections.abc import Iterator

import pytest

from tests.routing.upstream.process import Upstream, serving


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    with serving() as found:
        yield found
