"""A register in a folder, on another disk if it is to prove much: one file for each origin, replaced whole, under a lock."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.files import make_folder, replace
from audit.register.base import Moved, Unreachable


class FileRegister:
    """`folder/<digest of the origin>`; the origin stands in the note itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def place(self) -> str:
        """Its folder."""
        return f"folder {self._folder}"

    def load(self, origin: str) -> str | None:
        """The file's text."""
        try:
            return self._path(origin).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unreachable(f"the register cannot be read: {error}") from error

    def swap(self, origin: str, old: str | None, new: str) -> None:
        """Compare and replace under an exclusive lock; on disk before it returns."""
        try:
            with self._locked():
                if self.load(origin) != old:
                    raise Moved("the register moved: another signer of this log is at work")
                replace(self._path(origin), new.encode(), mode=0o600)
        except OSError as error:
            raise Unreachable(f"the register cannot be written: {error}") from error

    def _path(self, origin: str) -> Path:
        return self._folder / hashlib.sha256(origin.encode()).hexdigest()[:32]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        make_folder(self._folder)
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
