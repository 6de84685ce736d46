"""The sequencer's sign of life: one row that says when it last worked, what it did since, and what it refuses to sign."""

from dataclasses import dataclass
from typing import Any

import psycopg

LOG = 1
_TELL = """
INSERT INTO audit_sequencer AS s (log, seen_at, sequenced, stragglers, refusals, refusal)
VALUES (%s, clock_timestamp(), %s, %s, %s, %s)
ON CONFLICT (log) DO UPDATE SET seen_at = excluded.seen_at, sequenced = s.sequenced + excluded.sequenced,
  stragglers = s.stragglers + excluded.stragglers, refusals = s.refusals + excluded.refusals, refusal = excluded.refusal
"""


@dataclass(slots=True)
class Seen:
    """What was done since the row was last written."""

    sequenced: int = 0
    stragglers: int = 0
    refusals: int = 0

    def told(self, db: psycopg.Connection[Any], refusal: str = "") -> "Seen":
        """Add it to the row; return the next count, from nothing. Raises psycopg.Error, and then nothing is lost."""
        counts = (self.sequenced, self.stragglers, self.refusals)
        db.execute(_TELL, (LOG, *counts, refusal))
        return Seen()
