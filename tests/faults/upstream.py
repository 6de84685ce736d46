"""The sandbox as an upstream that outlives PostgreSQL: `python -m tests.faults.upstream PORT DSN`.

It looks `attempt.started` up as `manage.py sandbox --check-dsn` does, and waits while the database is away: what it
reports is about Mandate, never about itself.
"""

import asyncio
import sys

import psycopg
import uvicorn

from routing.upstream.app import Options, Sandbox
from routing.upstream.started import CommittedStarts


class PatientStarts:
    """Looks again over a new connection when the old one broke."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._starts = CommittedStarts(dsn)

    async def committed(self, attempt: str) -> bool:
        """Whether the entry of `<call hex>/<no>` is visible."""
        while True:
            starts = self._starts
            try:
                return await starts.committed(attempt)
            except psycopg.OperationalError:
                if self._starts is starts:
                    self._starts = CommittedStarts(self._dsn)
                await asyncio.sleep(0.1)


def main(port: int, dsn: str) -> None:
    """Serve until interrupted."""
    app = Sandbox(Options(check=PatientStarts(dsn)))
    uvicorn.run(
        app, host="127.0.0.1", port=port, lifespan="off", log_level="critical", access_log=False
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
