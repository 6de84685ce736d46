"""Django's own connection on a log of a test's own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker

from audit.vault.store import Plain
from controlplane.kernel.errors import Conflict
from tests.audit.conftest import APPEND, LogDatabase, an_entry, database, row_of

OLD = date(2024, 1, 1)
OLD_TABLES = ("audit_entry", "vault_content")


@contextmanager
def connected(log: LogDatabase, blocker: DjangoDbBlocker) -> Iterator[LogDatabase]:
    """What runs in this process runs on that log."""
    connection = connections["default"]
    name = connection.settings_dict["NAME"]
    with blocker.unblock():
        connection.close()
        connection.settings_dict["NAME"] = urlsplit(log.app_dsn).path.lstrip("/")
        try:
            yield log
        finally:
            connection.close()
            connection.settings_dict["NAME"] = name


@pytest.fixture
def old_log(log_db: LogDatabase, django_db_blocker: DjangoDbBlocker) -> Iterator[LogDatabase]:
    """A log with the month of January 2024."""
    with log_db.owner() as owner:
        for table in OLD_TABLES:
            owner.execute("SELECT make_month(%s, %s, 100)", [table, OLD])
    with connected(log_db, django_db_blocker):
        yield log_db


@pytest.fixture(scope="module")
def _module_log(_template: str) -> Iterator[LogDatabase]:
    with database(_template) as made:
        yield made


@pytest.fixture
def shared_log(
    _module_log: LogDatabase, django_db_blocker: DjangoDbBlocker
) -> Iterator[LogDatabase]:
    """One log for all tests of a module."""
    with connected(_module_log, django_db_blocker):
        yield _module_log


def an_old_id(number: int) -> UUID:
    """A UUIDv7 of the first minutes of January 2024."""
    millis = 1_704_067_200_000 + number
    return UUID(int=(millis << 80) | (7 << 76) | (2 << 62) | number)


def fill(log: LogDatabase, count: int) -> tuple[list[UUID], list[UUID]]:
    """Old entries of as many calls, with a member's act after every fifth; returns the ids of both."""
    calls, acts = [], []
    with log.app() as db:
        for number in range(count):
            call = an_old_id(2 * number)
            entry = an_entry("call.completed", id=call, call=call, tenant="insurance")
            db.execute(APPEND, row_of(entry))
            calls.append(entry.id)
            if number % 5 == 4:
                act = an_entry("bundle.activated", id=an_old_id(2 * number + 1))
                db.execute(APPEND, row_of(act))
                acts.append(act.id)
    return calls, acts


def refused(action: Callable[[], object]) -> str:
    """The words of a conflict; nothing where the action was let through."""
    try:
        action()
    except Conflict as error:
        return error.message
    return ""


class Service(Plain):
    """A key service that keeps a key for each tenant, or one for all."""

    def __init__(self, day: str) -> None:
        self.day = day
        self.retired: list[str] = []

    @property
    def own(self) -> bool:  # type: ignore[override]
        return bool(self.day)

    def retire(self, tenant: str) -> str:
        self.retired += [tenant] if self.day else []
        return self.day
