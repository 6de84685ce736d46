"""A document that Git keeps, in the console: its origin, an edit as a patch, taking over, and drift."""

import pytest

from policies.bundles.models import Document
from policies.bundles.ownership import Place, digest_of, noted
from policies.bundles.publish import Edits, publish
from policies.changes.models import ChangeRequest
from policies.documents.parse import parse_text
from policies.order.lock import control
from tests.policies.changes.world import World
from tests.policies.people import entries
from tests.policies.texts import permission
from tests.policies.ui.conftest import Pages, words

COMMIT = "1a2b3c4d5e6f"
LINK = f"https://github.com/acme/policies/blob/{COMMIT}/policy/p.yaml#L1"
MOST_QUERIES = 15


@pytest.fixture
def kept(world: World) -> World:
    """`p` of the tenant is kept in Git."""
    text = permission("p", world.tenant)
    place = Place(
        repository="git@github.com:acme/policies.git",
        commit=COMMIT,
        path="policy/p.yaml",
        line=1,
        digest=digest_of(text),
    )
    edits = Edits(
        actor="cli:test",
        origin="git",
        put=parse_text(text),
        places={("Permission", world.tenant, "p"): noted(place)},
    )
    publish(edits, lambda *_: None)
    return world


def at(world: World, rest: str = "") -> str:
    return f"/documents/Permission/{world.tenant}/p/{rest}"


def test_its_page_says_where_git_has_it(kept: World) -> None:
    page = Pages(kept.cleo).get(at(kept))
    assert f'href="{LINK}"' in page.content.decode()
    said = words(page)
    assert "policy/p.yaml:1 at 1a2b3c4d5e of git@github.com:acme/policies.git" in said
    assert "Write a patch" in said
    assert "Take it over from Git" in said
    assert "differs from Git" not in said
    assert "Take it over" not in words(Pages(kept.tariq).get(at(kept)))


def test_an_edit_is_a_patch_and_saves_nothing(kept: World) -> None:
    cleo, before = Pages(kept.cleo), ChangeRequest.objects.count()
    form = words(cleo.get(at(kept, "edit/?tab=yaml")))
    assert "Make a patch" in form
    assert "Git keeps this document" in form
    after = permission("p", kept.tenant, "request.stream")
    page = cleo.post(at(kept, "edit/"), view="yaml", text=after, do="save")
    assert page.status_code == 200
    said = page.content.decode()
    assert "+  when: &#x27;request.stream&#x27;" in said
    assert "--- a/policy/p.yaml" in said
    file = cleo.post(at(kept, "patch/"), text=after)
    assert file["Content-Disposition"] == 'attachment; filename="p.patch"'
    assert file.content.decode().splitlines()[:2] == ["--- a/policy/p.yaml", "+++ b/policy/p.yaml"]
    assert "There is nothing to patch" in words(
        cleo.post(at(kept, "patch/"), text=permission("p", kept.tenant))
    )
    assert ChangeRequest.objects.count() == before


def test_taking_over_hands_it_to_the_console_and_drift_shows(kept: World) -> None:
    before = control()
    refused = Pages(kept.tariq).post(at(kept, "take-over/"))
    assert refused.status_code == 403
    assert Pages(kept.mallory).post(at(kept, "take-over/")).status_code == 404
    assert entries(f"document:Permission {kept.tenant}/p") == []
    said = words(Pages(kept.cleo).post(at(kept, "take-over/")))
    assert "taken over by the console" in said
    assert [e["kind"] for e in entries(f"document:Permission {kept.tenant}/p")] == [
        "document.taken-over"
    ]
    assert "is the console's already" in words(Pages(kept.cleo).post(at(kept, "take-over/")))
    assert control() == before
    row = Document.objects.get(kind="Permission", tenant=kept.tenant, name="p")
    assert row.origin == "console"
    after = permission("p", kept.tenant, "request.stream")
    edits = Edits(actor="cli:test", origin="console", change="ab" * 16, put=parse_text(after))
    publish(edits, lambda *_: None)
    said = words(Pages(kept.cleo).get(at(kept)))
    assert "differs from Git at commit 1a2b3c4d5e" in said
    assert "What Git lacks, as a patch--- a/policy/p.yaml +++ b/policy/p.yaml @@" in said
    assert "- when: 'true' + when: 'request.stream'" in said
    listed = words(Pages(kept.cleo).get(f"/documents/?tenant={kept.tenant}"))
    assert "differs from Git at 1a2b3c4d5e" in listed


def test_the_pages_stay_cheap(kept: World, django_assert_max_num_queries: object) -> None:
    cleo = Pages(kept.cleo)
    for path in (at(kept), at(kept, "edit/"), "/documents/"):
        with django_assert_max_num_queries(MOST_QUERIES):  # type: ignore[operator] # the fixture's own type is no callable
            assert cleo.get(path).status_code == 200
