"""Keys, tokens, members, teams and tenants over the API, in process: what comes back, what is shown once, who gets what."""

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from policies.identity import commands, members
from policies.identity.models import ApiKey, Invitation, Tenant, Token, User
from policies.management.cli import operator
from tests.policies.people import entries
from tests.policies.texts import ensure_organisation, put

pytestmark = pytest.mark.usefixtures("application_role")
GRANT = """\
apiVersion: mandate/v1
kind: RoleGrant
metadata: {{name: {name}{tenant}}}
spec: {{member: {name}@acme.example, roles: [{role}]}}
"""
ROUTE = """\
apiVersion: mandate/v1
kind: Provider
metadata: {{name: sky, tenant: {tenant}}}
spec: {{type: openai-compatible, baseUrl: "https://models.example/v1"}}
---
apiVersion: mandate/v1
kind: Model
metadata: {{name: small, tenant: {tenant}}}
spec:
  provider: sky
  upstreamName: small
  tier: small
  capabilities: [chat]
  contextWindow: 4000
  maxOutputTokens: 1000
  regions: [eu]
  clearance: [public]
  prices: [{{from: 2026-01-01, currency: EUR, inputPerMillion: "1", outputPerMillion: "10"}}]
---
apiVersion: mandate/v1
kind: UseCase
metadata: {{name: case, tenant: {tenant}}}
spec:
  owner: cleo@acme.example
  purpose: "Ask"
  riskClass: limited
  dataClasses: [public]
  reviewOn: 2027-03-01
  validation: {{by: rui@acme.example, on: 2026-01-01, evidence: "tried", validUntil: 2090-10-01}}
---
apiVersion: mandate/v1
kind: Route
metadata: {{name: triage, tenant: {tenant}}}
spec: {{useCase: case, task: chat, strategy: {{type: single, model: small}}}}
"""
Caller = Callable[..., tuple[int, Any]]


@pytest.fixture(autouse=True)
def _organisation(transactional_db: None) -> None:
    ensure_organisation()
    cache.clear()


def _person(role: str, tenant: Tenant | None, team: str = "") -> str:
    """A member with a role there; the name before the @."""
    name = f"{role}-{secrets.token_hex(4)}"
    user = members.create_member(operator(), f"{name}@acme.example", role.title())
    place = f", tenant: {tenant.slug}" if tenant else ""
    if tenant:
        ours = f"apiVersion: mandate/v1\nkind: Tenant\nmetadata: {{name: {tenant.slug}}}\n"
        put(f"{ours}spec: {{teams: [claims]}}\n", GRANT.format(name=name, role=role, tenant=place))
    else:
        put(GRANT.format(name=name, role=role, tenant=place))
    if team and tenant:
        members.add_membership(operator(), user, tenant.slug, team)
    return name


def _as(name: str) -> Caller:
    """Calls the API with a token of the person's."""
    user = User.objects.get(email=f"{name}@acme.example")
    shown = commands.create_token(operator(), user).shown
    client = Client(headers={"host": "localhost", "authorization": f"Bearer {shown}"})

    def call(method: str, path: str, body: object = None, key: str = "") -> tuple[int, Any]:
        given = {"data": body, "content_type": "application/json"} if body is not None else {}
        headers = {"idempotency-key": key} if key else {}
        answer = getattr(client, method)(f"/api/v1/{path}", headers=headers, **given)
        return answer.status_code, answer.json()

    return call


def test_a_developer_makes_rotates_and_revokes_a_key(tenant: Tenant) -> None:
    tariq = _as(_person("developer", tenant, "claims"))
    put(ROUTE.format(tenant=tenant.slug))
    wanted = {"tenant": tenant.slug, "team": "claims", "name": "ci", "labels": {"app": "triage"}}
    status, made = tariq("post", "keys/", {**wanted, "routes": ["triage"], "days": 30})
    assert (status, made["state"], made["routes"]) == (201, "stands", ["triage"])
    assert made["key"].startswith(f"mdt_{made['id']}_")
    status, listed = tariq("get", f"keys/?team=claims&tenant={tenant.slug}")
    assert [item["id"] for item in listed["items"]] == [made["id"]]
    assert "key" not in listed["items"][0]
    status, following = tariq("post", f"keys/{made['id']}/rotate/", {"overlapHours": 2})
    assert (status, following["replaces"], following["labels"]) == (
        201,
        made["id"],
        {"app": "triage"},
    )
    status, ended = tariq("post", f"keys/{made['id']}/revoke/", {"reason": "lost"})
    assert (status, ended["state"]) == (200, "revoked")
    assert tariq("post", f"keys/{made['id']}/revoke/", {"reason": "lost"})[0] == 409
    assert tariq("post", f"keys/{following['id']}/revoke/", {})[0] == 400
    kinds = [e["kind"] for e in entries(subject=f"key:{made['id']}")]
    assert kinds == ["key.created", "key.rotated", "key.revoked"]


