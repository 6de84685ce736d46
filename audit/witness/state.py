"""What a witness remembers: for each log the last checkpoint it cosigned, one file each, replaced whole and under a lock."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.files import make_folder, replace


class State:
    """A folder that belongs to one witness. It may never be set back: that is what a witness is worth."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def locked(self, origin: str) -> Iterator["Remembered"]:
        """One log's memory, held against every other thread and process from the look to the write. Raises OSError."""
        name = hashlib.sha256(origin.encode()).hexdigest()[:32]
        make_folder(self._folder)
        descriptor = os.open(
            self._folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield Remembered(self._folder / name)
        finally:
            os.close(descriptor)

    def accuse(self, name: str, text: str) -> None:
        """Keep evidence of a log that misbehaved. Raises OSError."""
        make_folder(self._folder / "forks")
        replace(self._folder / "forks" / name, text.encode(), mode=0o600)


class Remembered:
    """One log's last checkpoint, while it is locked."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self) -> str | None:
        """The note; None before the first."""
        try:
            return self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def remember(self, note: str) -> None:
        """Replace it, on disk before this returns."""
        replace(self._path, note.encode(), mode=0o600)
