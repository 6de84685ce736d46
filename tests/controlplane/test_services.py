"""The plugin that gives every test its services: they are real, and tests run as the application role."""

import os
import time
from pathlib import Path

import pytest
from django.db import connection

from tests import services


@pytest.mark.django_db
def test_tests_run_as_the_application_role() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, session_user, current_database()")
        user, session, database = cursor.fetchone()
        cursor.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        )
        assert cursor.fetchone() == (False, False, False, False)
        cursor.execute(
            "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = current_user"
        )
        assert cursor.fetchone() == (0,)
    assert (user, session) == ("mandate_app", "mandate_app")
    assert database.startswith("test_")


@pytest.mark.django_db
def test_the_application_role_owns_and_makes_nothing() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname = 'mandate_app'"
        )
        assert cursor.fetchone() == (0,)
        with pytest.raises(Exception, match="permission denied"):
            cursor.execute("CREATE TABLE mine (id int)")


def test_what_ended_installations_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    mine = f"mandate-{os.geteuid()}"
    long_ago = time.time() - 7200
    for name in (f"{mine}-left", f"{mine}-in-use", f"{mine}-new", "mandate-somebody"):
        (tmp_path / name).mkdir()
    (tmp_path / f"{mine}-in-use" / ".s.PGSQL.5432").touch()
    for name in (f"{mine}-left", f"{mine}-in-use", "mandate-somebody"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    services.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{mine}-in-use",
        f"{mine}-new",
        "mandate-somebody",
    ]
