"""What every test shares: a test database reached as the application role, and no network but loopback."""

import ipaddress
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connections
from django.test.utils import setup_databases, teardown_databases
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker

from controlplane import env
from tests import services

# the same examples at every run, and no deadline: a busy machine is no counter-example; one counter-example at a time,
# so that a failure is the assertion itself and not a group of them
hypothesis_settings.register_profile(
    "repeatable", derandomize=True, deadline=None, report_multiple_bugs=False
)
hypothesis_settings.load_profile("repeatable")

_REAL_CONNECT = socket.socket.connect
_REAL_CONNECT_EX = socket.socket.connect_ex
SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes a browser is marked so, before `-m` selects."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


MOST_SECONDS = 600


def _too_long(_signal: int, _frame: FrameType | None) -> None:
    raise AssertionError(f"this test was still running after {MOST_SECONDS} s")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """A test that waits for what never comes ends, and says where it waited."""
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(MOST_SECONDS)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class NetworkBlocked(AssertionError):
    """A test tried to leave this machine."""


def _check(address: Any) -> None:
    if not isinstance(address, tuple) or address[0] in {"localhost", ""}:
        return
    try:
        loopback = ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise NetworkBlocked(f"a test tried to reach {address[0]}:{address[1]}")


def _connect(self: socket.socket, address: Any) -> None:
    _check(address)
    return _REAL_CONNECT(self, address)


def _connect_ex(self: socket.socket, address: Any) -> int:
    _check(address)
    return _REAL_CONNECT_EX(self, address)


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", _connect)
    patch.setattr(socket.socket, "connect_ex", _connect_ex)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The vectors and data beside the checkout; tests that take it carry `needs_shared`."""
    if not (SHARED / "vectors").is_dir():
        pytest.skip("needs the vectors that lie beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """One test database for the session, migrated by the owner; `default` mirrors it as the application role.

    pytest-django would set up only the aliases that tests name, and leave `default` on the real database. MANDATE_TEST_TEMPLATE
    names a database that is migrated already, to copy.
    """
    template = os.environ.get("MANDATE_TEST_TEMPLATE")
    connections["owner"].settings_dict["TEST"]["TEMPLATE"] = template
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False, serialized_aliases=())
    name = connections["default"].settings_dict["NAME"]
    settings.DATABASE_URL = _with_name(settings.DATABASE_URL, name)
    yield
    for connection in connections.all(initialized_only=True):
        connection.close()
    if not services.ours():
        with django_db_blocker.unblock():
            teardown_databases(made, verbosity=0)


def _with_name(dsn: str, name: str) -> str:
    return urlsplit(dsn)._replace(path=f"/{name}").geturl()


@pytest.fixture(scope="session")
def app_dsn(django_db_setup: None) -> str:
    """The test database as the application role, for psycopg."""
    return str(settings.DATABASE_URL)


@pytest.fixture(scope="session")
def owner_dsn(django_db_setup: None) -> str:
    """The test database as the migrator, who may SET ROLE mandate_owner."""
    name = str(connections["default"].settings_dict["NAME"])
    return _with_name(env.database_owner_url(), name)


@pytest.fixture(scope="session")
def service_environment(app_dsn: str, owner_dsn: str) -> dict[str, str]:
    """What a process of ours that a test starts must find in its environment."""
    return {
        **os.environ,
        "DATABASE_URL": app_dsn,
        "DATABASE_OWNER_URL": owner_dsn,
        "REDIS_URL": str(settings.REDIS_URL),
        "MANDATE_HOME": str(settings.MANDATE_HOME),
    }
