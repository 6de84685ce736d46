"""`make up` as people use it: one start that is asked many questions, since a start costs half a minute on two cores."""

import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from audit.merkle.note import BadNote, VerifierKey, open_note
from controlplane import env
from tests.controlplane.machines import Machine, Running, folder, free_port, get, manage, running

pytestmark = [pytest.mark.machines, pytest.mark.faults, pytest.mark.slow]

PEOPLE_FIELDS = {"name", "email", "password", "roles"}
EVERYONE = {
    "web-1",
    "calls-1",
    "jobs",
    "beat",
    "sequencer",
    "sandbox",
    "witness",
    "valkey",
    "postgres",
}
PARTS = {
    "web-1": "controlplane.web --fd",
    "calls-1": "-Q calls",
    "jobs": "-Q jobs",
    "beat": " beat ",
    "sequencer": "manage.py sequencer",
    "sandbox": "manage.py sandbox",
    "witness": "audit.witness",
    "valkey": "valkey-server",
    "postgres": "bin/postgres",
}


@pytest.fixture(scope="module")
def long_path() -> Iterator[Path]:
    """A home of more than 150 characters, with spaces, that only its owner may enter."""
    with folder(mode=0o700) as parent:
        home = parent / ("a long path " * 11).strip() / "home"
        assert len(str(home)) > 150
        yield home


@pytest.fixture(scope="module")
def up(long_path: Path) -> Iterator[Running]:
    """`make up`, itself, on that home."""
    machine = Machine(home=long_path, port=free_port(), command=("make", "up"))
    with running(machine) as it:
        it.wait_for("Ready after", 240)
        yield it


def welcome(up: Running) -> dict[str, object]:
    return json.loads((up.machine.home / "welcome.json").read_text())


def test_it_says_what_it_does_and_how_long_it_took(up: Running) -> None:
    said = up.said()
    steps = [
        "starting PostgreSQL",
        "starting Valkey",
        "migrating the database",
        "seeding the demo",
        "Ready after",
    ]
    places = [said.index(step) for step in steps]
    assert places == sorted(places)
    assert f"http://127.0.0.1:{up.machine.port}" in said


def test_welcome_holds_exactly_the_promised_facts(up: Running) -> None:
    path = up.machine.home / "welcome.json"
    facts = welcome(up)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(facts) == ["console", "api", "anthropic_api", "route", "keys", "people", "tokens"]
    console = f"http://127.0.0.1:{up.machine.port}"
    assert (facts["console"], facts["api"], facts["anthropic_api"]) == (
        console,
        f"{console}/v1",
        console,
    )
    assert all("/" in owner and key.startswith("mdt_") for owner, key in facts["keys"].items())
    assert all(set(person) == PEOPLE_FIELDS for person in facts["people"])
    assert all(token.startswith("mdp_") for token in facts["tokens"].values())
    printed = up.said()
    assert next(iter(facts["keys"].values())) in printed
    assert all(person["password"] in printed for person in facts["people"])


def test_every_process_runs_in_our_session_and_celery_is_named(up: Running) -> None:
    lines = up.children()
    for name, part in PARTS.items():
        assert [line for line in lines.values() if part in line], f"{name} is not there: {lines}"
    celery = [
        line
        for line in lines.values()
        if "-Q calls" in line or "-Q jobs" in line or " beat " in line
    ]
    assert celery
    assert all("celery" in line for line in celery)


def test_web_listens_on_loopback_alone(up: Running) -> None:
    table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    wanted = f":{up.machine.port:04X}"
    places = {
        line.split()[1]
        for line in table
        if line.split()[1].endswith(wanted) and line.split()[3] == "0A"
    }
    assert places == {f"0100007F{wanted}"}


def test_everything_is_healthy_and_its_figures_are_there(up: Running) -> None:
    told = get(up.machine.port, "/readyz")
    assert (told["ready"], told["healthy"]) == (True, True)
    with urllib.request.urlopen(
        f"http://127.0.0.1:{up.machine.port}/metrics", timeout=20
    ) as answer:
        figures = answer.read().decode()
    assert "mandate_worker_calls" in figures  # counted in another process than the one that answers


