"""Tell the database how publishing stands, so that pages, probes and metrics can say it without reaching for the files."""

import json
from dataclasses import dataclass, field
from typing import Any

import psycopg

LOG = 1
_TELL = """
INSERT INTO audit_publication AS p (log, told_at, published_at, cosigned_at, size, register_size, cosigned_size, failures,
    quorum, checkpoint, folder, register, failure, witnesses)
VALUES (%(log)s, clock_timestamp(), CASE WHEN %(failure)s = '' THEN clock_timestamp() END,
    CASE WHEN %(met)s THEN clock_timestamp() END, %(size)s, %(register_size)s, CASE WHEN %(met)s THEN %(size)s ELSE 0 END,
    (%(failure)s <> '')::int, %(quorum)s, %(checkpoint)s, %(folder)s, %(register)s, %(failure)s, %(witnesses)s)
ON CONFLICT (log) DO UPDATE SET told_at = excluded.told_at,
    published_at = coalesce(excluded.published_at, p.published_at), cosigned_at = coalesce(excluded.cosigned_at, p.cosigned_at),
    size = CASE WHEN excluded.failure = '' THEN excluded.size ELSE p.size END,
    register_size = CASE WHEN excluded.failure = '' THEN excluded.register_size ELSE p.register_size END,
    cosigned_size = CASE WHEN excluded.cosigned_at IS NULL THEN p.cosigned_size ELSE excluded.cosigned_size END,
    failures = p.failures + excluded.failures, quorum = excluded.quorum,
    checkpoint = CASE WHEN excluded.failure = '' THEN excluded.checkpoint ELSE p.checkpoint END,
    folder = excluded.folder, register = excluded.register, failure = excluded.failure,
    witnesses = CASE WHEN excluded.failure = '' THEN excluded.witnesses ELSE p.witnesses END
"""


@dataclass(frozen=True, slots=True)
class Told:
    """One round: what was published, or why not."""

    folder: str
    register: str
    quorum: int = 0
    failure: str = ""
    size: int = 0
    register_size: int = 0
    met: bool = False
    """Whether as many witnesses as are asked for have signed this size."""
    checkpoint: str = ""
    witnesses: list[dict[str, object]] = field(default_factory=list)


def tell(db: psycopg.Connection[Any], told: Told, log: int = LOG) -> None:
    """Write the row. Raises psycopg.Error."""
    names = {name: getattr(told, name) for name in Told.__slots__}
    db.execute(_TELL, {**names, "log": log, "witnesses": json.dumps(told.witnesses)})
