"""Read content back. Who may, and the entry `content.viewed`, are the caller's to see to."""

from collections.abc import Iterable
from typing import Any, Protocol
from uuid import UUID

from audit.vault.keys import CallKeys, Erased, Sealed
from audit.vault.seal import Tampered
from audit.vault.store import KeyStore

PARTS = """
SELECT call, field, no, tenant_key, subject_key, nonce, ciphertext
FROM vault_content WHERE call = %s AND field = %s ORDER BY no
"""


class Cursor(Protocol):
    """What is needed of a database cursor, Django's or psycopg's."""

    def execute(self, query: Any, params: Any = ..., /) -> object:  # noqa: ANN401 - two libraries' own
        """Run the query."""

    def fetchall(self) -> Iterable[Any]:
        """All rows."""


def open_content(store: KeyStore, cursor: Cursor, call: UUID, field: str) -> bytes | None:
    """Return a field's content; None when there is none. Raises Erased and Tampered."""
    cursor.execute(PARTS, [call, field])
    return open_parts(store, [Sealed(*row) for row in cursor.fetchall()])


def open_part(store: KeyStore, cursor: Cursor, call: UUID, field: str, no: int) -> bytes | None:
    """Return what one row of a field holds by itself; None when there is none. Raises Erased and Tampered."""
    cursor.execute(PARTS, [call, field])
    found = [Sealed(*row) for row in cursor.fetchall()]
    part = next((one for one in found if one.no == no), None)
    if part is None:
        return None
    keys = CallKeys.recall(store, part.call, part.tenant_key, part.subject_key)
    return open_sealed(store, keys, part)


def open_parts(store: KeyStore, parts: Iterable[Sealed]) -> bytes | None:
    """Return what the rows of one field hold together; None for no rows. Raises Erased and Tampered."""
    opened = []
    for no, part in enumerate(parts):
        if part.no != no:
            raise Tampered(f"part {no} of {part.field} of call {part.call} is missing")
        keys = CallKeys.recall(store, part.call, part.tenant_key, part.subject_key)
        opened.append(open_sealed(store, keys, part))
    return b"".join(opened) if opened else None


def open_sealed(store: KeyStore, keys: CallKeys, part: Sealed) -> bytes:
    """Return what one part holds, which may stand for itself (a draft). Raises Erased and Tampered."""
    try:
        return keys.unseal(part)
    except Tampered:
        # a key of the same name was made after the old one was destroyed: erased, not changed
        if store.destroyed(part.tenant_key) or store.destroyed(part.subject_key):
            raise Erased(f"the {part.field} of call {part.call} is erased") from None
        raise