def test_a_witness_of_its_own_cosigns_what_the_demo_publishes(up: Running) -> None:
    until, size = time.monotonic() + 120, 0
    while not size:
        assert time.monotonic() < until, up.logs()
        checks = {check["name"]: check for check in get(up.machine.port, "/readyz")["checks"]}
        said = re.search(r"cosigned by 1 up to size (\d+)", checks["log_published"]["detail"])
        size = int(said[1]) if said else 0
        time.sleep(0.3)
    lines = (up.machine.home / "published-log" / "checkpoint").read_text().splitlines()
    assert (
        len([line for line in lines if line.startswith("\u2014 mandate.invalid/demo-witness ")])
        == 1
    )
    folder = up.machine.home / "witness"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.iterdir()) == ["known", "logs", "witness_key"]
    loaded = Path(f"/proc/{up.pid_of(PARTS['witness'])}/smaps_rollup").read_text()
    assert int(loaded.split("Rss:")[1].split()[0]) < 40 * 1024  # no Django


def test_the_demos_witness_follows_a_rotated_key(up: Running) -> None:
    """The old key signed for the new one; the witness that runs on needs to be told nothing."""
    witness = up.pid_of(PARTS["witness"])
    told = manage(up.machine, "audit", "rotate-key")
    assert told.returncode == 0, told.stdout + told.stderr
    keys = up.machine.home / "keys"
    new = VerifierKey.parse((keys / "log_vkey").read_text(encoding="utf-8").strip())
    published = up.machine.home / "published-log" / "checkpoint"
    until = time.monotonic() + 120
    while True:
        note = published.read_text(encoding="utf-8")
        with contextlib.suppress(BadNote):
            if open_note(note, [new]) and "\u2014 mandate.invalid/demo-witness " in note:
                break
        assert time.monotonic() < until, up.logs()
        time.sleep(0.3)
    assert up.pid_of(PARTS["witness"]) == witness


def printed_lines(up: Running) -> tuple[str, str]:
    said = up.said().splitlines()
    curl = next(line.strip() for line in said if line.strip().startswith("curl "))
    first = next(number for number, line in enumerate(said) if line.startswith("from openai"))
    return curl, "\n".join(said[first : first + 5])


def test_the_printed_curl_line_works_as_printed(up: Running) -> None:
    curl, _ = printed_lines(up)
    told = subprocess.run(
        ["sh", "-c", curl], capture_output=True, text=True, timeout=60, check=True
    )
    answer = json.loads(told.stdout)
    assert answer["object"] == "chat.completion", answer
    assert answer["choices"][0]["message"]["content"]


