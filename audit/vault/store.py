"""Keys outside PostgreSQL: one file for each, plain or wrapped by a key service (`Wrapping`)."""

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote

from audit.files import make_folder, sync_folder, write_new

KEY_BYTES = 32
_REMEMBERED = 10_000


class BadKeyName(ValueError):
    """A key's name is made of printable parts with slashes between: `tenant/insurance/2026-11`."""


class KeyUnreadable(RuntimeError):
    """A key's file is no key. Nothing is guessed, since the content under it would be lost."""


GetOrCreate = Callable[[str], bytes]
"""Another key of the same store, made if it is not there: what may wrap this one."""


class Wrapping(Protocol):
    """How a key lies in its file. A key service asks nothing of PostgreSQL, and is asked once for each key and process."""

    @property
    def own(self) -> bool:
        """Whether each tenant has a key of its own in a key service."""

    def wrap(self, name: str, key: bytes, other: GetOrCreate) -> bytes:
        """The bytes of the file."""

    def unwrap(self, name: str, wrapped: bytes, other: GetOrCreate) -> bytes:
        """The key. Raises KeyUnreadable where the bytes are not what was wrapped under this name."""

    def retire(self, tenant: str) -> str:
        """Let a tenant's own key in the service be deleted; the day on which it will be, "" where it has none of its own."""


class Plain:
    """The key itself: the folder is all the protection there is."""

    own = False

    def wrap(self, name: str, key: bytes, other: GetOrCreate) -> bytes:  # noqa: ARG002 - of the protocol
        """As it is."""
        return key

    def unwrap(self, name: str, wrapped: bytes, other: GetOrCreate) -> bytes:  # noqa: ARG002 - of the protocol
        """As it is."""
        return wrapped

    def retire(self, tenant: str) -> str:  # noqa: ARG002 - of the protocol
        """There is no service."""
        return ""


def fingerprint(key: bytes) -> str:
    """What tells one key from another and opens nothing: 128 bits (hex) of a hash of 256 random ones."""
    return sha256(b"mandate/key/1\0" + key).hexdigest()[:32]


@dataclass(slots=True)
class _Known:
    path: str
    stamp: tuple[int, int] = (0, 0)
    key: bytes = b""


class KeyStore:
    """Keys of 32 random bytes by name, in files of mode 0600. Safe for many processes and threads.

    A key is remembered only while its file stays the same: destroyed by one process, gone in all.
    """

    def __init__(self, folder: Path, wrapping: Wrapping | None = None) -> None:
        self.folder = folder
        self._wrapping: Wrapping = wrapping or Plain()
        self._known: dict[str, _Known] = {}

    def get(self, name: str) -> bytes | None:
        """Return the key; None when it was never made or is destroyed. Raises KeyUnreadable."""
        known = self._known.get(name) or self._learn(name)
        try:
            found = os.stat(known.path, follow_symlinks=False)  # noqa: PTH116 - 2 µs, a Path costs 10
            stamp = (found.st_ino, found.st_mtime_ns)
            if known.stamp != stamp:
                known.key, known.stamp = self._read(known.path, name), stamp
        except FileNotFoundError:
            known.key, known.stamp = b"", (0, 0)
            return None
        return known.key

    def get_or_create(self, name: str) -> bytes:
        """Return the key, made now if there is none; all who race for it get the same one."""
        return self.get(name) or self._create(name)

    def destroy(self, name: str) -> bool:
        """Overwrite and remove the key, and remember that it was. False when there was none."""
        path = Path(self._learn(name).path)
        if not path.is_file():
            return False
        self.mark_destroyed(name)
        try:
            with path.open("r+b") as file:
                file.write(secrets.token_bytes(path.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
        except FileNotFoundError:
            return False
        sync_folder(path.parent)
        return True

    def mark_destroyed(self, name: str) -> None:
        """Remember that a key of this name was destroyed, also where a restored folder never had it."""
        path = Path(self._learn(name).path)
        make_folder(path.parent)
        path.with_name(f"{path.name}.destroyed").touch(mode=0o600)

    def destroyed(self, name: str) -> bool:
        """Whether a key of this name was ever destroyed; a newer one may stand in its place."""
        path = Path(self._learn(name).path)
        return path.with_name(f"{path.name}.destroyed").is_file()

    @property
    def own_keys(self) -> bool:
        """Whether each tenant has a key of its own in a key service."""
        return self._wrapping.own

    def retire(self, tenant: str) -> str:
        """Let a tenant's own key in the key service be deleted, which opens all its keys here; the day, "" where it has none."""
        return self._wrapping.retire(tenant)

    def names(self, prefix: str = "") -> Iterator[str]:
        """The names of the keys that stand, of those that begin with the prefix."""
        for path in sorted(self.folder.rglob("*.key")):
            parts = path.relative_to(self.folder).with_suffix("").parts
            name = "/".join(unquote(part) for part in parts)
            if name.startswith(prefix):
                yield name

    def _learn(self, name: str) -> _Known:
        parts = name.split("/")
        if not all(part and part.isprintable() for part in parts):
            raise BadKeyName(
                f'"{name}" is no name of a key; write it like "tenant/insurance/2026-11"'
            )
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        safe = [quote(part, safe="").replace(".", "%2E") for part in parts]
        known = _Known(f"{self.folder.joinpath(*safe)}.key")
        self._known[name] = known
        return known

    def _create(self, name: str) -> bytes:
        key = secrets.token_bytes(KEY_BYTES)
        write_new(Path(self._learn(name).path), self._wrapping.wrap(name, key, self.get_or_create))
        found = self.get(name)
        if found is None:
            raise KeyUnreadable(f'the key "{name}" was destroyed while it was made; try again')
        return found

    def _read(self, path: str, name: str) -> bytes:
        key = self._wrapping.unwrap(name, Path(path).read_bytes(), self.get_or_create)
        if len(key) != KEY_BYTES:
            raise KeyUnreadable(f'the key "{name}" has {len(key)} bytes instead of {KEY_BYTES}')
        return key
