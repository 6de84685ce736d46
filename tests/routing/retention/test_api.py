"""Holds, erasures and data subjects over the API, by members with tokens of their own."""

import json
import secrets

import pytest
from django.conf import settings
from django.test import Client

from audit.files import write_new
from audit.retention.commands import ask_erasure
from audit.retention.models import Erasure, Hold
from audit.vault.keys import commit_user, subject_of_user
from controlplane.kernel.errors import Conflict, NotFound
from controlplane.kernel.ids import call_name
from controlplane.kernel.principal import Principal
from policies.bundles.published import Published
from policies.identity.commands import archive_tenant
from policies.identity.members import create_member
from policies.management.cli import operator
from routing.reports.content import store
from routing.retention import erasing
from tests.policies.api.conftest import Api, api
from tests.policies.texts import put
from tests.routing.retention.conftest import Shop


def member(shop: Shop, name: str, *roles: str) -> Api:
    """A member of the tenant, with a token."""
    email = f"{name}-{shop.tenant}@acme.example"
    create_member(operator(), email, name.title())
    put(
        f"apiVersion: mandate/v1\nkind: RoleGrant\nmetadata: {{name: {name}, tenant: {shop.tenant}}}\n"
        f"spec: {{member: {email}, roles: [{', '.join(roles)}]}}\n"
    )
    return api(Principal("member", email, name.title()))


def export(who: Api, body: object) -> list[str]:
    """The lines of the file."""
    answer = Client().post(
        "/api/v1/subjects/export/",
        json.dumps(body),
        content_type="application/json",
        headers={"authorization": f"Bearer {who.token}", "host": "localhost"},
    )
    assert (answer.status_code, answer["content-type"]) == (200, "application/jsonl")
    return answer.getvalue().decode().splitlines()


@pytest.fixture
def people(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> tuple[Api, Api]:
    """Ada administers the tenant; Cleo audits and approves there. It takes two."""
    monkeypatch.setattr(Published, "single_operator", property(lambda _: False))
    pepper = settings.MANDATE_KEYS_DIR / "pepper"
    write_new(pepper, secrets.token_bytes(32).hex().encode())
    return member(shop, "ada", "admin"), member(shop, "cleo", "auditor", "approver")


def test_a_hold_stops_an_erasure_until_another_lifts_it(
    shop: Shop, people: tuple[Api, Api]
) -> None:
    ada, cleo = people
    call = shop.call("ann", b"one")
    hold = {"kind": "call", "tenant": shop.tenant, "name": call_name(call), "reason": "inquiry"}
    status, held = ada("POST", "holds/", hold)
    assert (status, held["name"], held["liftedAt"]) == (201, call_name(call), None)
    wanted = {"kind": "user", "tenant": shop.tenant, "name": "ann", "basis": "article 17"}
    status, refusal = ada("POST", "erasures/", wanted)
    assert (status, refusal["code"]) == (409, "conflict")
    assert "a legal hold stands" in refusal["detail"]
    assert ada("POST", f"holds/{held['id']}/lift/") == (200, {"outcome": "asked"})
    assert ada("POST", f"holds/{held['id']}/lift/")[0] == 409
    assert cleo("POST", f"holds/{held['id']}/lift/") == (200, {"outcome": "done"})
    status, asked = ada("POST", "erasures/", wanted)
    assert (status, asked["erasedAt"], asked["key"]) == (
        201,
        None,
        subject_of_user(shop.tenant, commit_user(store(), shop.tenant, "ann")),
    )
    assert ada("POST", f"erasures/{asked['id']}/confirm/")[0] == 409
    assert store().get(asked["key"]) is not None
    status, done = cleo("POST", f"erasures/{asked['id']}/confirm/")
    assert (status, done["erasedBy"].startswith("member:cleo-")) == (200, True)
    assert store().get(asked["key"]) is None
    assert [row["id"] for row in cleo("GET", "erasures/")[1]["items"]] == [asked["id"]]
    seen = [row for row in cleo("GET", "holds/")[1]["items"] if row["tenant"] == shop.tenant]
    assert [(row["id"], row["liftedBy"][:12]) for row in seen] == [(held["id"], "member:cleo-")]


def test_the_own_key_of_a_tenant_needs_a_key_service_and_the_organisations_admin(
    shop: Shop, people: tuple[Api, Api]
) -> None:
    wanted = {"kind": "tenant-key", "tenant": shop.tenant, "basis": "sold"}
    assert people[0]("POST", "erasures/", wanted)[0] == 403
    assert people[0]("POST", "erasures/", {**wanted, "kind": "user"})[0] == 400
    with pytest.raises(Conflict, match="is in use: archive it first"):
        ask_erasure(operator(), erasing.retirement(operator(), shop.tenant, "sold"), store())
    archive_tenant(operator(), shop.tenant, "sold")
    with pytest.raises(Conflict, match="or there is no such service"):
        ask_erasure(operator(), erasing.retirement(operator(), shop.tenant, "sold"), store())
    with pytest.raises(NotFound, match='there is no tenant "nowhere"'):
        erasing.retirement(operator(), "nowhere", "sold")
    assert not Erasure.objects.filter(tenant=shop.tenant).exists()


def test_a_subject_is_found_and_taken_along(shop: Shop, people: tuple[Api, Api]) -> None:
    ada, cleo = people
    call = shop.call("ann", b"what is owed")
    asked = {"tenant": shop.tenant, "user": "ann"}
    status, found = ada("POST", "subjects/", asked)
    assert (status, found["calls"], found["contentStands"]) == (200, 1, True)
    assert ada("POST", "subjects/export/", {**asked, "reason": "request 7"})[0] == 403
    assert cleo("POST", "subjects/", {**asked, "user": "bob"})[0] == 404
    file = export(cleo, {**asked, "reason": "request 7"})
    assert [json.loads(line).get("call") for line in file] == [None, call_name(call)]
    assert json.loads(file[1])["content"]["prompt"] == {"text": "what is owed"}


def test_what_names_nothing_is_refused_and_changes_nothing(
    shop: Shop, people: tuple[Api, Api]
) -> None:
    ada, _ = people
    hold = {"kind": "call", "tenant": shop.tenant, "name": "no call", "reason": "x"}
    erase = {"kind": "month", "tenant": shop.tenant, "name": "2026-11/../x", "basis": "x"}
    for path, body, status in (
        ("holds/", hold, 400),
        ("holds/", {**hold, "kind": "planet"}, 400),
        ("holds/", {"kind": "subject", "name": "ann", "reason": "x"}, 403),
        ("holds/", {**hold, "kind": "use-case", "name": "nothing"}, 404),
        ("erasures/", erase, 400),
        ("erasures/", {**erase, "name": "2019-01"}, 404),
        ("subjects/", {"tenant": "../x", "user": "ann"}, 400),
    ):
        assert ada("POST", path, body)[0] == status, body
    assert not Hold.objects.filter(tenant=shop.tenant).exists()
    assert not Erasure.objects.filter(tenant=shop.tenant).exists()