def test_the_printed_python_lines_work_as_printed(up: Running) -> None:
    _, lines = printed_lines(up)
    assert len(lines.splitlines()) == 5
    told = subprocess.run(
        [sys.executable, "-c", lines], capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip()


def test_a_second_up_of_the_same_home_says_who_runs_it(up: Running) -> None:
    second = Machine(home=up.machine.home, port=free_port())
    with running(second) as it:
        it.process.wait(90)
        assert it.process.returncode == 1
        assert f"already runs from {up.machine.home}" in it.said()


def test_a_taken_port_says_by_whom_and_suggests_another(up: Running) -> None:
    with folder() as other:
        with running(Machine(home=other / "home", port=up.machine.port)) as it:
            it.process.wait(90)
            assert it.process.returncode == 1
            said = it.said()
        assert f"port {up.machine.port} is taken by process " in said
        assert "controlplane.web" in said or "manage.py up" in said
        assert "PORT=" in said
        assert not (other / "home" / "postgres").exists()


def test_every_command_finds_the_services_of_its_home(up: Running) -> None:
    told = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy"],
        cwd=env.ROOT,
        env=up.machine.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert "mandate.E" not in told.stderr


@pytest.mark.parametrize(
    "name", ["web-1", "calls-1", "sequencer", "witness", "valkey", "jobs", "beat", "postgres"]
)
def test_what_dies_is_started_again(up: Running, name: str) -> None:
    """Within a second: `test_supervisor.py`. PostgreSQL is tried until the kernel has cleared its lock away."""
    os.kill(up.pid_of(PARTS[name]), signal.SIGKILL)
    up.wait_for(f"{name} ended (SIGKILL); started again", 60)


def test_it_is_healthy_again_after_all_that(up: Running) -> None:
    until, told = time.monotonic() + 120, {"healthy": False, "checks": ["it does not answer"]}
    # one look decides: the lease of a worker that died may stand at one moment and be over at the next
    while not told["healthy"] and time.monotonic() < until:
        with contextlib.suppress(urllib.error.URLError, OSError):
            told = get(up.machine.port, "/readyz")
        time.sleep(0.3)
    assert told["healthy"], f"{told['checks']} {up.logs()}"
    assert len({pid for pid, line in up.children().items() if "-Q calls" in line}) == 1


PLAIN = "[[sandbox latency=30s]]"
LONG_STREAM = "[[sandbox tokens=60 chunks=60 delay=500ms]]"
SHORT_STREAM = "[[sandbox tokens=40 chunks=40 delay=100ms]]"


def begin_call(up: Running, directive: str, ended: dict[str, object]) -> threading.Thread:
    """A call with the real client; what it ended with is put into `ended`: an error, or a finish reason."""
    facts = welcome(up)
    client = openai.OpenAI(
        base_url=facts["api"], api_key=next(iter(facts["keys"].values())), max_retries=0, timeout=30
    )
    messages = [{"role": "user", "content": directive}]

    def call() -> None:
        try:
            with client:
                answer = client.chat.completions.create(
                    model=facts["route"],
                    messages=messages,
                    stream=directive != PLAIN,
                    max_tokens=60,
                )
                last = (
                    [answer] if directive == PLAIN else [chunk for chunk in answer if chunk.choices]
                )
                ended[directive] = last[-1].choices[0].finish_reason
        except openai.OpenAIError as error:
            ended[directive] = error

    thread = threading.Thread(target=call)
    thread.start()
    return thread


def test_sigterm_to_makes_own_pid_ends_everything_within_ten_seconds(up: Running) -> None:
    ended: dict[str, object] = {}
    callers = [begin_call(up, directive, ended) for directive in (PLAIN, LONG_STREAM, SHORT_STREAM)]
    until = time.monotonic() + 30
    while in_flight(up) < 3 and time.monotonic() < until:
        time.sleep(0.05)
    assert in_flight(up) == 3
    assert up.stop(signal.SIGTERM) <= 10.0
    for caller in callers:
        caller.join(30)
    # what could end in time ended as ever; the others heard it from an answer, not from a broken connection
    assert ended.pop(SHORT_STREAM) in {"stop", "length"}
    assert set(ended) == {PLAIN, LONG_STREAM}
    for error in ended.values():
        assert isinstance(error, openai.APIError), ended
        assert not isinstance(error, openai.APIConnectionError), ended
    assert "killed after its time was up" not in up.said()


def in_flight(up: Running) -> int:
    with urllib.request.urlopen(
        f"http://127.0.0.1:{up.machine.port}/metrics", timeout=20
    ) as answer:
        lines = answer.read().decode().splitlines()
    return int(
        sum(float(line.split()[-1]) for line in lines if line.startswith("mandate_worker_calls{"))
    )


def test_a_second_start_reuses_the_data_and_sigint_to_make_ends_it(up: Running) -> None:
    """`make` keeps SIGINT to itself; the second start is stopped by that."""
    before = welcome(up)
    assert up.children() == {}
    with running(Machine(home=up.machine.home, port=free_port(), command=("make", "up"))) as it:
        said = it.wait_for("Ready after", 240)
        assert "seeding the demo" not in said
        after = welcome(it)
        assert (after["keys"], after["people"]) == (before["keys"], before["people"])
        assert after["console"] == f"http://127.0.0.1:{it.machine.port}"
        assert it.stop(signal.SIGINT) <= 10.0
