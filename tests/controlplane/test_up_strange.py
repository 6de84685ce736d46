"""The whole of `up` where machines differ: nobody's uid in a checkout of its own, root without namespaces, ports in use."""

import json
import os
import shutil
import socket
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane import env
from tests.controlplane.machines import (
    NAMELESS,
    Machine,
    as_root,
    as_user,
    first_call,
    folder,
    free_port,
    get,
    running,
    without_namespaces,
)

pytestmark = [pytest.mark.machines, pytest.mark.slow]

LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".mandate", "__pycache__", ".*_cache", ".hypothesis", "node_modules"
)


@pytest.fixture
def strangers_checkout() -> Iterator[Path]:
    """A copy of this checkout that belongs to somebody without a name, or to us where we are not root."""
    uid, _ = as_user(NAMELESS)
    with folder() as parent:
        copy = parent / "checkout"
        shutil.copytree(env.ROOT, copy, ignore=LEFT_OUT, symlinks=True)
        (copy / ".venv").symlink_to((env.ROOT / ".venv").resolve())
        (parent / "home").mkdir()
        for path in (parent, parent / "home", copy, *copy.rglob("*")):
            os.chown(path, uid, uid if os.geteuid() == 0 else -1, follow_symlinks=False)
        yield copy


def test_make_up_as_an_ordinary_user_in_a_checkout_of_ones_own(strangers_checkout: Path) -> None:
    uid, wrap = as_user(NAMELESS)
    machine = Machine(
        home=strangers_checkout / ".mandate",
        port=free_port(),
        wrap=wrap,
        command=("make", "up"),
        extra={"MANDATE_HOME": "", "HOME": str(strangers_checkout.parent / "home")},
        checkout=strangers_checkout,
    )
    with running(machine) as it:
        it.wait_for("Ready after", 240)
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in it.children()}
        assert owners == {uid}
        assert {path.lstat().st_uid for path in machine.home.rglob("*")} == {uid}
        assert first_call(machine)
        assert get(machine.port, "/readyz")["healthy"] is True
        assert it.stop() <= 10.0
        assert "killed after its time was up" not in it.said()


def sandbox_address(home: Path) -> str:
    return (home / "secrets" / "sandbox.hosts").read_text().strip()


@as_root
def test_root_without_namespaces_twice_beside_another_and_with_its_sandbox_port_taken() -> None:
    """Two installations of one checkout; the second start of the first finds somebody else on its sandbox's port."""
    with folder(mode=0o700) as closed:
        one = Machine(home=closed / "one", port=free_port(), wrap=without_namespaces())
        with running(one) as it:
            it.wait_for("Ready after", 240)
            assert first_call(one)
            assert (one.home / "postgres").stat().st_uid == 65534
            before = sandbox_address(one.home)
            assert it.stop() <= 10.0
        with socket.create_server(("127.0.0.1", int(before.partition(":")[2]))) as taken:
            two = Machine(home=closed / "two", port=free_port())
            with running(one) as first, running(two) as second:
                first.wait_for("Ready after", 300)
                second.wait_for("Ready after", 300)
                assert f"sandbox's port {taken.getsockname()[1]} is taken by" in first.said()
                assert "moving the demo's providers" in first.said()
                assert "seeding the demo" not in first.said()
                assert sandbox_address(one.home) not in {before, sandbox_address(two.home)}
                assert first_call(one)
                assert first_call(two)
                assert keys_of(one).isdisjoint(keys_of(two))
                assert first.stop() <= 10.0
                assert first_call(two)
                with pytest.raises(urllib.error.URLError):
                    first_call(one)


def keys_of(machine: Machine) -> set[str]:
    return set(json.loads((machine.home / "welcome.json").read_text())["keys"].values())
