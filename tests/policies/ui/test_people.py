"""How who did something is written for people."""

import pytest

from policies.ui.people import person, person_in_full

KNOWN = {"ada@acme.example": "Ada"}


@pytest.mark.parametrize(
    ("actor", "short", "full"),
    [
        ("member:ada@acme.example", "Ada", "Ada (ada@acme.example)"),
        ("member:bob@acme.example", "bob@acme.example", "bob@acme.example"),
        ("ada@acme.example", "ada@acme.example", "Ada (ada@acme.example)"),
        ("job:retention", "the system", "the system"),
        ("cli:root", "root (command line)", "root (command line)"),
        ("team claims", "team claims", "team claims"),
        ("", "", ""),
    ],
)
def test_a_person_is_named_in_short_and_in_full(actor: str, short: str, full: str) -> None:
    assert (person(actor, KNOWN), person_in_full(actor, KNOWN)) == (short, full)
