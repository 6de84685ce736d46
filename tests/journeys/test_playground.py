"""A member tries a route from the console: a real call on the team's console key, as in any journey."""

import pytest

from tests.browser.world import Console
from tests.journeys.installation import Installation

ASK = {"place": "insurance/claims", "route": "claims-triage", "max_tokens": "40", "do": "send"}


@pytest.fixture(scope="module")
def console(mandate: Installation) -> Console:
    """The installation's own console, with its demo people."""
    facts = mandate.facts()
    people = {person["name"].lower(): person for person in facts["people"]}
    return Console(
        mandate.url, mandate.running.machine.environment(), people, facts["tokens"], facts["keys"]
    )


def _keys(mandate: Installation) -> list[dict[str, object]]:
    return mandate.rows(
        "SELECT id, team, created_by FROM policies_api_key WHERE tenant = 'insurance' AND name = 'console'"
    )


def test_sending_is_a_call_of_the_teams_console_key(
    mandate: Installation, console: Console
) -> None:
    before = len(mandate.calls_of("insurance"))
    with console.signed_in("tariq") as tariq:
        page = console.post(tariq, "/playground/", message="A roof tile fell", **ASK)
        again = console.post(tariq, "/playground/", message="Another one fell", **ASK)
    first, second = mandate.calls_of("insurance")[before:]
    assert f"call_{first['id'].hex}" in page.text
    assert f"call_{second['id'].hex}" in again.text
    assert "x-mandate-cost: " in page.text
    assert "claims-may-call" in page.text
    (key,) = _keys(mandate)
    assert key["team"] == "claims"
    assert {first["key"], second["key"]} == {key["id"]}
    assert first["state"] == "completed"
    assert mandate.entries(first["id"]) == [
        "call.admitted",
        "attempt.started",
        "attempt.succeeded",
        "call.completed",
    ]
    made = mandate.rows("SELECT body FROM audit_entry WHERE kind = 'key.created'")
    assert sum(f"key:{key['id']}".encode() in bytes(row["body"]) for row in made) == 1


def test_a_denied_try_is_an_entry_and_says_why(mandate: Installation, console: Console) -> None:
    before = len(mandate.calls_of("insurance"))
    with console.signed_in("tariq") as tariq:
        page = console.post(tariq, "/playground/", message="x", data_classes="secret", **ASK)
    (call,) = mandate.calls_of("insurance")[before:]
    assert (call["state"], mandate.attempts(call["id"])) == ("denied", [])
    assert "secrets-go-nowhere" in page.text
    assert mandate.entries(call["id"]) == ["call.denied"]
