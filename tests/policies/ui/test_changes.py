"""The pages of change requests: what they say, who is offered what, and that nothing typed is lost."""

from django.db import connection
from django.test.utils import CaptureQueriesContext

from policies.changes import publishing
from policies.changes.models import ChangeRequest
from policies.changes.seen import DELETED, digest
from policies.order.lock import control
from tests.policies.changes.world import World, budget, force, opened
from tests.policies.texts import permission
from tests.policies.ui.conftest import Pages, words


def test_from_a_text_to_a_published_revision(world: World) -> None:
    tariq, cleo = Pages(world.tariq), Pages(world.cleo)
    new = tariq.get("/change-requests/new/").content.decode()
    assert f"metadata: {{name: my-rule, tenant: {world.tenant}}}" in new
    page = tariq.post(
        "/change-requests/new/",
        title="Let claims call",
        reason="They asked",
        tenant=world.tenant,
        documents=permission("p", world.tenant),
    )
    row = ChangeRequest.objects.get(tenant=world.tenant)
    one = f"/change-requests/{row.id}/"
    assert page.redirect_chain == [(one, 302)]
    text = words(page)
    assert "Let claims call" in text
    assert "Permits a call always." in text
    assert f"Calls of tenant {world.tenant}." in text
    assert "Hand in" in text
    text = words(tariq.post(f"{one}submit/"))
    assert "Handed in. What was found stands below." in text
    assert "This is approved by the role approver; Tariq does not hold it here." in text
    assert "1 missing" in text
    seen = cleo.get(one).content.decode()
    assert f'action="{one}approve/"' in seen
    before = control().revision
    digest = ChangeRequest.objects.get(pk=row.pk).digest
    text = words(
        cleo.post(f"{one}approve/", base=row.base, digest=digest, replay="", reason="fine")
    )
    assert f"Revision {before + 1} is in force." in text
    assert "Cleo approved" in text
    assert "“fine”" in text


def test_a_time_may_be_given(world: World) -> None:
    tariq = Pages(world.tariq)
    tariq.post(
        "/change-requests/new/", title="Later", tenant=world.tenant, publish_at="2099-01-02T09:30"
    )
    row = ChangeRequest.objects.get(tenant=world.tenant)
    assert row.publish_at is not None
    assert row.publish_at.isoformat() == "2099-01-02T09:30:00+00:00"
    assert "Once approved it is published" in words(tariq.get(f"/change-requests/{row.id}/"))
    wrong = tariq.post("/change-requests/new/", title="x", tenant=world.tenant, publish_at="soon")
    assert (wrong.status_code, "Enter a valid date/time." in words(wrong)) == (422, True)


def test_cleo_is_not_offered_her_own(world: World) -> None:
    row = opened(world.cleo, permission("p", world.tenant))
    cleo, one = Pages(world.cleo), f"/change-requests/{row.id}/"
    page = cleo.get(one)
    assert "You wrote or last edited this; another person approves it." in words(page)
    assert f'action="{one}approve/"' not in page.content.decode()
    before = control()
    text = words(cleo.post(f"{one}approve/", digest=row.digest))
    assert "You wrote or last edited this; another person approves it." in text
    assert control() == before
    row.refresh_from_db()
    assert (row.state, row.approvals.count()) == ("approval", 0)


def test_a_text_that_cannot_be_read_is_kept_and_told_at_its_place(world: World) -> None:
    tariq = Pages(world.tariq)
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant, submit=False)
    address = f"/change-requests/{row.id}/edits/Permission/{world.tenant}/p/"
    broken = permission("p", world.tenant).replace("effect: permit", "effect: maybe")
    page = tariq.post(address, documents=broken)
    assert "stands there already: say what your text began from" in words(page)
    assert row.edits.get().problems == []
    page = tariq.post(address, documents=broken, seen=digest(row.edits.get().source))
    assert page.redirect_chain == [(address, 302)]
    assert "Line 5, column 11, spec.effect:" in words(page)
    assert "effect: maybe" in page.content.decode()
    assert "Its text has to be put right first." in words(tariq.get(f"/change-requests/{row.id}/"))
    right = permission("p", world.tenant).replace("\n", "\r\n")
    page = tariq.post(address, documents=right, seen=digest(broken))
    assert page.redirect_chain == [(f"/change-requests/{row.id}/", 302)]
    assert row.edits.get().source == permission("p", world.tenant)
    page = tariq.post(f"/change-requests/{row.id}/edits/", documents="hello: [")
    assert "Kept, but it cannot be read" in words(page)
    lost = f"/change-requests/{row.id}/edits/-/-/text-1/"
    assert "hello: [" in tariq.get(lost).content.decode()
    tariq.post(
        lost,
        documents=permission("q", world.tenant),
        seen=digest(row.edits.get(name="text-1").source),
    )
    assert sorted(row.edits.values_list("kind", "name")) == [
        ("Permission", "p"),
        ("Permission", "q"),
    ]


