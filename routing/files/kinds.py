"""The kinds of files: what one is called, and whether its pieces lie sealed."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its name in rows, what people call one and several. `sealed`: under a key that expires with the file."""

    name: str
    one: str
    several: str
    sealed: bool = False

    def key_of(self, file: UUID) -> str:
        """The name of the key that a file's pieces are sealed under."""
        return f"export/{file.hex}"

    def place(self, file: UUID, no: int) -> bytes:
        """What binds a piece to its place."""
        return f"mandate/{self.name}/1\0".encode() + file.bytes + no.to_bytes(4)


EXPORT: Final = Kind("export", "export", "exports")
"""Figures. No content is in them."""
EVIDENCE: Final = Kind("evidence", "evidence bundle", "evidence bundles", sealed=True)
KINDS: Final = {kind.name: kind for kind in (EXPORT, EVIDENCE)}
