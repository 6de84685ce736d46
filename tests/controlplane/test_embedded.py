"""PostgreSQL and Valkey from wheels, on machines of every kind. Each start takes under two seconds."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis

from controlplane import embedded, env
from controlplane.places import Identity
from controlplane.supervisor import Supervisor
from tests.controlplane.machines import (
    NAMED,
    NAMELESS,
    as_root,
    as_user,
    folder,
    kernel_allows_namespaces,
    without_namespaces,
)

pytestmark = pytest.mark.machines

SCRIPT = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from controlplane import embedded
from controlplane.places import Identity
from controlplane.supervisor import Supervisor
import psycopg, redis
supervisor = Supervisor()
facts = embedded.start(Path(sys.argv[1]), embedded.Wanted(testing=True), supervisor)
with psycopg.connect(facts["database_url"]) as link:
    who = link.execute("SELECT current_user").fetchone()[0]
pong = redis.Redis.from_url(facts["redis_url"]).ping()
pids = [child.pid for child in supervisor.children]
print(json.dumps({"who": who, "pong": pong, "identity": Identity.choose().value, "pids": pids}), flush=True)
if len(sys.argv) > 3:
    time.sleep(60)
print(supervisor.stop({}, 5.0))
"""


def start_as(home: Path, *wrap: str) -> dict[str, object]:
    done = subprocess.run(
        [*wrap, sys.executable, "-c", SCRIPT, str(home), str(env.ROOT)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    told, killed = done.stdout.strip().splitlines()
    assert killed == "[]"
    facts: dict[str, object] = json.loads(told)
    assert (facts["who"], facts["pong"]) == ("mandate_app", True)
    return facts


@as_root
@pytest.mark.skipif(not kernel_allows_namespaces(), reason="this kernel gives no user namespace")
def test_as_root_in_a_closed_home_nothing_is_chowned() -> None:
    with folder(mode=0o700) as closed:
        home = closed / "state of root"
        assert start_as(home)["identity"] == "namespace"
        assert {path.lstat().st_uid for path in home.rglob("*")} == {0}
        assert (home / "postgres").stat().st_mode & 0o777 == 0o700
        assert (home / env.SERVICES_FILE).stat().st_mode & 0o777 == 0o600


@as_root
def test_as_root_without_namespaces_in_a_closed_home() -> None:
    with folder(mode=0o700) as closed:
        home = closed / "home"
        assert start_as(home, *without_namespaces())["identity"] == "nobody"
        owners = {path.relative_to(home).parts[0]: path.lstat().st_uid for path in home.rglob("*")}
        assert owners == {"postgres": 65534, "valkey": 0, "log": 0, "services.json": 0}


@as_root
def test_the_kernel_may_change_its_mind_between_two_starts() -> None:
    """The same data under both faces: what belongs to whom is put right at each start."""
    with folder(mode=0o700) as closed:
        first = start_as(closed / "home", *without_namespaces())
        second = start_as(closed / "home")
        third = start_as(closed / "home", *without_namespaces())
    assert first["identity"] == third["identity"] == "nobody"
    assert second["identity"] in {"namespace", "nobody"}


@pytest.mark.parametrize(("uid", "face"), [(NAMED, "self"), (NAMELESS, "namespace")])
def test_as_an_ordinary_user(uid: int, face: str) -> None:
    """initdb refuses a uid without a name, as containers like to have; a namespace gives it one."""
    owner, wrap = as_user(uid)
    with folder() as open_folder:
        os.chown(open_folder, owner, -1)
        assert start_as(open_folder / "home", *wrap)["identity"] in {face, "self"}
        assert {path.lstat().st_uid for path in (open_folder / "home").rglob("*")} == {owner}


def test_a_home_with_a_path_of_150_characters_and_spaces() -> None:
    with folder() as parent:
        home = parent / ("a long path " * 12).strip() / "home"
        assert len(str(home)) > 150
        start_as(home)


def test_two_homes_at_once_and_each_with_its_own_password() -> None:
    supervisor = Supervisor()
    with folder() as parent:
        try:
            one, two = (
                embedded.start(parent / name, embedded.Wanted(testing=True), supervisor)
                for name in ("one", "two")
            )
            assert one["database_url"] != two["database_url"]
            with psycopg.connect(two["database_url"]) as link:
                assert link.execute("SELECT 1").fetchone() == (1,)
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(
                    one["database_url"].replace(
                        one["password_mandate_app"], two["password_mandate_app"]
                    )
                )
            with pytest.raises(redis.AuthenticationError):
                redis.Redis.from_url(
                    one["redis_url"].replace(one["password_valkey"], two["password_valkey"])
                ).ping()
        finally:
            assert supervisor.stop({}, 5.0) == []


def test_a_killed_supervisor_takes_its_services_with_it_and_the_next_start_works() -> None:
    with folder() as parent:
        home = parent / "home"
        first = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(home), str(env.ROOT), "stay"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert first.stdout is not None
        pids = json.loads(first.stdout.readline())["pids"]
        first.kill()
        first.wait()
        first.stdout.close()
        until = time.monotonic() + 30
        while any(Path(f"/proc/{pid}/exe").exists() for pid in pids) and time.monotonic() < until:
            time.sleep(0.02)
        assert [pid for pid in pids if Path(f"/proc/{pid}/exe").exists()] == []
        start_as(home)


def test_a_pid_file_that_names_a_stranger_is_no_obstacle() -> None:
    """After a crash of the machine the number may belong to anybody; here to this very test."""
    with folder() as parent:
        home = parent / "home"
        start_as(home)
        file = home / "postgres" / "postmaster.pid"
        file.write_text(
            f"{os.getppid()}\n{home / 'postgres'}\n1700000000\n5432\n/nowhere\n\n  1234  5678\nready\n"
        )
        start_as(home)
        assert not file.exists()


def test_postgres_killed_outright_comes_back_with_its_data() -> None:
    supervisor = Supervisor()
    with folder() as parent:
        try:
            facts = embedded.start(
                parent / "home", embedded.Wanted(valkey=False, testing=True), supervisor
            )
            with psycopg.connect(facts["database_owner_url"], autocommit=True) as link:
                link.execute("SET ROLE mandate_owner")
                link.execute("CREATE TABLE kept AS SELECT 41 + 1 AS answer")
            (child,) = supervisor.children
            os.kill(child.pid, signal.SIGKILL)
            child.process.wait()
            until = time.monotonic() + 60
            rows = None
            while rows is None and time.monotonic() < until:
                supervisor.revive()
                try:
                    with psycopg.connect(facts["database_owner_url"]) as link:
                        link.execute("SET ROLE mandate_owner")
                        rows = link.execute("SELECT answer FROM kept").fetchall()
                except psycopg.OperationalError:
                    time.sleep(0.1)
            assert rows == [(42,)]
            assert child.restarts >= 1
        finally:
            supervisor.stop({}, 5.0)


def test_the_settings_that_matter() -> None:
    supervisor = Supervisor()
    with folder() as parent:
        try:
            facts = embedded.start(parent / "home", embedded.Wanted(valkey=False), supervisor)
            with psycopg.connect(facts["database_url"]) as link:
                rows = dict(link.execute("SELECT name, setting FROM pg_settings").fetchall())
                roles = link.execute(
                    "SELECT rolname, rolcanlogin, rolsuper, rolcreatedb FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1"
                ).fetchall()
        finally:
            supervisor.stop({}, 5.0)
    wanted = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "jit": "off",
        "max_prepared_transactions": "0",
        "listen_addresses": "",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
    }
    assert {name: rows[name] for name in wanted} == wanted
    assert rows["server_version"].startswith("18.")
    assert roles == [
        ("mandate_app", True, False, False),
        ("mandate_guard", False, False, False),
        ("mandate_owner", False, False, False),
        ("migrator", True, False, False),
        ("postgres", True, True, True),
    ]


def test_the_face_is_ours_when_we_are_not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NAMED)
    assert Identity.choose() is Identity.SELF
    assert Identity.SELF.uid == NAMED
