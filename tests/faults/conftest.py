"""One installation for all faults: two web processes and two calls workers, so that one may die and the other not."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from controlplane import env
from tests.controlplane.machines import Machine, folder, free_port
from tests.faults import hurt
from tests.faults.load import AT_LEAST, KEY, Fired
from tests.journeys import installation, world
from tests.journeys.installation import Installation, Operator, Upstream

HERE = Path(__file__).parent
_TIMEOUTS = "firstTokenSeconds: 5, stallSeconds: 5, totalSeconds: 20"
_LONGER = "firstTokenSeconds: 30, stallSeconds: 30, totalSeconds: 60"
"""Calls are gathered at their models before a fault, on a machine that may be slow."""


@pytest.fixture(scope="package")
def broken() -> Iterator[Installation]:
    """A running installation that its tests may hurt; each leaves it whole."""
    with folder(mode=0o700) as place:
        it = _start(place / "home", place / "documents")
        try:
            yield it
        finally:
            installation.stop(it)


def _start(home: Path, documents: Path) -> Installation:
    secrets, port = home / "secrets", free_port()
    secrets.mkdir(mode=0o700, parents=True)
    for name, text in (("journey", "sk-fault"), ("journey.hosts", f"127.0.0.1:{port}")):
        (secrets / name).write_text(text)
        (secrets / name).chmod(0o600)
    machine = Machine(home=home, port=free_port(), extra={"MANDATE_PROCESSES": "2"})
    running = machine.start()
    try:
        running.wait_for("Ready after", 150)
        it = Installation(running, _upstream(machine, port), Operator(machine), socket.socket())
    except BaseException:
        running.end()
        raise
    try:
        world.write(documents, port)
        ours = documents.parent / "ours"
        ours.mkdir()
        for name in ("shared.yaml", "faults.yaml", "faults.rules.yaml"):
            text = (documents / name).read_text()
            (ours / name).write_text(text.replace(_TIMEOUTS, _LONGER))
        it.apply(ours)
        it.make_keys(KEY)
    except BaseException:
        installation.stop(it)
        raise
    return it


def _upstream(machine: Machine, port: int) -> Upstream:
    dsn = json.loads((machine.home / "services.json").read_text())["database_url"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.upstream", str(port), dsn],
        cwd=env.ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(300):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return Upstream(port, process)
        time.sleep(0.1)
    process.kill()
    raise AssertionError("the upstream did not start")


@pytest.fixture(autouse=True)
def _whole(broken: Installation) -> None:
    """What the test before did is healed."""
    hurt.wait_ready(broken)


@pytest.fixture
def told(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Says how much was in flight and what became of it; fails where too little was."""

    def tell(fired: Fired, at_least: int = AT_LEAST) -> None:
        line = (
            f"{request.node.name}: {fired.in_flight} in flight, {fired.at_a_model} at a model;"
            f" {dict(fired.how())} {dict(fired.errors())}"
        )
        with capsys.disabled():
            sys.stdout.write(f"\n  {line}\n")
        assert fired.in_flight >= at_least, line
        assert fired.those("nothing") == [], line
        assert fired.those("torn") == [], line

    return tell


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """A fault that hits at an unlucky moment may end otherwise than a test can foresee: it is tried once more, and says so.

    pytest asks this for every test of a run, wherever it lies: only faults are tried twice.
    """
    if not item.path.is_relative_to(HERE):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, log=False, nextitem=nextitem)
    if any(report.failed for report in reports):
        first = "\n".join(report.longreprtext for report in reports if report.failed)
        sys.stderr.write(f"\n{item.nodeid} failed and is tried once more:\n{first[-2000:]}\n")
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
