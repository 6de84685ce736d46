"""What a change means, in words."""

import pytest

from policies.changes.words import Story, money, story
from policies.documents.parse import parse_text
from tests.policies.changes.world import budget, grant
from tests.policies.texts import ORGANISATION, permission, tenant


def told(before: str = "", after: str = "") -> Story:
    old, new = (parse_text(t)[0] if t else None for t in (before, after))
    found = new or old
    assert found is not None
    return story(found.identity, old, new, "EUR")


def test_a_raised_budget() -> None:
    found = told(
        budget("insurance-monthly", "t", "20000.00"), budget("insurance-monthly", "t", "25000.00")
    )
    assert (found.title, found.state) == ("Budget insurance-monthly", "changed")
    assert found.sentences == ("Limit: 20,000.00 EUR → 25,000.00 EUR.",)
    assert found.touches == "Calls of tenant t"


FORBID = permission("p", "t", "request.stream", "forbid")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (
            FORBID + "  level: soft\n",
            FORBID,
            "Was soft; is hard now: nothing lifts it.",
        ),
        (
            FORBID,
            FORBID + "  level: advisory\n",
            "Was hard; is advisory now: it is recorded only.",
        ),
        (
            permission("p", "t"),
            permission("p", "t", "request.stream"),
            "The condition was true; it is request.stream now.",
        ),
        (tenant("t", "a"), tenant("t", "a", "b", "c"), "Teams: now also b and c."),
        (tenant("t", "a", "b"), tenant("t", "b"), "Teams: no longer a."),
        (tenant("t", "a", "b"), tenant("t", "b", "a"), "Teams: now in the order b, a."),
        (
            tenant("t", "a"),
            tenant("t", "a").replace("teams", "region: eu, teams"),
            "Region: now eu.",
        ),
        (
            tenant("t", "a").replace("teams", "region: eu, teams"),
            tenant("t", "a"),
            "Region: no longer eu.",
        ),
        (
            budget("b", "t"),
            budget("b", "t").replace("limit:", "hard: false, limit:"),
            "Hard: no now.",
        ),
        (
            ORGANISATION,
            ORGANISATION.replace("single-operator", "four-eyes"),
            "Mode: single-operator → four-eyes.",
        ),
        (
            tenant("t", "a"),
            tenant("t", "a").replace("{name: t}", "{name: t, owner: ann}"),
            "Owner: none → ann.",
        ),
        (tenant("t", "a"), "# said\n" + tenant("t", "a"), "Only comments or spacing differ; it decides as before."),
    ],
)  # fmt: skip
def test_each_difference_is_a_sentence(before: str, after: str, says: str) -> None:
    assert told(before, after).sentences == (says,)


@pytest.mark.parametrize(
    ("text", "says", "touches"),
    [
        (FORBID, "Forbids a call (hard) when request.stream.", "Calls of tenant t"),
        (permission("p"), "Permits a call always.", "Calls of every tenant"),
        (
            budget("b", "t"),
            "At most 100.00 EUR a month; when exhausted: deny.",
            "Calls of tenant t",
        ),
        (
            grant("ann@acme.example", "author", "approver", of="t"),
            "ann@acme.example holds author and approver.",
            "What ann@acme.example may do in tenant t",
        ),
        (tenant("t", "a", "b"), "A tenant with the teams a, b.", "Everybody of tenant t"),
        (ORGANISATION, "The organisation, in single-operator mode.", "Calls of every tenant"),
    ],
)
def test_what_is_new_and_what_is_gone(text: str, says: str, touches: str) -> None:
    found = told(after=text)
    assert (found.state, found.sentences, found.touches) == ("new", (says,), touches)
    gone = told(before=text)
    assert (gone.state, gone.sentences) == ("deleted", (f"Taken away. It was: {says}",))


def test_every_kind_can_be_told() -> None:
    queue = (
        "apiVersion: mandate/v1\nkind: ReviewQueue\nmetadata: {name: desk}\n"
        "spec: {reviewers: [role:reviewer], dueMinutes: 30}\n"
    )
    (sentence,) = told(after=queue).sentences
    assert sentence.startswith("Reviewers role:reviewer, due minutes 30, ")


def test_amounts() -> None:
    assert money("1234567.5", "EUR") == "1,234,567.5 EUR"
    assert money("20", "USD") == "20 USD"
    assert money(None, "USD") == "None USD"
