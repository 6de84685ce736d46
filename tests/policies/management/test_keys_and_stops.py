"""`manage.py keys` and `manage.py stop`."""

import json

import pytest

from policies.bundles.snapshot import published
from policies.identity.models import ApiKey
from policies.stops.models import Stop
from tests.policies.management.running import run
from tests.policies.people import entries
from tests.policies.texts import fresh, put, tenant

pytestmark = pytest.mark.usefixtures("application_role")


@pytest.fixture
def place() -> str:
    name = fresh("t")
    put(tenant(name, "claims"))
    return f"{name}/claims"


def test_a_key_is_printed_once_on_one_line(place: str) -> None:
    ran = run("keys", "create", place, "--json")
    (line,) = ran.said.splitlines()
    facts = json.loads(line)
    assert set(facts) == {"id", "key"}
    assert facts["key"].startswith(f"mdt_{facts['id']}_")
    row = ApiKey.objects.get(pk=facts["id"])
    assert (f"{row.tenant}/{row.team}", row.created_by) == (place, "cli:tess")
    assert [e["kind"] for e in entries(subject=f"key:{row.pk}")] == ["key.created"]
    listed = run("keys", "list", place)
    assert listed.said == f"{row.pk}  {place}    stands\n"
    assert facts["key"] not in listed.said


def test_a_key_ends_and_is_revoked(place: str) -> None:
    ran = run("keys", "create", place, "--days", "30", "--name", "ci", "--json")
    found = json.loads(ran.said)["id"]
    row = json.loads(run("keys", "list", place.split("/", maxsplit=1)[0], "--json").said)
    assert (row["id"], row["name"], row["revoked"]) == (found, "ci", False)
    assert row["ends"] > row["created"]
    assert run("keys", "revoke", found, "--reason", "lost").said == f"key {found} is revoked\n"
    assert ApiKey.objects.get(pk=found).revoked_at is not None
    again = run("keys", "revoke", found, "--reason", "lost")
    assert (again.code, "was revoked" in again.complained) == (1, True)


@pytest.mark.parametrize("wrong", ["claims", "nowhere/claims", "/"])
def test_a_key_needs_a_team(wrong: str) -> None:
    before = ApiKey.objects.count()
    ran = run("keys", "create", wrong, "--json")
    assert (ran.code, ran.said) == (1, "")
    assert ApiKey.objects.count() == before


def test_a_stop_is_set_listed_and_lifted(place: str) -> None:
    name = place.split("/", maxsplit=1)[0]
    found = json.loads(run("stop", "set", "tenant", name, "--reason", "audit", "--json").said)["id"]
    assert found in {s.id for s in published().stops}
    lines = [json.loads(line) for line in run("stop", "list", "--json").said.splitlines()]
    (row,) = [line for line in lines if line["id"] == found]
    assert (row["kind"], row["name"], row["reason"], row["by"]) == (
        "tenant",
        name,
        "audit",
        "cli:tess",
    )
    assert run("stop", "lift", found).said == "lifted\n"
    assert found not in {s.id for s in published().stops}
    again = run("stop", "lift", found)
    assert (again.code, "was lifted on" in again.complained) == (1, True)


def test_a_stop_of_nothing_is_refused(place: str) -> None:
    before = Stop.objects.count()
    ran = run("stop", "set", "model", "misspelt", "--reason", "x")
    assert (ran.code, ran.complained) == (1, 'there is no model "misspelt" to stop')
    assert Stop.objects.count() == before
    key = json.loads(run("keys", "create", place, "--json").said)["id"]
    name = place.split("/", maxsplit=1)[0]
    assert run("stop", "set", "key", key, "--tenant", name, "--reason", "x").code == 0
