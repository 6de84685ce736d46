"""Seeding: once, told once, and documents that people changed stay as they are."""

import json
from pathlib import Path

import psycopg

from routing.demo import world
from tests.policies.databases import Installation, installation


def test_seed(
    owner_dsn: str, app_dsn: str, tmp_path: Path, service_environment: dict[str, str]
) -> None:
    home = tmp_path / "home"
    with installation(owner_dsn, app_dsn, service_environment, home) as made:
        made.shell("init", "--json")
        told = json.loads(made.shell("demo", "seed", "--sandbox-port", "9001", "--json"))
        _told_all(told)
        _written(made)
        first = told["keys"]["insurance/claims"].split("_")[1]
        made.shell("keys", "revoke", first, "--reason", "tried it")
        again = json.loads(made.shell("demo", "seed", "--sandbox-port", "9001", "--json"))
        assert again == {"route": world.ROUTE}
        assert _revision(made) == 2
        _moves_with_the_sandbox(made)


def _told_all(told: dict[str, object]) -> None:
    assert set(told) == {"route", "keys", "people", "tokens"}
    assert told["route"] == "claims-triage"
    keys, people, tokens = told["keys"], told["people"], told["tokens"]
    assert isinstance(keys, dict)
    assert isinstance(people, list)
    assert isinstance(tokens, dict)
    assert list(keys) == list(world.TEAMS)
    assert [p["name"] for p in people] == ["Ada", "Cleo", "Rui", "Tariq", "Finn", "Mallory"]
    assert all(set(p) == {"name", "email", "password", "roles"} for p in people)
    assert list(tokens) == list(world.TOKENS)


def _written(made: Installation) -> None:
    secrets = made.home / "secrets"
    assert (secrets / "sandbox.hosts").read_text(encoding="utf-8") == "127.0.0.1:9001\n"
    assert {f.stat().st_mode & 0o777 for f in secrets.iterdir()} == {0o600}
    with psycopg.connect(made.dsn) as db:
        members = db.execute(
            "SELECT u.email, t.slug || '/' || m.slug FROM policies_membership s "
            "JOIN policies_user u ON u.id = s.user_id JOIN policies_team m ON m.id = s.team_id "
            "JOIN policies_tenant t ON t.id = s.tenant_id ORDER BY 1"
        ).fetchall()
        grants = db.execute(
            "SELECT name FROM policies_document WHERE kind = 'RoleGrant' ORDER BY name"
        ).fetchall()
    assert members == [
        ("mallory@acme.example", "retail/support"),
        ("rui@acme.example", "insurance/claims"),
        ("tariq@acme.example", "insurance/claims"),
    ]
    assert [name for (name,) in grants] == ["ada", "cleo", "finn", "mallory", "rui", "tariq"]


def _moves_with_the_sandbox(made: Installation) -> None:
    """Another port at the next start: the providers follow, a rule that somebody changed stays."""
    folder = made.home / "policy"
    made.shell("policy", "export", str(folder))
    rule = folder / "insurance" / "Permission" / "claims-may-call.yaml"
    rule.write_text(rule.read_text(encoding="utf-8").replace("4000", "1234"), encoding="utf-8")
    made.shell("policy", "apply", str(folder))
    made.shell("demo", "seed", "--sandbox-port", "9002", "--json")
    assert _revision(made) == 4
    with psycopg.connect(made.dsn) as db:
        bodies = db.execute("SELECT body FROM policies_document ORDER BY kind, name").fetchall()
    text = "\n".join(body for (body,) in bodies)
    assert text.count("http://127.0.0.1:9002") == 4
    assert "http://127.0.0.1:9001" not in text
    assert '"maxOutputTokens":1234' in text


def _revision(made: Installation) -> int:
    with psycopg.connect(made.dsn) as db:
        row = db.execute("SELECT revision FROM policies_control").fetchone()
    assert row is not None
    return int(row[0])
