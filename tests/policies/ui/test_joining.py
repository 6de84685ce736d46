"""The page behind an invitation's link."""

import secrets

import pytest
from django.test import Client

from policies.identity import invitations
from policies.identity.invitations import Guest
from policies.identity.models import User
from tests.policies.people import ADA
from tests.policies.texts import ensure_organisation

pytestmark = pytest.mark.usefixtures("application_role")
GOOD = {"name": "Gwen", "password": "correct horse battery", "again": "correct horse battery"}


@pytest.fixture
def link(transactional_db: None) -> tuple[str, str]:
    """An address and its open link."""
    ensure_organisation()
    address = f"{secrets.token_hex(4)}@acme.example"
    return address, f"/join/{invitations.invite(ADA, Guest(email=address)).shown}/"


def test_whoever_has_the_link_joins_once_and_is_sent_to_sign_in(link: tuple[str, str]) -> None:
    address, path = link
    visitor = Client(headers={"host": "localhost"})
    page = visitor.get(path)
    assert address in page.content.decode()
    # a browser names no origin in a form of a page without a referrer, and the form would be refused
    assert page["referrer-policy"] == "same-origin"
    answer = visitor.post(path, GOOD)
    assert (answer.status_code, answer["location"]) == (302, "/account/login/")
    assert "Welcome. Sign in" in visitor.get("/account/login/").content.decode()
    assert User.objects.get(email=address).check_password(GOOD["password"])
    assert visitor.get(path).status_code == 404
    assert visitor.post(path, GOOD).status_code == 404


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"again": "another horse battery"}, "The two passwords differ."),
        ({"password": "short", "again": "short"}, "too short"),
        ({"name": " "}, "Say what you are called."),
    ],
)
def test_a_wrong_form_is_shown_again_and_makes_nobody(
    link: tuple[str, str], change: dict[str, str], said: str
) -> None:
    address, path = link
    answer = Client(headers={"host": "localhost"}).post(path, {**GOOD, **change})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not User.objects.filter(email=address).exists()


def test_the_form_carries_its_token_past_the_check_of_origins(link: tuple[str, str]) -> None:
    _, path = link
    visitor = Client(enforce_csrf_checks=True, headers={"host": "localhost"})
    page = visitor.get(path).content.decode()
    token = page.split('name="csrfmiddlewaretoken" value="', 1)[1].split('"', 1)[0]
    assert visitor.post(path, GOOD).status_code == 403
    form = {**GOOD, "csrfmiddlewaretoken": token}
    same = {"origin": "http://localhost", "referer": f"http://localhost{path}"}
    assert visitor.post(path, form, headers=same).status_code == 302
