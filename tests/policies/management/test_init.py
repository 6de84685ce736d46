"""`manage.py init`: once, the secrets, the first admin, revision 1. On a database of its own, since it must be empty."""

import json
import os
import secrets
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from controlplane.env import ROOT
from policies.documents.parse import parse_text
from policies.identity import credentials
from policies.management.setup import Founding, documents, make_secrets


@pytest.fixture
def empty(owner_dsn: str, app_dsn: str) -> Iterator[tuple[str, str]]:
    """A migrated database in which nothing was published: the DSNs of application and migrator."""
    name = f"init_{secrets.token_hex(4)}"
    with psycopg.connect(owner_dsn, autocommit=True) as owner:
        owner.execute("SET ROLE mandate_owner")
        owner.execute(f"CREATE DATABASE {name}")
        yield _at(app_dsn, name), _at(owner_dsn, name)
        owner.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _at(dsn: str, name: str) -> str:
    return urlsplit(dsn)._replace(path=f"/{name}").geturl()


def test_init_once(
    empty: tuple[str, str], tmp_path: Path, service_environment: dict[str, str]
) -> None:
    environment = {
        **os.environ,
        **service_environment,
        "DATABASE_URL": empty[0],
        "DATABASE_OWNER_URL": empty[1],
        "MANDATE_HOME": str(tmp_path / "home"),
        "LOGNAME": "tess",
    }

    def shell(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout

    shell("migrate", "--database", "owner", "--skip-checks")
    told = json.loads(
        shell(
            "init", "--admin-email", "Root@acme.example", "--time-zone", "Europe/Lisbon", "--json"
        )
    )
    (person,) = told.pop("people")
    assert told == {"initialised": True, "revision": 1}
    assert (person["name"], person["email"]) == ("Root", "root@acme.example")
    assert len(person["password"]) >= 16
    for name in ("pepper", "secret_key"):
        assert stat.S_IMODE((tmp_path / "home" / "keys" / name).stat().st_mode) == 0o600
    kept = (tmp_path / "home" / "keys" / "pepper").read_bytes()
    again = json.loads(shell("init", "--admin-email", "other@acme.example", "--json"))
    assert again == {"initialised": False, "revision": 1}
    assert (tmp_path / "home" / "keys" / "pepper").read_bytes() == kept
    with psycopg.connect(empty[0]) as db:
        assert db.execute("SELECT current_user").fetchone() == (urlsplit(empty[0]).username,)
        rows = db.execute("SELECT kind, name, origin, actor FROM policies_document ORDER BY kind")
        assert rows.fetchall() == [
            ("Organisation", "acme", "console", "cli:tess"),
            ("RoleGrant", "first-admin", "console", "cli:tess"),
        ]
        assert db.execute("SELECT email FROM policies_user").fetchall() == [("root@acme.example",)]
        kinds = db.execute("SELECT kind FROM audit_entry ORDER BY xid, id").fetchall()
        assert [k for (k,) in kinds] == [
            "member.added",
            "organisation.initialised",
            "bundle.activated",
        ]


def test_revision_one_is_the_example_in_single_operator_mode() -> None:
    founding = Founding(currency="EUR", time_zone="UTC", email="Ada@acme.example", name="Ada")
    organisation, grant = parse_text(documents(founding))
    assert organisation.body["spec"] == {
        "currency": "EUR",
        "timeZone": "UTC",
        "exchangeRates": [{"from": "2026-11-01", "USD": "0.92"}],
        "mode": "single-operator",
        "dataClasses": ["public", "internal", "personal", "health", "secret"],
        "approvals": {
            "default": {"count": 1, "roles": ["approver"]},
            "Budget": {"count": 1, "roles": ["finance"]},
            "Tenant": {"count": 0},
        },
        "replay": {"days": 7, "required": True},
    }
    assert grant.body["spec"]["member"] == "ada@acme.example"
    assert grant.body["spec"]["roles"] == [
        "admin",
        "author",
        "approver",
        "reviewer",
        "finance",
        "auditor",
        "developer",
    ]
    other = Founding(currency="CHF", time_zone="UTC", email="a@acme.example", name="A")
    assert "exchangeRates" not in parse_text(documents(other))[0].body["spec"]


def test_secrets_are_never_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    make_secrets(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    first = credentials.read_pepper(folder)
    assert len(first) == 32
    make_secrets(folder)
    assert credentials.read_pepper(folder) == first
