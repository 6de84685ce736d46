"""`manage.py init`: once, the secrets, the first admin, revision 1. On a database of its own, since it must be empty."""

import json
import stat
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from policies.documents.parse import parse_text
from policies.identity import credentials
from policies.management.setup import Founding, documents, make_secrets
from tests.policies.databases import Installation, installation


def test_init_once(
    owner_dsn: str, app_dsn: str, tmp_path: Path, service_environment: dict[str, str]
) -> None:
    home = tmp_path / "home"
    with installation(owner_dsn, app_dsn, service_environment, home) as made:
        _init(made)


def _init(made: Installation) -> None:
    keys = made.home / "keys"
    told = json.loads(
        made.shell(
            "init", "--admin-email", "Root@acme.example", "--time-zone", "Europe/Lisbon", "--json"
        )
    )
    (person,) = told.pop("people")
    assert told == {"initialised": True, "revision": 1}
    assert (person["name"], person["email"]) == ("Root", "root@acme.example")
    assert len(person["password"]) >= 16
    for name in ("pepper", "secret_key"):
        assert stat.S_IMODE((keys / name).stat().st_mode) == 0o600
    kept = (keys / "pepper").read_bytes()
    again = json.loads(made.shell("init", "--admin-email", "other@acme.example", "--json"))
    assert again == {"initialised": False, "revision": 1}
    assert (keys / "pepper").read_bytes() == kept
    with psycopg.connect(made.dsn) as db:
        assert db.execute("SELECT current_user").fetchone() == (urlsplit(made.dsn).username,)
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
