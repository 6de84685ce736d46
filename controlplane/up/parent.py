"""`make` as our parent: a signal to its own pid must reach us, also the ones it keeps to itself.

GNU make passes on SIGTERM alone. On SIGINT or SIGHUP it sets the signal back to its default and waits for us, for ever;
when it is killed outright, we would be an orphan. Both are seen from here: the first in its mask of caught signals in
/proc, the second by asking the kernel for a signal when it dies.
"""

import ctypes
import os
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PASSED_ON_BY_NOBODY = (signal.SIGINT, signal.SIGHUP)


class Parent:
    """Watches the make that started us; does nothing when something else did."""

    def __init__(self) -> None:
        self._pid = os.getppid()
        self._is_make = _name(self._pid) in {"make", "gmake"}
        self._caught = _caught(self._pid) if self._is_make else 0
        if self._is_make:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    def gave_up(self) -> bool:
        """Whether make was told to end, or has ended."""
        if not self._is_make:
            return False
        if os.getppid() != self._pid:
            return True
        lost = self._caught & ~_caught(self._pid)
        return any(lost & (1 << (number - 1)) for number in _PASSED_ON_BY_NOBODY)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _caught(pid: int) -> int:
    """The signals a process handles, as the kernel's bit mask."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next(
        (int(line.split()[1], 16) for line in status.splitlines() if line[:7] == "SigCgt:"), 0
    )
