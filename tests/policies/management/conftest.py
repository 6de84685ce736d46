"""Commands run as somebody with a name, over a database that has an organisation."""

import pytest

from tests.policies.texts import ensure_organisation


@pytest.fixture(autouse=True)
def _operator(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "tess")
    ensure_organisation()
