"""What one entry's page says beyond its bytes: before and after, and where one goes on."""

import re
from collections.abc import Iterator
from uuid import UUID

import pytest

from audit.log import read
from audit.log.kinds import KINDS, Group
from policies.changes import commands as drafts
from routing.ui.entry import About, EntryId, about
from tests.policies.changes.world import World, force, opened, world
from tests.policies.people import entries
from tests.policies.texts import ensure_organisation, permission

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def made(transactional_db: None) -> Iterator[World]:
    ensure_organisation()
    with world() as found:
        yield found


def of(who: object, kind: str, subject: str = "") -> About:
    """What the newest entry of a kind is about."""
    line = next(
        line
        for line in read.page(read.Filter(groups=tuple(Group), subject=subject)).lines
        if line.kind.name == kind
    )
    return about(who, line)  # type: ignore[arg-type] # a principal


def shown(found: About) -> list[tuple[str, list[str]]]:
    return [
        (text.name, [f"{line.mark}{line.text}" for line in text.lines if line.mark in "+-"])
        for text in found.texts
    ]


def test_a_publication_shows_each_document_before_and_after(made: World) -> None:
    force(permission("p", made.tenant))
    revision = force(permission("p", made.tenant, "request.stream"))
    found = of(made.cleo, "bundle.activated")
    assert shown(found) == [
        (f"Permission {made.tenant}/p", ["-  when: 'true'", "+  when: 'request.stream'"])
    ]
    assert (f"Revision {revision}", f"/revisions/{revision}/") in [
        (link.text, link.url) for link in found.links
    ]
    assert ("changed", "1") in found.fields
    # a person of another tenant learns nothing of it
    assert shown(of(made.mallory, "bundle.activated")) == []


def test_a_draft_shows_what_it_says_as_long_as_it_says_it(made: World) -> None:
    row = opened(made.tariq, permission("q", made.tenant), of=made.tenant, submit=False)
    found = of(made.cleo, "change.edited", row.subject)
    assert [name for name, _ in shown(found)] == [f"Permission {made.tenant}/q"]
    assert found.links[0].text == "A change"
    assert found.links[0].url == f"/change-requests/{row.pk}/"
    drafts.put_texts(made.tariq, row.pk, permission("q", made.tenant, "request.stream"), "*")
    first = read.page(read.Filter(subject=row.subject)).lines[-2]
    assert first.kind.name == "change.edited"
    stale = about(made.cleo, first)
    assert (stale.texts, stale.note) == (
        (),
        "It was edited after this; what it came to is on its page.",
    )
    assert of(made.mallory, "change.edited", row.subject).texts == ()
    assert entries(row.subject)[0]["kind"] == "change.opened"


@pytest.mark.parametrize(
    ("subject", "url"),
    [
        ("member:rui@acme.example", "/members/rui@acme.example/"),
        ("key:ab12cd34", "/keys/ab12cd34/"),
        ("document:Permission insurance/p", "/documents/Permission/insurance/p/"),
        ("document:Permission p", "/documents/Permission/-/p/"),
        ("use-case:insurance/triage", "/use-cases/insurance/triage/dossier/"),
        ("stop:" + "ab" * 16, "/stops/"),
        ("review:" + "ab" * 16, f"/reviews/{UUID(hex='ab' * 16)}/"),
        ("review:nothing", None),
        ("log", None),
    ],
)
def test_the_subject_leads_to_its_page(made: World, subject: str, url: str | None) -> None:
    line = next(iter(read.page(read.Filter()).lines))
    told = about(
        made.cleo,
        read.Line(
            line.id,
            line.at,
            line.recorded_at,
            KINDS["log.pruned"],
            "cli:x",
            "",
            None,
            subject,
            {"was": 1},
            3,
        ),
    )
    assert [link.url for link in told.links] == ([url] if url else [])


def test_an_id_is_written_in_two_ways_and_no_other() -> None:
    whole = re.compile(f"^(?:{EntryId.regex})$")
    assert whole.match("ab" * 16)
    assert whole.match(str(UUID(hex="ab" * 16)))
    assert not whole.match("verify")
    assert not whole.match("ab" * 16 + "c")
