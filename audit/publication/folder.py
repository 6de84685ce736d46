"""The published log as files that any web server or bucket can serve (C2SP tlog-tiles): nothing changes but `checkpoint`.

A tile or a bundle of entries is on disk before a checkpoint that needs it; the checkpoint is replaced whole. Who dies in
between leaves files that the next round finds and keeps: their bytes follow from their names.
"""

import json
import os
import secrets
from pathlib import Path

from audit.files import sync_folder

CHECKPOINT = "checkpoint"
FILE_MODE, FOLDER_MODE = 0o640, 0o750
"""For the owner and a web server's group: bundles hold the entries of every tenant."""
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


class Altered(RuntimeError):
    """A published file has other bytes than the log gives it."""


class Folder:
    """One log's folder. What was written since the last `settle` may not survive a crash of the machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._unsettled: set[Path] = set()

    def checkpoint(self) -> str | None:
        """The published note; None before the first. Raises OSError."""
        try:
            return (self.root / CHECKPOINT).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def keep(self, name: str, data: bytes) -> None:
        """Write an immutable file, unless it is there. Raises Altered where it differs, OSError."""
        path = self.root / name
        try:
            there = path.read_bytes()
        except FileNotFoundError:
            self._write(path, data)
            return
        if there != data:
            raise Altered(f"{name} was published with other bytes than the log gives it now")

    def settle(self) -> None:
        """Make the names of everything written so far survive a crash. Raises OSError."""
        for folder in sorted(self._unsettled):
            sync_folder(folder)
        self._unsettled.clear()

    def point(self, note: str) -> None:
        """Replace the checkpoint. Raises OSError."""
        self.settle()
        self._write(self.root / CHECKPOINT, note.encode())
        self.settle()

    def drop_partial(self, name: str) -> None:
        """Delete the partial tiles of a tile that is full and published. Raises OSError."""
        folder = self.root / f"{name}.p"
        if not folder.is_dir():
            return
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()

    def drop_drafts(self) -> None:
        """Delete what a writer left that died, in the folders that it may have been writing to. Raises OSError."""
        for path in self.root.glob(".draft-*"):
            path.unlink()

    def accuse(self, evidence: dict[str, object]) -> Path:
        """Keep the evidence of a fork: two signed notes and what lies between them. Once for each; never replaced."""
        text = json.dumps(evidence, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        name = f"{evidence['held_size']}-{evidence['offered_size']}-{evidence['digest']}.json"
        path = self.root / "forks" / name
        if not path.exists():
            self._write(path, text.encode())
            self.settle()
        return path

    def _write(self, path: Path, data: bytes) -> None:
        """Drafts lie in the root, so that none is left among what is served, and a rename keeps to one file system."""
        self._make(path.parent)
        draft = self.root / f".draft-{secrets.token_hex(8)}"
        try:
            descriptor = os.open(draft, _FLAGS, FILE_MODE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        self._unsettled.add(path.parent)

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make(folder.parent)
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        self._unsettled.add(folder.parent)
