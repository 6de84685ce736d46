"""A tenant with a budget, its windows and calls at chosen moments. Months three ahead have their partitions: so time is ahead."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from controlplane.kernel.ids import uuid7_floor
from tests.policies.texts import ensure_organisation, put

_CALL = """
INSERT INTO routing_call (id, revision, stop_epoch, admitted_at, reserved_at, deadline_at, moved_at, finished_at, stream, state,
                          tenant, team, key, route, dialect)
VALUES (%s, 1, 0, %s, %s, %s, %s, %s, false, 'completed', %s, 'claims', %s, 'triage', 'openai.chat')
"""
_ATTEMPT = """
INSERT INTO routing_attempt (call, revision, reserved_nano, posted_nano, overrun_nano, no, state, model, provider, windows)
VALUES (%s, 1, %s, %s, %s, 1, 'succeeded', 'small', 'sky', %s)
"""
_WINDOW = """
INSERT INTO routing_ledger_window (starts, ends, rank, tenant, budget, subject) VALUES (%s, %s, 1, %s, %s, '') RETURNING id
"""
_BOOK = "UPDATE routing_ledger_window SET posted_nano = posted_nano + %s, overrun_nano = overrun_nano + %s WHERE id = ANY(%s)"


def month_ahead(at: datetime) -> datetime:
    """The first moment of the month after next."""
    first = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=63)).replace(day=1)


def month_after(first: datetime) -> datetime:
    """The first moment of the next month."""
    return (first + timedelta(days=32)).replace(day=1)


@dataclass
class Shop:
    """A tenant of the test's own, in the time zone of a test's choice."""

    zone: str = "UTC"
    tenant: str = field(default_factory=lambda: f"fc-{secrets.token_hex(4)}")
    starts: datetime = field(default_factory=lambda: month_ahead(datetime.now(tz=UTC)))
    made: int = 0

    @property
    def ends(self) -> datetime:
        """The end of the month that everything happens in."""
        return month_after(self.starts)

    def publish(self, *texts: str) -> None:
        """The tenant, and documents of it."""
        ours = (
            f"metadata: {{name: {self.tenant}}}\nspec: {{teams: [claims], timeZone: {self.zone}}}\n"
        )
        put(f"apiVersion: mandate/v1\nkind: Tenant\n{ours}", *texts)

    def budget(self, name: str = "monthly", period: str = "month", more: str = "") -> str:
        """A Budget document of 1,000.00."""
        return (
            f"apiVersion: mandate/v1\nkind: Budget\nmetadata: {{name: {name}, tenant: {self.tenant}}}\n"
            f'spec: {{scope: {{}}, period: {period}, limit: "1000.00"{more}}}\n'
        )

    def window(
        self, starts: datetime | None = None, ends: datetime | None = None, budget: str = "monthly"
    ) -> int:
        """A window with a limit of 1,000.00; without moments the whole month."""
        with connection.cursor() as cursor:
            cursor.execute(_WINDOW, [starts or self.starts, ends or self.ends, self.tenant, budget])
            window: int = cursor.fetchone()[0]
            cursor.execute(
                "UPDATE routing_ledger_window SET limit_nano = %s WHERE id = %s",
                [1000 * 10**9, window],
            )
        return window

    def call(
        self, at: datetime, nano: int, windows: Sequence[int], **more: datetime | int | str
    ) -> None:
        """A call that was admitted then and cost so much; `reserved_at`, `overrun`, `key`, and `book=False` for who forgets."""
        self.made += 1
        call = (
            uuid7_floor(at).int + (7 << 76) + (2 << 62) + self.made + secrets.randbits(40) * 2**10
        )
        overrun = more.get("overrun", 0)
        reserved = more.get("reserved_at", at)
        with connection.cursor() as cursor:
            cursor.execute(
                _CALL,
                [_uuid(call), at, reserved, at, at, at, self.tenant, more.get("key", "k")],
            )
            cursor.execute(_ATTEMPT, [_uuid(call), nano, nano, overrun, list(windows)])
            if more.get("book", True):
                cursor.execute(_BOOK, [nano, overrun, list(windows)])


def _uuid(value: int) -> str:
    return f"{value:032x}"


@pytest.fixture
def shop(transactional_db: None) -> Shop:
    """One in UTC."""
    ensure_organisation()
    made = Shop()
    made.publish(made.budget())
    return made