def test_a_key_made_again_after_a_lost_answer_is_the_same_key(tenant: Tenant) -> None:
    tariq = _as(_person("developer", tenant, "claims"))
    wanted = {"tenant": tenant.slug, "team": "claims", "name": "ci"}
    first = tariq("post", "keys/", wanted, "b7f0c1d2-keys-made-once")
    assert first[0] == 201
    assert tariq("post", "keys/", wanted, "b7f0c1d2-keys-made-once") == first
    assert ApiKey.objects.filter(tenant=tenant.slug).count() == 1
    status, problem = tariq("post", "keys/", {**wanted, "name": "b"}, "b7f0c1d2-keys-made-once")
    assert (status, problem["code"]) == (409, "conflict")
    rotate = f"keys/{first[1]['id']}/rotate/"
    second = tariq("post", rotate, {"overlapHours": 2}, "b7f0c1d2-rotated-once")
    assert (second[0], second[1]["replaces"]) == (201, first[1]["id"])
    assert tariq("post", rotate, {"overlapHours": 2}, "b7f0c1d2-rotated-once") == second
    assert ApiKey.objects.filter(tenant=tenant.slug).count() == 2


def test_a_short_idempotency_key_makes_no_secret(tenant: Tenant) -> None:
    tariq = _as(_person("developer", tenant, "claims"))
    wanted = {"tenant": tenant.slug, "team": "claims"}
    status, problem = tariq("post", "keys/", wanted, "one")
    assert (status, problem["code"]) == (400, "invalid_request")
    assert "16 to 200" in problem["detail"]
    assert not ApiKey.objects.filter(tenant=tenant.slug).exists()


def test_tokens_and_invitations_are_made_once(tenant: Tenant) -> None:
    name = _person("developer", tenant, "claims")
    tariq, ada = _as(name), _as(_person("admin", None))
    first = tariq("post", "tokens/", {"name": "ci"}, "b7f0c1d2-one-token-only")
    assert first[1]["token"].startswith(f"mdp_{first[1]['id']}_")
    assert tariq("post", "tokens/", {"name": "ci"}, "b7f0c1d2-one-token-only") == first
    assert Token.objects.filter(user__email=f"{name}@acme.example", name="ci").count() == 1
    guest = {"email": f"{secrets.token_hex(4)}@acme.example"}
    invited = ada("post", "invitations/", guest, "b7f0c1d2-one-guest-only")
    assert f"/join/mdi_{invited[1]['id']}_" in invited[1]["link"]
    assert ada("post", "invitations/", guest, "b7f0c1d2-one-guest-only") == invited
    assert Invitation.objects.filter(email=guest["email"]).count() == 1


def test_a_key_cannot_name_a_route_of_another_tenant(tenant: Tenant) -> None:
    tariq = _as(_person("developer", tenant, "claims"))
    put(ROUTE.format(tenant=tenant.slug))
    wanted = {"tenant": tenant.slug, "team": "claims", "routes": ["elsewhere"]}
    status, problem = tariq("post", "keys/", wanted)
    assert (status, problem["code"]) == (400, "invalid_request")
    assert problem["detail"].startswith('there is no route "elsewhere" there')
    assert not ApiKey.objects.filter(tenant=tenant.slug).exists()


def test_pages_of_keys_lose_none(tenant: Tenant) -> None:
    admin = _as(_person("admin", tenant))
    made = {
        commands.create_key(operator(), commands.NewKey(tenant=tenant.slug, team="claims")).id
        for _ in range(7)
    }
    seen: list[str] = []
    cursor = ""
    for _ in range(4):
        status, page = admin("get", f"keys/?limit=2&tenant={tenant.slug}&cursor={cursor}")
        assert status == 200
        seen += [item["id"] for item in page["items"]]
        cursor = (page["next"] or "").replace("+", "%2B")
    assert (len(seen), set(seen), page["next"]) == (7, made, None)
    assert admin("get", "keys/?cursor=nonsense")[0] == 400


def test_a_token_is_shown_once_and_stops_when_it_is_revoked(tenant: Tenant) -> None:
    name = _person("developer", tenant, "claims")
    tariq = _as(name)
    status, made = tariq("post", "tokens/", {"name": "laptop", "days": 7})
    assert (status, made["name"], made["state"]) == (201, "laptop", "ends soon")
    client = Client(headers={"host": "localhost", "authorization": f"Bearer {made['token']}"})
    assert client.get("/api/v1/tokens/").status_code == 200
    assert "token" not in tariq("get", "tokens/")[1]["items"][0]
    assert tariq("post", f"tokens/{made['id']}/revoke/")[0] == 200
    assert client.get("/api/v1/tokens/").status_code == 401
    other = _as(_person("developer", tenant, "claims"))
    (standing,) = Token.objects.filter(user__email=f"{name}@acme.example", revoked_at=None)
    assert other("post", f"tokens/{standing.pk}/revoke/")[0] == 404
    standing.refresh_from_db()
    assert standing.revoked_at is None


