"""Children: started, watched, brought back, stopped in rounds; none outlives its supervisor."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from controlplane.supervisor import POLL_SECONDS, Spec, Supervisor, tail

SLEEP = ("/bin/sleep", "60")


def spec(tmp_path: Path, *argv: str, **more: object) -> Spec:
    return Spec(
        name=argv[0].rpartition("/")[2], argv=argv, log=tmp_path / "log" / "child.log", **more
    )  # type: ignore[arg-type]


def until(condition: object, seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def python(code: str) -> tuple[str, str, str]:
    return (sys.executable, "-c", code)


def test_a_child_shares_our_session_and_leads_its_own_group(tmp_path: Path) -> None:
    supervisor = Supervisor()
    child = supervisor.start(spec(tmp_path, *SLEEP))
    assert until(lambda: Path(f"/proc/{child.pid}/comm").read_text() == "sleep\n")
    assert os.getsid(child.pid) == os.getsid(0)
    assert os.getpgid(child.pid) == child.pid
    assert supervisor.stop({}) == []
    assert child.process.returncode == -signal.SIGTERM


class Clock:
    """What the supervisor takes for the time; a test moves it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        clock = SimpleNamespace(monotonic=lambda: self.now, sleep=time.sleep)
        monkeypatch.setattr("controlplane.supervisor.time", clock)


def test_a_child_that_dies_is_back_within_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    said: list[str] = []
    supervisor = Supervisor(said.append)
    child = supervisor.start(spec(tmp_path, *SLEEP))
    for number in range(1, 6):
        before = child.pid
        os.kill(before, signal.SIGKILL)
        child.process.wait()
        died = clock.now
        while child.pid == before:
            supervisor.revive()
            clock.now += POLL_SECONDS
        assert clock.now - died < 1.0
        assert child.restarts == number
    assert said == ["sleep ended (SIGKILL); started again"] * 5
    supervisor.stop({})


def test_one_that_keeps_dying_is_not_started_in_a_tight_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, supervisor = Clock(monkeypatch), Supervisor()
    child = supervisor.start(spec(tmp_path, "/bin/false"))
    began, starts = clock.now, list[float]()
    while len(starts) < 6:
        child.process.wait()
        known = child.restarts
        supervisor.revive()
        starts += [round(clock.now - began, 1)] * (child.restarts - known)
        clock.now += POLL_SECONDS
    assert starts == [0.0, 0.1, 0.2, 1.0, 1.8, 2.6]
    supervisor.stop({})


def test_stages_stop_in_order_and_what_outlasts_its_time_is_killed(tmp_path: Path) -> None:
    mark = tmp_path / "order"
    note = f"""
import signal, sys, time
def end(*_):
    open({str(mark)!r}, "a").write(sys.argv[1])
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(60)
"""
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    supervisor = Supervisor()
    for stage, letter in ((1, "b"), (0, "a"), (2, "c")):
        log = tmp_path / f"{letter}.log"
        supervisor.start(Spec(letter, (*python(note), letter), log, stage=stage))
        assert until(lambda log=log: "ready" in tail(log))
    log = tmp_path / "deaf.log"
    supervisor.start(Spec("deaf", python(deaf), log, stage=1))
    assert until(lambda: "ready" in tail(log))
    assert supervisor.stop({0: 30.0, 1: 2.0, 2: 30.0}) == ["deaf"]
    assert mark.read_text() == "abc"
    assert supervisor.children == []


def test_killing_a_child_takes_its_own_children_along(tmp_path: Path) -> None:
    parent = """
import signal, subprocess, time
signal.signal(15, signal.SIG_IGN)
print(subprocess.Popen(["/bin/sleep", "61"]).pid, flush=True)
time.sleep(60)
"""
    supervisor = Supervisor()
    log = tmp_path / "parent.log"
    supervisor.start(Spec("parent", python(parent), log))
    assert until(lambda: tail(log) != "")
    grandchild = int(tail(log))
    assert supervisor.stop({}, default=0.2) == ["parent"]
    assert until(lambda: not Path(f"/proc/{grandchild}/exe").exists())


def test_children_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    code = f"""
import sys, time
sys.path.insert(0, {str(Path.cwd())!r})
from pathlib import Path
from controlplane.supervisor import Spec, Supervisor
child = Supervisor().start(Spec("sleep", ("/bin/sleep", "62"), Path({str(tmp_path / "log")!r})))
time.sleep(0.3)
print(child.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen(python(code), stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        child = int(supervisor.stdout.readline())
        assert Path(f"/proc/{child}/exe").exists()
        supervisor.kill()
    assert until(lambda: not Path(f"/proc/{child}/exe").exists())


def test_a_start_that_fails_says_why(tmp_path: Path) -> None:
    supervisor = Supervisor()
    child = supervisor.start(spec(tmp_path, "/does/not/exist"))
    child.process.wait()
    assert "cannot start ['/does/not/exist']: [Errno 2]" in str(child.failure())
    supervisor.stop({})


def test_a_log_that_grew_large_is_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controlplane.supervisor.LOG_LIMIT_BYTES", 10)
    supervisor = Supervisor()
    wanted = spec(tmp_path, "/bin/echo", "new")
    wanted.log.parent.mkdir()
    wanted.log.write_text("old and long")
    supervisor.start(wanted).process.wait()
    supervisor.stop({})
    assert wanted.log.read_text() == "new\n"
    assert wanted.log.with_suffix(".log.1").read_text() == "old and long"
