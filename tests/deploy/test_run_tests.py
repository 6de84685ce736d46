"""`make test` finds a browser by whatever works, and says what helps where nothing does. Stand-ins on the path, no network."""

import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from controlplane import env

RUN = env.ROOT / "deploy" / "run_tests.py"
WORKS, BROKEN = "exit 0", "exit 1"


@dataclass
class Machine:
    """A path of stand-ins, and what was called in which order."""

    folder: Path

    def put(self, name: str, script: str) -> Path:
        """A program that writes down that it was called, then does as `script` says."""
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.folder}/called"\n{script}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def called(self) -> list[str]:
        path = self.folder / "called"
        return path.read_text().splitlines() if path.is_file() else []

    def python(self, *, has: str = "", fetches: str = "") -> None:
        """A Python whose Playwright has a Chromium at `has`, or fetches one to `fetches`; pytest ends with 0."""
        self.put(
            "python",
            f"""
case "$*" in
  *pytest*) echo "CHROMIUM=$CHROMIUM" >>"{self.folder}/called"; echo "2 passed in 0.10s"; exit 0;;
  *"playwright install"*) [ -n "{fetches}" ] && cp "{self.folder}/spare" "{fetches}"; exit 0;;
  *) [ -n "{has}{fetches}" ] && echo "{has}{fetches}"; exit 0;;
esac
""",
        )

    def run(self, *, root: bool = False, chromium: str = "") -> "subprocess.CompletedProcess[str]":
        """`deploy/run_tests.py` on this machine."""
        code = (
            "import os, runpy, sys\n"
            f"os.geteuid = lambda: {0 if root else 1000}\n"
            f"sys.executable = {str(self.folder / 'bin' / 'python')!r}\n"
            f"sys.argv = [{str(RUN)!r}]\n"
            f"runpy.run_path({str(RUN)!r}, run_name='__main__')\n"
        )
        return subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={"PATH": f"{self.folder / 'bin'}:{self.folder / 'sh'}", "CHROMIUM": chromium},
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Nothing but a shell, `cp`, and a Python without a browser."""
    (tmp_path / "sh").mkdir()
    for name in ("sh", "cp", "chmod"):
        (tmp_path / "sh" / name).symlink_to(f"/bin/{name}")
    made = Machine(tmp_path)
    spare = made.put("spare", WORKS)
    spare.rename(tmp_path / "spare")
    made.python()
    return made


PARTS = [
    "python -m pytest --ignore=tests/browser --ignore=tests/journeys -m not (faults or machines)",
    "python -m pytest -m (machines and not faults)",
    "python -m pytest -m faults",
    "python -m pytest tests/browser tests/journeys -m not (faults or machines)",
]


def pytest_ran_with(machine: Machine) -> str:
    """The browser that each of the four runs was given."""
    called = machine.called()
    assert sorted(line for line in called if "-m pytest" in line) == PARTS
    (given,) = {line for line in called if line.startswith("CHROMIUM=")}
    return given.removeprefix("CHROMIUM=")


def test_the_configured_one_comes_first(machine: Machine) -> None:
    machine.put("chromium", WORKS)
    mine = machine.put("mine", WORKS)
    told = machine.run(chromium=str(mine))
    assert told.returncode == 0
    assert pytest_ran_with(machine) == str(mine)
    assert not [line for line in machine.called() if line.startswith("chromium")]


@pytest.mark.parametrize(
    "name", ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
)
def test_one_on_the_path_under_any_of_its_names(machine: Machine, name: str) -> None:
    found = machine.put(name, WORKS)
    assert machine.run().returncode == 0
    assert pytest_ran_with(machine) == str(found)


def test_one_that_does_not_start_is_passed_over(machine: Machine) -> None:
    machine.put("chromium", BROKEN)
    found = machine.put("google-chrome", WORKS)
    assert machine.run(chromium=str(machine.folder / "nowhere")).returncode == 0
    assert pytest_ran_with(machine) == str(found)


def test_the_one_that_playwright_has(machine: Machine) -> None:
    found = machine.put("of-playwright", WORKS)
    machine.python(has=str(found))
    assert machine.run().returncode == 0
    assert pytest_ran_with(machine) == str(found)
    assert not [line for line in machine.called() if "install" in line]


def test_root_gets_one_with_apt(machine: Machine) -> None:
    new = machine.folder / "bin" / "chromium"
    machine.put("apt-get", f'case "$1" in install) cp "{machine.folder}/spare" "{new}";; esac')
    told = machine.run(root=True)
    assert told.returncode == 0
    assert "installing chromium with apt-get" in told.stderr
    apt = [line for line in machine.called() if line.startswith("apt-get")]
    assert apt == ["apt-get update -qq", "apt-get install -y -qq chromium"]
    assert pytest_ran_with(machine) == str(new)
    assert not [line for line in machine.called() if "playwright install" in line]


def test_an_ordinary_user_does_not_try_apt_and_lets_playwright_fetch(machine: Machine) -> None:
    machine.put("apt-get", BROKEN)
    fetched = machine.folder / "fetched"
    machine.python(fetches=str(fetched))
    told = machine.run()
    assert told.returncode == 0
    assert "asking Playwright" in told.stderr
    assert not [line for line in machine.called() if line.startswith("apt-get")]
    assert pytest_ran_with(machine) == str(fetched)


def test_root_whose_apt_fails_lets_playwright_fetch(machine: Machine) -> None:
    machine.put("apt-get", BROKEN)
    fetched = machine.folder / "fetched"
    machine.python(fetches=str(fetched))
    assert machine.run(root=True).returncode == 0
    assert pytest_ran_with(machine) == str(fetched)


def test_without_any_the_rest_runs_then_it_fails_and_names_the_command(machine: Machine) -> None:
    told = machine.run()
    assert told.returncode == 1
    ran = sorted(line for line in machine.called() if "-m pytest" in line)
    assert ran == [f"{part} and not browser" for part in PARTS]
    assert told.stderr.splitlines()[-1] == (
        "mandate: the browser tests did not run, so this run fails: no Chromium. Install one: "
        "apt-get install chromium   (as root), or: .venv/bin/python -m playwright install chromium"
    )


def test_the_sum_of_the_parts_is_the_last_line(machine: Machine) -> None:
    machine.put("chromium", WORKS)
    lines = machine.run().stdout.splitlines()
    assert sorted(lines[:-1]) == [
        f"{name:<8} 2 passed in 0.10s" for name in ("alone", "machines", "rooms", "whole")
    ]
    assert lines[-1].startswith("8 passed in ")


def test_what_failed_in_a_part_is_told_at_the_end(machine: Machine) -> None:
    machine.put("chromium", WORKS)
    machine.put(
        "python",
        """
case "$*" in
  *--ignore*) echo "FAILED tests/a.py::b - no"; echo "1 failed, 3 passed in 0.10s"; exit 1;;
  *pytest*) echo "2 passed, 7 deselected in 0.10s"; exit 0;;
esac
""",
    )
    told = machine.run()
    assert told.returncode == 1
    first, last = told.stdout.splitlines()[-2:]
    assert first == "FAILED tests/a.py::b - no"
    assert last.startswith("1 failed, 9 passed in ")


def test_a_part_in_which_nothing_ran_fails(machine: Machine) -> None:
    machine.put("chromium", WORKS)
    machine.put("python", 'case "$*" in *"-m faults"*) exit 5;; esac')
    assert machine.run().returncode == 5


def test_a_failing_run_stays_failed(machine: Machine) -> None:
    machine.put("chromium", WORKS)
    machine.put("python", 'case "$*" in *pytest*) exit 3;; esac')
    assert machine.run().returncode == 3
    (machine.folder / "bin" / "chromium").unlink()
    assert machine.run().returncode == 3
