"""`manage.py sequencer` and `manage.py audit verify`, as processes on a log of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings

from tests.audit.conftest import LogDatabase


def start(log: LogDatabase, home: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "DATABASE_URL": log.app_dsn,
        "DATABASE_OWNER_URL": log.owner_dsn,
        "MANDATE_HOME": str(home),
    }
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(log: LogDatabase, home: Path, *arguments: str) -> tuple[int, str, str]:
    process = start(log, home, *arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_sequence_then_verify_then_tamper(log_db: LogDatabase, tmp_path: Path) -> None:
    log_db.append(20)
    code, out, err = run(log_db, tmp_path, "audit", "verify")
    assert (code, out) == (1, "")
    assert "the log has no key yet; start the sequencer" in err

    size, until = "", time.monotonic() + 60
    while size != "sequencer: size 20\n" and time.monotonic() < until:
        code, size, err = run(log_db, tmp_path, "sequencer", "--once")
        assert (code, err) == (0, "")
    code, out, err = run(log_db, tmp_path, "audit", "verify")
    assert code == 0
    assert "20 entries" in out
    assert out.endswith(": nothing is wrong\n")
    assert err == "20 of 20 entries\n"

    with log_db.owner() as owner:
        owner.execute("ALTER TABLE audit_entry DISABLE TRIGGER USER")
        owner.execute(
            "UPDATE audit_entry SET tenant = 'forged' WHERE id = (SELECT entry FROM audit_leaf WHERE index = 7)"
        )
    code, out, err = run(log_db, tmp_path, "audit", "verify")
    assert code == 1
    assert "WRONG entry 7: entry " in err
    assert "contradicts its bytes" in err
    code, out, err = run(log_db, tmp_path, "audit", "verify", "--json")
    found = json.loads(out)
    assert (code, found["ok"], found["size"]) == (1, False, 20)
    assert [(each["what"], each["index"]) for each in found["findings"]] == [("entry", 7)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_sequencer_stops_when_told_to(
    log_db: LogDatabase, tmp_path: Path, number: signal.Signals
) -> None:
    process = start(log_db, tmp_path, "sequencer")
    assert process.stdout is not None
    assert process.stdout.readline().endswith("sequencing\n")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.endswith("sequencer: stopped\n")
