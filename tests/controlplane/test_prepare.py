"""When the demo's documents must follow its sandbox to another port."""

from pathlib import Path

import pytest

from controlplane.places import write_private
from controlplane.up import prepare
from controlplane.up.installation import remember


@pytest.mark.parametrize(
    ("facts", "moved"),
    [
        ({}, False),
        ({"sandbox_port": "7"}, False),
        ({"sandbox_port": "7", "demo": "seeding"}, False),
        ({"sandbox_port": "7", "demo": "seeded", "seeded_sandbox_port": "7"}, False),
        ({"sandbox_port": "8", "demo": "seeded", "seeded_sandbox_port": "7"}, True),
        ({"sandbox_port": "8", "demo": "seeded"}, True),  # seeded before the port was remembered
    ],
)
def test_only_a_seeded_demo_moves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, facts: dict[str, str], moved: bool
) -> None:
    monkeypatch.setenv("MANDATE_HOME", str(tmp_path))
    write_private(tmp_path / "services.json", "{}")
    remember(tmp_path, **facts)
    assert prepare.moved() is moved
