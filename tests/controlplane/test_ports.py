"""Which port is free, and who has one that is not."""

import os
import socket
import subprocess
import sys

import pytest

from controlplane.ports import PortTaken, command_of, free_port, listen, who_listens


def test_a_taken_port_names_the_process_and_a_free_port() -> None:
    with listen(0) as ours:
        port = ours.getsockname()[1]
        with pytest.raises(PortTaken) as refused:
            listen(port)
        said = str(refused.value)
    assert said.startswith(f"port {port} is taken by process {os.getpid()} (")
    assert "pytest" in said
    suggested = int(said.split("PORT=")[1].split(maxsplit=1)[0])
    assert suggested > port
    with listen(suggested) as link:
        assert link.getsockname() == ("127.0.0.1", suggested)


def test_another_process_is_named_by_pid_and_command() -> None:
    code = """
import socket, time
s = socket.create_server(('127.0.0.1', 0))
print(s.getsockname()[1], flush=True)
time.sleep(30)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        holder = who_listens(port)
        other.kill()
    assert holder is not None
    assert holder.pid == other.pid
    assert holder.command.startswith(f"{sys.executable} -c import socket")


def test_nobody_listens_on_a_free_port() -> None:
    assert who_listens(free_port()) is None


def test_the_wanted_port_when_it_is_free_else_the_next() -> None:
    port = free_port()
    assert free_port(port) == port
    with socket.create_server(("127.0.0.1", port)):
        assert free_port(port) > port


def test_a_process_that_ended_has_no_command() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert command_of(ended.pid) == "ended"
