"""The last step before a child becomes its program. Run as a script, alone, on the standard library only.

    python -I -S launch.py --parent PID [--death SIGNAL] [--as self|namespace|nobody] [--reach] -- PROGRAM ARGUMENT…

1. Become the wanted identity: `namespace` is an ordinary user inside a user namespace, to whom our own files belong
   (PostgreSQL refuses root, and users without a name); `nobody` really switches to uid 65534; `self` changes nothing.
2. Lead an own process group, in the same session: Ctrl-C reaches the supervisor alone, which stops children in order.
3. Ask the kernel to signal us when the parent dies. Last, because a change of identity clears it.
4. Become the program.

`--probe` only answers, by its exit code, whether the kernel grants a user namespace.
"""

import argparse
import ctypes
import os
import pwd
import signal
import sys
from pathlib import Path

NOBODY = 65534
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
_CAPABILITY_VERSION_3 = 0x20080522
_LIBC = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def _named_uid() -> int:
    """A uid that this machine has a name for, since initdb insists on one: nobody's, else anybody's but root's."""
    uids = [entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != 0]
    return NOBODY if NOBODY in uids or not uids else uids[0]


def enter_namespace() -> None:
    """Become an ordinary, named user of a new user namespace: our own uid outside. Raises OSError where refused."""
    uid, gid = os.geteuid(), os.getegid()
    inside = _named_uid()
    _checked(_LIBC.unshare(_CLONE_NEWUSER), "unshare")
    Path("/proc/self/setgroups").write_text("deny", encoding="utf-8")
    Path("/proc/self/uid_map").write_text(f"{inside} {uid} 1", encoding="utf-8")
    Path("/proc/self/gid_map").write_text(f"{inside} {gid} 1", encoding="utf-8")


def become_nobody(*, reach: bool) -> None:
    """Switch to uid 65534; with `reach`, keep the one capability that lets it pass through folders closed to others.

    Raises OSError when root may not change its uid, or has no such capability to keep.
    """
    capability = _reaching_capability() if reach else None
    if reach:
        _checked(_LIBC.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0), "keepcaps")
    # from here on Python's own library may lie where we cannot read: nothing may be imported any more
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    if capability is not None:
        _keep_capability(capability)


def _reaching_capability() -> int:
    """READ_SEARCH when we have it, else OVERRIDE: containers usually come with the second alone."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    permitted = next(
        int(line.split()[1], 16) for line in status.splitlines() if line[:7] == "CapPrm:"
    )
    for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
        if permitted & (1 << capability):
            return capability
    raise OSError(f"uid {NOBODY} cannot be let through closed folders: no such capability here")


def _keep_capability(capability: int) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    bit = 1 << capability
    _checked(_LIBC.capset(header, (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)), "capset")
    _checked(_LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0), "ambient")


def die_with_parent(death: int, parent: int) -> None:
    """Have the kernel send `death` when the parent ends; leave at once if it already has."""
    _checked(_LIBC.prctl(_PR_SET_PDEATHSIG, death, 0, 0, 0), "pdeathsig")
    if os.getppid() != parent:
        sys.exit("the supervisor is gone")


def _probe() -> int:
    try:
        enter_namespace()
    except OSError as refused:
        sys.stderr.write(f"{refused}\n")
        return 1
    return 0


def main(argv: list[str]) -> int:
    """Become the program named after `--`; returns only when that failed."""
    parser = argparse.ArgumentParser(prog="launch")
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("--parent", type=int, default=0)
    parser.add_argument("--death", type=int, default=signal.SIGTERM)
    parser.add_argument("--as", dest="identity", default="self")
    parser.add_argument("--reach", action="store_true")
    parser.add_argument("program", nargs="*")
    chosen = parser.parse_args(argv)
    if chosen.probe:
        return _probe()
    try:
        if chosen.identity == "namespace":
            enter_namespace()
        elif chosen.identity == "nobody":
            become_nobody(reach=chosen.reach)
        os.setpgid(0, 0)
        die_with_parent(chosen.death, chosen.parent)
        os.execv(chosen.program[0], chosen.program)  # noqa: S606 - becoming the program is the point
    except OSError as refused:
        sys.stderr.write(f"cannot start {chosen.program[:1]}: {refused}\n")
    return 126


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
