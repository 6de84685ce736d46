"""The form of a document in the console: what it saves, what it keeps, who may, and how many queries it takes."""

from html import unescape
from typing import Any

import pytest

from policies.changes.models import ChangeRequest, Edit
from tests.policies.changes.world import World, force
from tests.policies.forms.test_controls import Browser
from tests.policies.ui.conftest import Pages, words

MOST_QUERIES = 15


def rule(tenant: str, name: str = "mine") -> str:
    return (
        f"apiVersion: mandate/v1\nkind: Permission\nmetadata: {{name: {name}, tenant: {tenant}}} # ours\n"
        "spec:\n  effect: permit\n  on: call\n  when: 'team.name == \"claims\"'  # only they\n"
    )


def form_of(answer: Any) -> dict[str, list[str]]:
    """What a browser would post of the page's form."""
    page = answer.content.decode()
    start = page.index('id="document-form"')
    browser = Browser()
    browser.feed(page[start : page.index("</form>", start)])
    return browser.sent


def new_rule(world: World) -> tuple[Pages, str, ChangeRequest]:
    """Tariq saves a new rule from YAML; the address of its form, and the draft."""
    tariq = Pages(world.tariq)
    answer = tariq._client.post(
        "/documents/new/Permission/",
        {"view": "yaml", "text": rule(world.tenant), "title": "Let claims call", "do": "save"},
    )
    assert answer.status_code == 302, words(answer)
    row = ChangeRequest.objects.get(title="Let claims call", tenant=world.tenant)
    return tariq, answer["location"], row


def test_a_new_document_begins_a_draft_of_its_own(world: World) -> None:
    tariq, address, row = new_rule(world)
    assert address == f"/documents/Permission/{world.tenant}/mine/edit/?change={row.id}&tab=yaml"
    assert (row.state, row.author) == ("draft", world.tariq.actor)
    edit = Edit.objects.get(change=row)
    assert (edit.identity, edit.source) == (
        ("Permission", world.tenant, "mine"),
        rule(world.tenant),
    )
    assert "Saved to the draft “Let claims call”." in words(tariq.get(address))


def test_a_form_changes_one_place_of_the_text_and_keeps_the_comments(world: World) -> None:
    tariq, address, row = new_rule(world)
    address = address.removesuffix("&tab=yaml")
    sent = form_of(tariq.get(address))
    assert sent["spec.when"] == ['team.name == "claims"']
    answer = tariq._client.post(address, sent | {"spec.when": 'team.name == "sales"', "do": "save"})
    assert answer.status_code == 302
    assert Edit.objects.get(change=row).source == rule(world.tenant).replace("claims", "sales")


def test_who_saves_second_gets_the_other_text_beside_their_own_and_loses_nothing(
    world: World,
) -> None:
    tariq, address, row = new_rule(world)
    address = address.removesuffix("&tab=yaml")
    cleo = Pages(world.cleo)
    his, hers = form_of(tariq.get(address)), form_of(cleo.get(address))
    hers |= {"spec.when": ['team.name == "hers"'], "do": ["save"]}
    assert cleo._client.post(address, hers).status_code == 302
    his |= {"spec.when": ['team.name == "his"'], "do": ["save"]}
    answer = tariq._client.post(address, his)
    assert answer.status_code == 409
    page = words(answer)
    assert f"{world.cleo.name} saved this document while you were writing." in page
    assert "Save mine over it" in page
    assert rule(world.tenant).replace("claims", "hers") in unescape(answer.content.decode())
    kept = form_of(answer)
    assert kept["spec.when"] == ['team.name == "his"']
    edit = Edit.objects.get(change=row)
    assert (edit.source, edit.edited_by) == (
        rule(world.tenant).replace("claims", "hers"),
        world.cleo.actor,
    )
    # having read it, he says so by saving again
    assert tariq._client.post(address, kept | {"do": ["save"]}).status_code == 302
    edit.refresh_from_db()
    assert edit.source == rule(world.tenant).replace("claims", "his")


def test_a_new_draft_is_not_begun_over_what_was_published_meanwhile(world: World) -> None:
    force(rule(world.tenant))
    tariq = Pages(world.tariq)
    address = f"/documents/Permission/{world.tenant}/mine/edit/"
    opened = form_of(tariq.get(address))
    force(rule(world.tenant).replace("only they", "only they, since today"))
    before = ChangeRequest.objects.count()
    answer = tariq._client.post(address, opened | {"do": ["save"]})
    assert answer.status_code == 409
    assert "only they, since today" in unescape(answer.content.decode())
    assert ChangeRequest.objects.count() == before


def test_wrong_values_are_saved_told_and_kept(world: World) -> None:
    tariq, address, row = new_rule(world)
    address = address.removesuffix("&tab=yaml")
    sent = form_of(tariq.get(address)) | {"spec.when": "team.nam == 1", "spec.message": "1", "do": "save"}  # fmt: skip
    answer = tariq._client.post(address, sent, follow=True)
    page = words(answer)
    assert "2 things are not right yet. What you typed is kept." in page
    assert 'there is no variable "team.nam"; did you mean "team.name"?' in page
    assert form_of(answer)["spec.message"] == ["1"]
    assert unescape(answer.content.decode()).count('aria-invalid="true"') == 2
    assert "team.nam == 1" in Edit.objects.get(change=row).source


