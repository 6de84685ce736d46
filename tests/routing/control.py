"""Publish and stop as the policies app does them, without documents: the exclusive order lock first, then the entry."""

from audit.log import entry
from controlplane.kernel.clock import system_clock
from controlplane.kernel.ids import IdSource
from routing.calls.pool import Database

IDS = IdSource()
NAMES = {"revision": "revision", "stop_epoch": "epoch"}
SAME_BUNDLE = """
INSERT INTO policies_bundle (revision, digest, engine, text, checked, checked_sha256, actor, flagged, published_at)
SELECT %s, digest, engine, text, checked, checked_sha256, actor, flagged, published_at
  FROM policies_bundle WHERE revision = %s RETURNING digest, checked_sha256
"""
"""Whatever was published stays what is in force, under its new number."""


async def publish(db: Database) -> int:
    """The next revision, committed with its entry."""
    return await _move(db, "revision", "bundle.activated")


async def set_stop(db: Database) -> int:
    """The next stop epoch, committed with its entry."""
    return await _move(db, "stop_epoch", "stop.set")


async def _move(db: Database, column: str, kind: str) -> int:
    async with db.connection() as connection, connection.transaction():
        await connection.execute("SELECT order_exclusive()")
        cursor = await connection.execute(
            f"UPDATE policies_control SET {column} = {column} + 1 WHERE id = 1 RETURNING {column}"
        )
        row = await cursor.fetchone()
        assert row is not None
        moved: int = row[0]
        data: dict[str, object] = {NAMES[column]: moved}
        if column == "revision":
            cursor = await connection.execute(SAME_BUNDLE, (moved, moved - 1))
            for digest, checked in await cursor.fetchall():
                data |= {"digest": digest.hex(), "checked": checked.hex()}
        built = entry.build(kind, id=IDS.new(), at=system_clock(), actor="cli:test", data=data)
        await connection.execute(
            "SELECT audit_append(%s, %s, NULL, '', %b)", (built.id, built.kind, built.body)
        )
    return moved
