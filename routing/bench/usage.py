"""CPU and memory of an installation's processes, read from /proc."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_KINDS = (
    ("controlplane.web", "web"),
    ("-Q calls", "calls"),
    ("-Q jobs", "jobs"),
    (" beat", "beat"),
    ("sequencer", "sequencer"),
    ("postgres", "postgres"),
    ("valkey", "valkey"),
    (" sandbox", "sandbox"),
    ("manage.py up", "supervisor"),
    (" history", "history"),
    ("policies.checking", "checker"),
)
OTHERS = "others"
"""What is below an installation and has none of these names."""


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU-seconds by kind of process, and the proportional set size of all in MiB."""

    cpu_s: dict[str, float]
    memory_mib: float

    def since(self, before: "Usage") -> dict[str, float]:
        """What was used since, the demo's own sandbox left out."""
        return {
            kind: used - before.cpu_s.get(kind, 0.0)
            for kind, used in self.cpu_s.items()
            if kind != "sandbox"
        }


def of_tree(root: int) -> Usage:
    """The process and all below it. PostgreSQL gives every backend a session of its own, so parents tell who is ours."""
    stats = dict(_stats())
    cpu: dict[str, float] = {}
    kib = 0
    for pid, fields in stats.items():
        if not _below(pid, root, stats):
            continue
        folder = Path("/proc") / str(pid)
        try:
            line = _line(pid)
        except OSError:
            continue
        kind = kind_of(line)
        used = sum(int(ticks) for ticks in fields[11:15]) / _TICKS
        cpu[kind] = cpu.get(kind, 0.0) + used
        kib += _pss_kib(folder)
    return Usage(cpu, kib / 1024)


@contextmanager
def resting(root: int) -> Iterator[None]:
    """Everything of the installation but its database stands still meanwhile."""
    still = [pid for pid, kind in _kinds(root) if kind not in ("postgres", "valkey")]
    for pid in still:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in still:
            os.kill(pid, signal.SIGCONT)


def reset_peaks(root: int, kind: str) -> None:
    """Forget how much memory the processes of a kind have had at most."""
    for pid, name in _kinds(root):
        if name == kind:
            (Path("/proc") / str(pid) / "clear_refs").write_text("5")


def peak_kib(root: int, kind: str) -> int:
    """The most memory that any one process of a kind has had since."""
    found = [0]
    for pid, name in _kinds(root):
        if name == kind:
            with suppress(OSError):
                text = (Path("/proc") / str(pid) / "status").read_text()
                found.append(int(text.partition("VmHWM:")[2].split()[0]))
    return max(found)


def _kinds(root: int) -> Iterator[tuple[int, str]]:
    stats = dict(_stats())
    for pid in stats:
        if _below(pid, root, stats):
            with suppress(OSError):
                yield pid, kind_of(_line(pid))


def _line(pid: int) -> str:
    return (
        (Path("/proc") / str(pid) / "cmdline")
        .read_bytes()
        .replace(b"\0", b" ")
        .decode(errors="replace")
    )


def kind_of(command_line: str) -> str:
    """Which of our processes has this command line."""
    return next((name for part, name in _KINDS if part in command_line), OTHERS)


def _stats() -> Iterator[tuple[int, list[str]]]:
    """Every process: its pid, and the fields of its stat from the state on."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                yield int(folder.name), (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue


def _below(pid: int, root: int, stats: Mapping[int, list[str]]) -> bool:
    while pid in stats and pid != root:
        pid = int(stats[pid][1])
    return pid == root


def _pss_kib(process: Path) -> int:
    try:
        text = (process / "smaps_rollup").read_text()
    except OSError:
        return 0
    return int(text.partition("\nPss:")[2].split()[0])