def test_both_tabs_show_what_was_typed_even_when_it_cannot_be_read(world: World) -> None:
    tariq, address, _ = new_rule(world)
    sent = form_of(tariq.get(address)) | {"text": "spec: [", "do": "form"}
    answer = tariq._client.post(address, sent)
    assert form_of(answer)["text"] == ["spec: ["]
    assert "Line 2, column 1:" in words(answer)
    fixed = tariq._client.post(
        address, form_of(answer) | {"text": rule(world.tenant), "do": "form"}
    )
    assert form_of(fixed)["spec.effect"] == ["permit"]


def test_buttons_change_rows_and_save_nothing(world: World) -> None:
    tariq, address, row = new_rule(world)
    sent = form_of(tariq.get(address.removesuffix("&tab=yaml")))
    shown = tariq._client.post(address, sent | {"do": "show:spec.obligations"})
    assert form_of(shown)["spec.obligations.@on"] == ["1"]
    added = tariq._client.post(address, form_of(shown) | {"do": "add:metadata.labels"})
    assert form_of(added)["metadata.labels.0.@"] == ["new"]
    # one goes on typing in what was just added, and nowhere else
    assert added.content.decode().count(" autofocus") == 1
    assert 'id="c-metadata-labels-0-key" autofocus' in added.content.decode()
    assert Edit.objects.get(change=row).source == rule(world.tenant)


@pytest.mark.parametrize(
    "text",
    ["", "kind: Permission", "apiVersion: mandate/v1\nkind: Permission\nmetadata: {}\nspec: {}\n"],
)
def test_a_document_without_a_name_is_not_saved(world: World, text: str) -> None:
    before = ChangeRequest.objects.count()
    answer = Pages(world.tariq)._client.post(
        "/documents/new/Permission/", {"view": "yaml", "text": text, "do": "save"}
    )
    assert answer.status_code == 422
    assert form_of(answer)["text"] == [text]
    assert ChangeRequest.objects.count() == before


def test_a_literal_secret_is_neither_saved_nor_made_a_draft_for(world: World) -> None:
    before = ChangeRequest.objects.count()
    text = rule(world.tenant).replace("Permission", "Provider").replace(
        "effect: permit\n  on: call\n  when: 'team.name == \"claims\"'", "type: openai\n  credential: sk-live-1"
    )  # fmt: skip
    answer = Pages(world.tariq)._client.post(
        "/documents/new/Provider/", {"view": "yaml", "text": text, "do": "save"}
    )
    assert answer.status_code == 422
    assert "a secret itself never stands in a document" in words(answer)
    assert ChangeRequest.objects.count() == before
    assert not Edit.objects.filter(source__contains="sk-live-1").exists()


def test_another_tenant_sees_neither_form_nor_draft(world: World) -> None:
    _, address, row = new_rule(world)
    mallory = Pages(world.mallory)
    assert mallory.get(address).status_code == 404
    assert mallory.post(address, view="yaml", text=rule(world.tenant), do="save").status_code == 404
    own = f"/documents/new/Permission/?change={row.id}"
    assert mallory.get(own).status_code == 404
    assert Edit.objects.get(change=row).edited_by == world.tariq.actor


def test_a_document_of_another_tenant_does_not_go_into_ones_own_draft(world: World) -> None:
    _, _, row = new_rule(world)
    foreign = rule(world.other, "theirs")
    answer = Pages(world.tariq)._client.post(
        f"/documents/new/Permission/?change={row.id}", {"view": "yaml", "text": foreign, "do": "save"}
    )  # fmt: skip
    assert answer.status_code == 422
    assert [edit.name for edit in Edit.objects.filter(change=row)] == ["mine"]


def test_every_page_takes_few_queries(world: World, django_assert_max_num_queries: Any) -> None:
    tariq, address, _ = new_rule(world)
    for path in ("/documents/new/", "/documents/new/Route/", address, address.removesuffix("&tab=yaml")):  # fmt: skip
        with django_assert_max_num_queries(MOST_QUERIES):
            assert tariq.get(path).status_code == 200


def test_a_condition_is_checked_while_it_is_typed(
    world: World, django_assert_max_num_queries: Any
) -> None:
    tariq = Pages(world.tariq)
    path = "/documents/condition/?control=spec.when&place=call"
    with django_assert_max_num_queries(MOST_QUERIES):
        right = tariq.post(path, **{"spec.when": 'team.name == "claims" && run.calls > 3'})
    assert "Right. It is true or false." in words(right)
    assert "It costs at most 13 of 200,000 steps." in words(right)
    assert "it comes to false" in words(right)
    typed = {"spec.when": "run.calls > 3", "c-spec-when.value.run.calls": "4"}
    assert "it comes to true" in words(tariq.post(path, **typed))
    wrong = tariq.post(path, **{"spec.when": "true &&\n  team.nam == 'x'"})
    assert "Line 2, column 7:" in words(wrong)
    assert "sample" not in wrong.content.decode()
    assert tariq.post(f"{path}x", **{"spec.when": "true"}).status_code == 400
