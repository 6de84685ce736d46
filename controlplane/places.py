"""Folders and identities: where sockets may lie, who may enter where, who our services run as."""

import enum
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from controlplane.supervisor import LAUNCH

NOBODY = 65534
_SOCKET_PATH_LIMIT = 107
_SOCKET_NAME_ROOM = len("/.s.PGSQL.5432.lock")


class NoPlace(RuntimeError):
    """No folder fits; the message says what to set."""


class Identity(enum.Enum):
    """Who PostgreSQL runs as. It refuses root, and users without a name: they give it another face."""

    SELF = "self"
    NAMESPACE = "namespace"
    NOBODY = "nobody"

    @classmethod
    def choose(cls) -> "Identity":
        """Ourselves; as root or a nameless uid a user namespace; where the kernel refuses root one, uid 65534."""
        if os.geteuid() != 0 and _has_name(os.geteuid()):
            return cls.SELF
        probe = subprocess.run(  # noqa: S603 - our own script
            [sys.executable, "-I", "-S", str(LAUNCH), "--probe"], capture_output=True, check=False
        )
        if probe.returncode == 0:
            return cls.NAMESPACE
        return cls.NOBODY if os.geteuid() == 0 else cls.SELF

    @property
    def uid(self) -> int:
        """The owner that files must have, seen from outside."""
        return NOBODY if self is Identity.NOBODY else os.geteuid()


def _has_name(uid: int) -> bool:
    try:
        return bool(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return False


def write_private(path: Path, text: str) -> None:
    """Write a file that only we may read, in one step."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def temporary_roots() -> list[Path]:
    """System folders for short-lived files, the configured one first."""
    roots = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm")]  # noqa: S108 - checked for ownership
    return [root for root in dict.fromkeys(roots) if root.is_dir() and os.access(root, os.W_OK)]


def folder_name(home: Path) -> str:
    """A short name that stands for a home of any length."""
    return f"mandate-{os.geteuid()}-{hashlib.sha256(bytes(home.resolve())).hexdigest()[:12]}"


def socket_folder(home: Path) -> Path:
    """A folder of ours (0700) whose path is short enough for a unix socket, however long the home's path is.

    Raises NoPlace when every candidate is too long or belongs to somebody else.
    """
    name = folder_name(home)
    for root in temporary_roots():
        folder = root / name
        if len(bytes(folder)) + _SOCKET_NAME_ROOM > _SOCKET_PATH_LIMIT or _awkward(folder):
            continue
        if _make_ours(folder):
            return folder
    raise NoPlace(
        f'no folder for sockets: "{name}" exists and is not ours in every temporary folder; set TMPDIR'
    )


def _awkward(folder: Path) -> bool:
    """PostgreSQL splits the setting at commas and reads quotes and @ its own way."""
    return any(mark in str(folder) for mark in ",\"'@\\")


def _make_ours(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return False
    found = folder.lstat()
    ours = {os.geteuid()} | ({NOBODY} if os.geteuid() == 0 else set())
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in ours:
        return False
    folder.chmod(0o700)
    return True


def give(folder: Path, uid: int) -> None:
    """Make a whole tree belong to `uid` where it does not yet (root only): the face of PostgreSQL may have changed."""
    if os.geteuid() != 0 or folder.lstat().st_uid == uid:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, uid, follow_symlinks=False)


def reachable(path: Path) -> bool:
    """Whether uid 65534 can pass through every folder above `path`."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)


def readable_copy(tree: Path, home: Path) -> Path:
    """A copy of a folder of programs that uid 65534 can read and run; the folder itself when it already can.

    Raises NoPlace when no temporary folder allows running programs.
    """
    if reachable(tree) and all(item.stat().st_mode & stat.S_IROTH for item in tree.glob("bin/*")):
        return tree
    for root in temporary_roots():
        copy = root / f"{folder_name(home)}-{tree.name}"
        if not _is_noexec(root) and _copy(tree, copy):
            return copy
    raise NoPlace(f"uid {NOBODY} cannot read {tree}, and no temporary folder may hold programs")


def _is_noexec(root: Path) -> bool:
    return bool(os.statvfs(root).f_flag & os.ST_NOEXEC)


def _copy(tree: Path, copy: Path) -> bool:
    """Copy once; a half-made copy has no mark and is made again. False when the place is not ours."""
    mark = copy / ".complete"
    if copy.is_symlink() or (copy.exists() and copy.lstat().st_uid != os.geteuid()):
        return False
    if mark.is_file() and mark.read_text(encoding="utf-8") == str(tree):
        return True
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(tree, copy, symlinks=True)
    for path in (copy, *copy.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    mark.write_text(str(tree), encoding="utf-8")
    return True