def test_members_are_seen_by_their_own_tenants_and_by_the_organisation(tenant: Tenant) -> None:
    tariq, cleo = _person("developer", tenant, "claims"), _person("auditor", None)
    other = Tenant(slug=f"t-{secrets.token_hex(4)}")
    other.save(actor="cli:test")
    mallory = _person("developer", other)
    everybody = {f"{name}@acme.example" for name in (tariq, cleo, mallory)}

    def seen(name: str) -> set[str]:
        found: set[str] = set()
        after = ""
        while True:
            _, page = _as(name)("get", f"members/?limit=200&cursor={after}")
            found |= {item["email"] for item in page["items"]}
            if page["next"] is None:
                return found & everybody
            after = page["next"]

    assert seen(cleo) == everybody
    assert seen(tariq) == {f"{tariq}@acme.example"}
    assert seen(mallory) == {f"{mallory}@acme.example"}
    assert _as(mallory)("get", f"members/{tariq}@acme.example/")[0] == 404
    status, shown = _as(cleo)("get", f"members/{tariq}@acme.example/")
    assert (status, shown["teams"]) == (200, [{"tenant": tenant.slug, "team": "claims"}])
    assert shown["grants"] == [{"tenant": tenant.slug, "document": tariq, "roles": ["developer"]}]


def test_an_admin_invites_puts_into_a_team_and_deactivates(tenant: Tenant) -> None:
    ada, tariq = _as(_person("admin", None)), _person("developer", tenant)
    address = f"{secrets.token_hex(4)}@acme.example"
    place = {"tenant": tenant.slug, "team": "claims"}
    status, made = ada("post", "invitations/", {"email": address, "teams": [place]})
    assert (status, made["mailed"], made["teams"]) == (201, False, [f"{tenant.slug}/claims"])
    assert made["link"].startswith(f"http://localhost/join/mdi_{made['id']}_")
    listed = ada("get", "invitations/")[1]["items"]
    assert address in {item["email"] for item in listed}
    assert "link" not in listed[0]
    assert ada("post", f"invitations/{made['id']}/withdraw/")[1] == {"outcome": "withdrawn"}
    assert Invitation.objects.get(pk=made["id"]).withdrawn_at is not None
    email = f"{tariq}@acme.example"
    assert ada("post", f"members/{email}/join/", place)[1]["teams"] == [place]
    assert ada("post", f"members/{email}/join/", place)[0] == 409
    assert ada("post", f"members/{email}/leave/", place)[1]["teams"] == []
    theirs = _as(tariq)
    assert theirs("get", "tokens/")[0] == 200
    assert ada("post", f"members/{email}/deactivate/")[1]["active"] is False
    assert theirs("get", "tokens/")[0] == 401
    assert ada("post", f"members/{email}/restore/")[1]["active"] is True
    assert theirs("get", "tokens/")[0] == 401


def test_a_tenants_admin_archives_a_team_and_its_key_ends(tenant: Tenant) -> None:
    admin = _as(_person("admin", tenant))
    shown = commands.create_key(
        operator(), commands.NewKey(tenant=tenant.slug, team="claims")
    ).shown
    key = Client(headers={"host": "localhost", "authorization": f"Bearer {shown}"})
    assert key.get("/api/v1/calls/").status_code == 403
    status, teams = admin("get", f"teams/?tenant={tenant.slug}")
    (team,) = teams["items"]
    assert (status, team["keys"], team["archivedAt"]) == (200, 1, None)
    path = f"teams/{tenant.slug}/claims/archive/"
    assert admin("post", path, {"reason": "merged"}) == (200, {"outcome": "archived"})
    assert key.get("/api/v1/calls/").status_code == 401
    assert admin("post", f"tenants/{tenant.slug}/archive/", {"reason": "sold"})[0] == 403
    assert Tenant.objects.get(pk=tenant.pk).archived_at is None


@pytest.mark.parametrize("path", ["/keys/", "/members/", "/tenants/", "/settings/", "/keys/new/"])
def test_a_page_asks_few_questions_however_much_there_is(tenant: Tenant, path: str) -> None:
    name = _person("admin", None)
    for _ in range(60):
        commands.create_key(operator(), commands.NewKey(tenant=tenant.slug, team="claims"))
    browser = Client(headers={"host": "localhost"})
    browser.force_login(User.objects.get(email=f"{name}@acme.example"))
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert browser.get(path).status_code == 200
    assert len(asked) <= 15, [query["sql"][:120] for query in asked.captured_queries]