def test_an_edit_is_taken_out_and_a_document_deleted(world: World) -> None:
    force(permission("old", world.tenant))
    tariq = Pages(world.tariq)
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant, submit=False)
    one = f"/change-requests/{row.id}/edits/Permission/{world.tenant}"
    assert "As published in revision" in words(tariq.get(f"{one}/old/"))
    tariq.post(f"{one}/old/", delete="1", seen=digest(permission("old", world.tenant)))
    assert row.edits.get(name="old").deletes
    assert "Taken away. It was: Permits a call always." in words(
        tariq.get(f"/change-requests/{row.id}/")
    )
    tariq.post(f"{one}/old/", remove="1", seen=DELETED)
    tariq.post(f"{one}/p/", remove="1", seen=digest(permission("p", world.tenant)))
    assert row.edits.count() == 0
    assert "Nothing is edited yet" in words(tariq.get(f"/change-requests/{row.id}/"))


def test_others_changes_are_shown_beside_ones_own(world: World) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    force(permission("p", world.tenant, "request.stream"))
    tariq, one = Pages(world.tariq), f"/change-requests/{row.id}/"
    text = words(tariq.get(one))
    assert "Others published meanwhile" in text
    assert "when: 'request.stream'" in text
    assert "Rebase" not in words(Pages(world.finn).get(one)).replace("Rebase to write", "")
    assert "edit the text, or keep yours" in words(tariq.post(f"{one}rebase/"))
    text = words(tariq.post(f"{one}rebase/", mine=f"Permission|{world.tenant}|p"))
    assert "It is written against the bundle in force now." in text
    assert "choose from the list" in words(tariq.post(f"{one}rebase/", mine="x")).lower()


def test_sending_back_and_withdrawing(world: World) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    one = f"/change-requests/{row.id}/"
    assert "Say why" in words(Pages(world.cleo).post(f"{one}request-changes/", reason=" "))
    text = words(Pages(world.cleo).post(f"{one}request-changes/", reason="too wide"))
    assert "Changes were requested: too wide" in text
    text = words(Pages(world.tariq).post(f"{one}withdraw/", reason="never mind"))
    assert "Withdrawn: never mind. Nothing of it took effect." in text
    assert Pages(world.tariq).post(f"{one}nothing/").status_code == 404
    assert Pages(world.tariq).get(f"{one}edits/").status_code == 200


def test_the_list_and_who_is_not_in_it(world: World) -> None:
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant, title="Ours alone")
    text = words(Pages(world.tariq).get("/change-requests/?state=approval"))
    assert "Ours alone" in text
    assert "waits for approval" in text
    assert "Ours alone" not in words(Pages(world.tariq).get("/change-requests/?state=published"))
    assert "Ours alone" not in words(Pages(world.tariq).get("/change-requests/?q=nothing"))
    mallory = Pages(world.mallory)
    assert "Ours alone" not in words(mallory.get("/change-requests/"))
    for path in ("", "edits/", f"edits/Permission/{world.tenant}/p/"):
        assert mallory.get(f"/change-requests/{row.id}/{path}").status_code == 404
    for act in ("approve", "submit", "withdraw", "publish", "rebase", "check", "request-changes"):
        assert mallory.post(f"/change-requests/{row.id}/{act}/", reason="x").status_code == 404
    assert "New change request" not in words(Pages(world.dora).get("/change-requests/"))
    assert Pages(world.dora).get("/change-requests/new/").status_code == 403


