"""Ports of this machine: which one is free, and who has one that is not."""

import socket
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"
_LISTEN = "0A"


class PortTaken(RuntimeError):
    """Somebody else listens there; the message says who and suggests a free port."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that listens on a port."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command})"


def listen(port: int, *, backlog: int = 4096) -> socket.socket:
    """A listening socket on loopback, kept for as long as we run: restarts of its users lose no connection.

    Raises PortTaken.
    """
    link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        link.bind((LOOPBACK, port))
        link.listen(backlog)
    except OSError as refused:
        link.close()
        raise PortTaken(_taken(port)) from refused
    return link


def _taken(port: int) -> str:
    holder = who_listens(port)
    by = str(holder) if holder else "a process of another user or container"
    return (
        f"port {port} is taken by {by}. "
        f"Stop it, or choose another port: PORT={free_port(port + 1)} make up"
    )


def free_port(wanted: int = 0) -> int:
    """`wanted` or the next free port after it; 0 means any. Free a moment ago: bind at once, or be ready to try again."""
    for port in (*range(wanted, min(wanted + 50, 65536)), 0) if wanted else (0,):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                link.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(link.getsockname()[1])
    raise PortTaken("no port of this machine is free")


def who_listens(port: int) -> Holder | None:
    """The process that listens on the port, found in /proc; None when we may not see it."""
    inodes = _listening_inodes(port)
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _has_socket(folder / "fd", inodes):
            return Holder(int(folder.name), command_of(int(folder.name)))
    return None


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not Path(table).is_file():
            continue
        for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def _has_socket(fds: Path, inodes: set[str]) -> bool:
    try:
        return any(str(fd.readlink()) in inodes for fd in fds.iterdir())
    except OSError:
        return False


def command_of(pid: int) -> str:
    """The command line of a process, at most 120 characters; its bare name when it hides the line."""
    try:
        line = (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
        return (
            " ".join(line.split()) or Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
        )[:120]
    except OSError:
        return "ended"
