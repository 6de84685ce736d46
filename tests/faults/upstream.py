"""The sandbox as an upstream that outlives PostgreSQL: `python -m tests.faults.upstream PORT DSN`.

It looks `attempt.started` up as `manage.py sandbox --check-dsn` does, and waits while the database is away: what it
reports is about Mandate, never about itself. While its gate is closed (`POST /_gate/close`) it answers nobody: a test
gathers as many calls as it wants at their models, however slow the machine is, and opens it with its fault.
"""

import asyncio
import sys

import psycopg
import uvicorn

from routing.upstream.app import Options, Receive, Sandbox, Scope, Send
from routing.upstream.started import CommittedStarts


class PatientStarts:
    """Looks again over a new connection when the old one broke."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._starts = CommittedStarts(dsn)
        self.gate = asyncio.Event()
        self.gate.set()

    async def committed(self, attempt: str) -> bool:
        """Whether the entry of `<call hex>/<no>` is visible; told once the gate is open."""
        known = await self._committed(attempt)
        await self.gate.wait()
        return known

    async def _committed(self, attempt: str) -> bool:
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
    starts = PatientStarts(dsn)
    sandbox = Sandbox(Options(check=starts))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == "/_gate/close":
            starts.gate.clear()
        elif scope.get("path") == "/_gate/open":
            starts.gate.set()
        else:
            await sandbox(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    uvicorn.run(
        app, host="127.0.0.1", port=port, lifespan="off", log_level="critical", access_log=False
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