def test_a_change_is_proposed_from_a_documents_page(world: World) -> None:
    force(permission("p", world.tenant))
    tariq = Pages(world.tariq)
    page = tariq.get(f"/documents/Permission/{world.tenant}/p/").content.decode()
    assert f'href="/documents/Permission/{world.tenant}/p/edit/"' in page
    link = f"/change-requests/new/?kind=Permission&amp;tenant={world.tenant}&amp;name=p"
    new = tariq.get(link.replace("&amp;", "&")).content.decode()
    assert "effect: permit" in new
    assert "Change Permission p" in new
    assert tariq.get("/change-requests/new/?kind=Permission&name=nope").status_code == 404
    mallory = Pages(world.mallory)
    assert mallory.get(link.replace("&amp;", "&")).status_code == 404


def test_history_versions_uses_and_the_way_back(world: World) -> None:
    first = force(permission("p", world.tenant))
    row = opened(
        world.tariq, permission("p", world.tenant, "request.stream"), of=world.tenant, title="Less"
    )
    done = publishing.approve(world.cleo, row.id)
    cleo = Pages(world.cleo)
    page = cleo.get(f"/documents/Permission/{world.tenant}/p/")
    text = words(page)
    assert f"Revision {done.published_revision}: changed" in text
    assert f"Revision {first}: created" in text
    assert "Less" in text
    links = [
        part.partition('"')[0]
        for part in page.content.decode().split('href="')
        if "/versions/" in part
    ]
    newest = words(cleo.get(links[0]))
    assert "The condition was true; it is request.stream now." in newest
    assert Pages(world.mallory).get(links[0]).status_code == 404
    assert cleo.get(f"/documents/Permission/{world.tenant}/p/versions/1/").status_code == 404
    assert f"Permission {world.tenant}/p" in words(cleo.get(f"/documents/Tenant/-/{world.tenant}/"))
    text = words(cleo.get("/revisions/"))
    assert f"Revision {done.published_revision} in force" in text
    text = words(cleo.get(f"/revisions/{done.published_revision}/"))
    assert "The condition was true; it is request.stream now." in text
    assert "Roll back" not in text
    assert "Roll back to it" in words(cleo.get(f"/revisions/{first}/"))
    assert "Roll back" not in words(Pages(world.tariq).get(f"/revisions/{first}/"))
    mallory = words(Pages(world.mallory).get(f"/revisions/{done.published_revision}/"))
    assert "Nothing that you may see." in mallory
    assert "Less" not in mallory
    text = words(cleo.post(f"/revisions/{first}/rollback/"))
    assert f"Handed in: back to revision {first}." in text
    assert Pages(world.tariq).post(f"/revisions/{first}/rollback/").status_code == 403
    assert cleo.get("/revisions/999999/").status_code == 404


def test_every_page_takes_at_most_fifteen_queries(world: World) -> None:
    force(*(permission(f"p{n}", world.tenant) for n in range(5)))
    row = opened(
        world.tariq,
        *(permission(f"p{n}", world.tenant, "request.stream") for n in range(5)),
        budget("b", world.tenant),
        of=world.tenant,
    )
    publishing.approve(world.finn, row.id)
    for n in range(3):
        opened(world.tariq, permission(f"q{n}", world.tenant), of=world.tenant, submit=False)
    cleo, tariq = Pages(world.cleo), Pages(world.tariq)
    for pages, path in (
        (cleo, f"/change-requests/{row.id}/"),
        (cleo, "/change-requests/"),
        (tariq, "/change-requests/new/"),
        (tariq, f"/change-requests/{row.id}/edits/Permission/{world.tenant}/p1/"),
        (cleo, f"/documents/Permission/{world.tenant}/p1/"),
        (cleo, "/documents/"),
        (cleo, "/revisions/"),
        (cleo, f"/revisions/{control().revision}/"),
    ):
        pages.get(path)
        with CaptureQueriesContext(
            connection,
        ) as found:
            assert pages.get(path).status_code == 200
        assert len(found) <= 15, path
