"""Commands run as somebody with a name, over a database that has an organisation."""

import pytest

from policies.management import replaying
from tests.policies.texts import ensure_organisation


@pytest.fixture(autouse=True)
def _operator(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "tess")
    # no jobs worker runs here: a plan does not wait for one
    monkeypatch.setattr(replaying, "QUEUED_SECONDS", 0.0)
    ensure_organisation()
