"""Ways to hurt an installation, and to see it whole again."""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import openai
import psycopg
import redis

from tests.faults.load import KEY
from tests.journeys.installation import Installation

WEB, WORKER = "controlplane.web", "-Q calls"
JOBS, BEAT = "-Q jobs", "controlplane.celery:app beat"
SEQUENCER, VALKEY, POSTGRES = "manage.py sequencer", "valkey-server", "bin/postgres -D"
IN_A_ROW = 6
PAUSE = 70_401
"""The advisory lock that whoever is paused waits for."""
_PAUSING = f"""
CREATE FUNCTION fault_pause() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared({PAUSE});
  RETURN NEW;
END $$;
CREATE TRIGGER fault_pause BEFORE UPDATE ON {{table}} FOR EACH ROW
  WHEN (OLD.{{done}} > 0 AND NEW.worker = OLD.worker AND coalesce(NEW.beat_at >= OLD.beat_at, true))
  EXECUTE FUNCTION fault_pause()"""
_PAUSED = (
    f"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = {PAUSE}"
)
PROBE = [{"role": "user", "content": "Are you there? [[sandbox tokens=2]]"}]


def pids(it: Installation, part: str) -> list[int]:
    """The processes of this installation whose command line holds `part`, eldest first."""
    return sorted(pid for pid, line in it.running.children().items() if part in line)


def kill(it: Installation, part: str, number: int = signal.SIGKILL, *, most: int = 9) -> list[int]:
    """Signal up to `most` of these processes at once; their pids."""
    hit = pids(it, part)[:most]
    assert hit, f"nobody runs {part}"
    for pid in hit:
        os.kill(pid, number)
    return hit


def kill_everything(it: Installation) -> list[int]:
    """Every process of ours and Valkey die, and PostgreSQL starts again: who it hit."""
    parts = (WEB, WORKER, JOBS, BEAT, SEQUENCER, VALKEY)
    hit = [pid for part in parts for pid in kill(it, part)]
    return [*hit, *kill(it, POSTGRES, signal.SIGQUIT, most=1)]


def flush(it: Installation) -> None:
    """Forget everything Redis holds: queue, replies, limits."""
    with redis.Redis.from_url(it.services()["redis_url"]) as client:
        client.flushall()


def wait_ready(it: Installation, seconds: float = 150.0) -> None:
    """Until /readyz says yes again, and calls are answered: breakers that a fault opened have closed."""
    until = time.monotonic() + seconds
    _wait_healthy(it, seconds)
    in_a_row = 0
    with openai.OpenAI(
        base_url=f"{it.url}/v1", api_key=it.keys[KEY], max_retries=0, timeout=10
    ) as sdk:
        while in_a_row < IN_A_ROW:
            assert time.monotonic() < until, f"calls are not answered after {seconds} s"
            try:
                sdk.chat.completions.create(model="one", messages=PROBE, max_tokens=5)
                in_a_row += 1
            except openai.APIError:
                in_a_row = 0
                time.sleep(0.3)


def _wait_healthy(it: Installation, seconds: float) -> None:
    until = time.monotonic() + seconds
    said: object = None
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{it.url}/readyz", timeout=5) as answer:  # noqa: S310 - our own address
                json.load(answer)
                return
        except urllib.error.HTTPError as unready:
            said = unready.read()
        except OSError as away:
            said = away
        time.sleep(0.2)
    raise AssertionError(f"not ready after {seconds} s: {said!r}")


def resume(pid: int) -> None:
    """Let a stopped process go on."""
    os.kill(pid, signal.SIGCONT)


@contextmanager
def paused(it: Installation, table: str, done: str) -> Iterator[None]:
    """While this lasts, a job that has written something of its work (column `done`) waits before it writes more.

    Who waits at the end is cut off: by then it is dead, and nothing of its last step is kept.
    """
    with psycopg.connect(it.services()["database_owner_url"], autocommit=True) as db:
        db.execute("SET ROLE mandate_owner")
        db.execute("SELECT pg_advisory_lock(%s)", [PAUSE])
        db.execute(_PAUSING.format(table=table, done=done))
        try:
            yield
        finally:
            it.rows(f"SELECT pg_terminate_backend(pid) FROM ({_PAUSED}) p")
            db.execute("DROP FUNCTION fault_pause CASCADE")


def wait_paused(it: Installation, seconds: float = 60.0) -> None:
    """Until a job waits there."""
    until = time.monotonic() + seconds
    while not it.rows(_PAUSED):
        assert time.monotonic() < until, "no job came as far as that"
        time.sleep(0.05)
