"""One installation: its choices, its keys, and who runs it."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from controlplane import env
from controlplane.up import welcome
from controlplane.up.installation import (
    RUNNING_FILE,
    CannotStart,
    Installation,
    claim,
    ensure_keys,
    from_environment,
    remember,
    running,
    stop_running,
)

GIVEN = (
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "REDIS_URL",
    "MANDATE_DEMO",
    "PORT",
    "MANDATE_KEYS_DIR",
)


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in GIVEN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MANDATE_HOME", str(tmp_path / "home"))


@pytest.fixture
def place(tmp_path: Path) -> Installation:
    return from_environment(demo_asked=False)


def test_by_itself_it_brings_its_services_and_a_demo(tmp_path: Path, place: Installation) -> None:
    assert place == Installation(
        home=tmp_path / "home", port=8000, demo="empty", own_postgres=True, own_valkey=True
    )
    assert place.console == "http://127.0.0.1:8000"
    assert place.keys == tmp_path / "home" / "keys"


@pytest.mark.parametrize(
    ("given", "asked", "demo"),
    [
        ({"MANDATE_DEMO": "0"}, False, "never"),
        ({"MANDATE_DEMO": "0"}, True, "always"),
        (
            {"DATABASE_URL": "postgresql://a@/b", "DATABASE_OWNER_URL": "postgresql://c@/b"},
            False,
            "never",
        ),
        (
            {"DATABASE_URL": "postgresql://a@/b", "DATABASE_OWNER_URL": "postgresql://c@/b"},
            True,
            "always",
        ),
    ],
)
def test_a_database_of_ones_own_is_seeded_only_when_asked(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], asked: bool, demo: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    place = from_environment(demo_asked=asked)
    assert place.demo == demo
    assert place.own_postgres is ("DATABASE_URL" not in given)


@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_OWNER_URL"])
def test_one_address_without_the_other_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "postgresql://a@/b")
    with pytest.raises(CannotStart, match="set both DATABASE_URL"):
        from_environment(demo_asked=False)


def test_keys_are_made_once_and_for_us_alone(place: Installation) -> None:
    ensure_keys(place.keys)
    before = {path.name: path.read_text() for path in place.keys.iterdir()}
    assert set(before) == {"pepper", "secret_key"}
    assert len(bytes.fromhex(before["pepper"].strip())) == 32
    assert stat.S_IMODE(place.keys.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.keys.iterdir()} == {0o600}
    ensure_keys(place.keys)
    assert {path.name: path.read_text() for path in place.keys.iterdir()} == before


def test_facts_are_added_to_those_already_known(place: Installation) -> None:
    remember(place.home, sandbox_port="7", console="http://a")
    remember(place.home, console="http://b")
    assert env.services(place.home) == {"sandbox_port": "7", "console": "http://b"}


def test_only_one_may_run_a_home(place: Installation) -> None:
    with claim(place), pytest.raises(CannotStart), claim(place):
        pass
    with claim(place):
        assert (place.home / RUNNING_FILE).is_file()
    assert not (place.home / RUNNING_FILE).exists()


def test_a_number_that_belongs_to_another_process_by_now_is_not_who_runs(
    place: Installation,
) -> None:
    place.home.mkdir()
    file = place.home / RUNNING_FILE
    file.write_text(json.dumps({"pid": os.getpid(), "started": 1, "port": 8000}))
    assert running(place.home) is None
    assert stop_running(place.home) is None
    file.write_text(json.dumps({"pid": 2**22, "started": 0, "port": 8000}))
    assert running(place.home) is None


def test_the_one_that_runs_is_found_and_stopped(place: Installation) -> None:
    code = """
import sys, time
from controlplane.up.installation import claim, from_environment
with claim(from_environment(demo_asked=False)):
    print("claimed", flush=True)
    time.sleep(60)
"""
    command = [sys.executable, "-c", code, "manage.py", "up"]
    with subprocess.Popen(command, cwd=env.ROOT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "claimed\n"
        found = running(place.home)
        assert found is not None
        assert found["pid"] == other.pid
        with pytest.raises(CannotStart, match=f"process {other.pid} on port 8000"), claim(place):
            pass
        assert stop_running(place.home) == other.pid
    assert running(place.home) is None


def test_a_welcome_without_a_demo_shows_no_call() -> None:
    admin = {"name": "Root", "email": "root@acme.example", "password": "once", "roles": ["admin"]}
    facts = welcome.compose("http://127.0.0.1:8000", {"people": [admin]})
    said = welcome.render(facts, 12.4)
    assert "root@acme.example  once  admin" in said
    assert "curl" not in said
    assert "Ready after 12 s." in said


def test_what_was_told_once_is_kept_for_the_second_start(tmp_path: Path) -> None:
    assert welcome.read(tmp_path) is None
    first = welcome.compose(
        "http://127.0.0.1:1", {"route": "r", "keys": {"a/b": "mdt_x"}, "tokens": {"admin": "t"}}
    )
    welcome.write(tmp_path, first)
    kept = welcome.read(tmp_path)
    assert kept == first
    second = welcome.compose("http://127.0.0.1:2", {**kept})
    assert (second["api"], second["keys"]) == ("http://127.0.0.1:2/v1", {"a/b": "mdt_x"})
