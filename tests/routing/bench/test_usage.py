"""Whose CPU a benchmark counts, and that nothing else of the installation runs beside what it measures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from routing.bench.site import environment
from routing.bench.usage import Usage, kind_of, peak_kib, reset_peaks


@pytest.mark.parametrize(
    ("command_line", "kind"),
    [
        ("python manage.py up", "supervisor"),
        ("python manage.py history", "history"),
        ("python -m policies.checking.child", "checker"),
        ("python -m controlplane.web --fd 4", "web"),
        (
            "python -m celery -A controlplane.celery:app worker -n calls-1@%h -P solo -Q calls",
            "calls",
        ),
        ("python -m celery -A controlplane.celery:app worker -P prefork -c 2 -Q jobs", "jobs"),
        ("python -m celery -A controlplane.celery:app beat --schedule s", "beat"),
        ("python manage.py sequencer", "sequencer"),
        ("postgres: mandate_app mandate [local]", "postgres"),
        ("python -m something.new", "others"),
    ],
)
def test_every_process_has_a_name_and_only_the_unknown_are_others(
    command_line: str, kind: str
) -> None:
    assert kind_of(command_line) == kind


def test_a_peak_is_of_the_largest_process_of_its_kind_since_it_was_last_forgotten() -> None:
    code = "import sys; a = bytearray(64 << 20); del a; print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "-Q jobs"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == b"1\n"
        large = peak_kib(os.getpid(), "jobs")
        reset_peaks(os.getpid(), "jobs")
        small = peak_kib(os.getpid(), "jobs")
        assert peak_kib(os.getpid(), "calls") == 0
        one.kill()
    assert large > 64 * 1024 > small > 1024


def test_what_was_used_since_leaves_the_demos_sandbox_out() -> None:
    before = Usage({"web": 1.0, "sandbox": 5.0}, 100.0)
    after = Usage({"web": 1.5, "sandbox": 9.0, "history": 0.25}, 120.0)
    assert after.since(before) == {"web": 0.5, "history": 0.25}


def test_no_history_is_made_beside_what_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANDATE_DEMO_HISTORY", "1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/db")
    told = environment(Path("home"), 8123)
    assert told["MANDATE_DEMO_HISTORY"] == "0"
    assert (told["MANDATE_HOME"], told["PORT"]) == ("home", "8123")
    assert "DATABASE_URL" not in told
