"""No member and no key sees another tenant's calls, entries, documents or stops, by any path."""

import json

import pytest

from tests.browser.world import Console

PAGES = ("", "again/", "content/", "receipt/", "cancel/")
API = (("get", ""), ("get", "explain/"), ("post", "replay/"), ("post", "cancel/"))


@pytest.mark.parametrize(
    "call", ["completed", "fallback", "failed", "streamed", "secret", "running"]
)
def test_pages_of_another_tenants_call_are_not_there(console: Console, call: str) -> None:
    before = console.rows("SELECT count(*) FROM audit_entry")
    with console.signed_in("mallory") as mallory:
        for part in PAGES:
            path = f"/calls/{console.calls[call]}/{part}"
            post = part in {"again/", "cancel/"}
            answer = console.post(mallory, path) if post else mallory.get(path)
            assert answer.status_code == 404, path
            assert "insurance" not in answer.text
    assert console.rows("SELECT count(*) FROM audit_entry") == before


@pytest.mark.parametrize("call", ["completed", "secret", "running"])
def test_another_tenants_call_is_404_in_the_api(console: Console, call: str) -> None:
    for credential in (console.keys["retail/support"],):
        with console.bearer(credential) as script:
            for method, part in (API[0], API[3]):
                answer = script.request(method, f"/calls/{console.calls[call]}/{part}")
                assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    with console.bearer(console.tokens["developer"]) as tariq:
        for method, part in API:
            answer = tariq.request(method, f"/calls/{console.calls['retail']}/{part}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_developer_sees_the_calls_of_the_own_team_only(console: Console) -> None:
    with console.bearer(console.tokens["developer"]) as tariq:
        items = tariq.get("/calls/", params={"limit": 200}).json()["items"]
    assert {(call["tenant"], call["team"]) for call in items} == {("insurance", "claims")}
    assert console.calls["streamed"] not in {call["id"] for call in items}


def test_asking_for_another_tenant_gives_nothing(console: Console) -> None:
    with console.bearer(console.tokens["developer"]) as tariq:
        assert tariq.get("/calls/", params={"tenant": "retail"}).json() == {
            "items": [],
            "next": None,
        }
    with console.signed_in("mallory") as mallory:
        page = mallory.get("/calls/", params={"tenant": "insurance"})
    assert "claims-triage" not in page.text


def test_the_log_is_closed_to_developers(console: Console) -> None:
    with console.signed_in("mallory") as mallory:
        for path in ("/log/", "/log/?tenant=retail"):
            assert mallory.get(path).status_code == 403
        assert console.post(mallory, "/log/verify/").status_code == 403
    with console.bearer(console.tokens["developer"]) as tariq:
        for path in ("/audit/entries/", "/audit/checkpoint/"):
            assert tariq.get(path).status_code == 403


def test_an_entry_of_another_tenant_is_not_there(console: Console) -> None:
    (entry,) = console.rows("SELECT id FROM audit_entry WHERE tenant = 'insurance' LIMIT 1")[0]
    with console.signed_in("mallory") as mallory:
        assert mallory.get(f"/log/{entry.hex}/").status_code == 403
        assert mallory.get(f"/log/{entry.hex}/receipt/").status_code == 403
    with console.bearer(console.tokens["developer"]) as tariq:
        assert tariq.get(f"/audit/receipts/{entry}/").status_code == 403


def test_documents_of_another_tenant_are_not_there(console: Console) -> None:
    with console.signed_in("mallory") as mallory:
        listed = mallory.get("/documents/").text
        assert "support-may-call" in listed
        for hidden in (
            "claims-may-call",
            "claims-extraction",
            "insurance-monthly",
            "ada@acme.example",
        ):
            assert hidden not in listed
        assert mallory.get("/documents/Permission/insurance/claims-may-call/").status_code == 404
        assert mallory.get("/documents/RoleGrant/-/ada/").status_code == 404
    with console.bearer(console.tokens["developer"]) as tariq:
        tenants = {d["tenant"] for d in tariq.get("/documents/").json()["items"]}
        assert tenants == {"", "insurance"}
        assert (
            tariq.get("/documents/Route/replies/", params={"tenant": "retail"}).status_code == 404
        )


def test_budgets_of_other_teams_are_not_there(console: Console) -> None:
    with console.bearer(console.tokens["developer"]) as tariq:
        names = [budget["name"] for budget in tariq.get("/budgets/").json()["items"]]
    assert names == ["claims-daily"]


def test_nobody_reads_anything_without_a_session_or_a_token(console: Console) -> None:
    with console.visitor() as visitor:
        for path in (
            "/",
            "/calls/",
            f"/calls/{console.calls['completed']}/",
            "/budgets/",
            "/log/",
            "/settings/",
        ):
            answer = visitor.get(path)
            assert answer.status_code == 302
            assert answer.headers["location"].startswith("/account/login/?next=")
        for path in ("calls/", "budgets/", "stops/", "audit/entries/", "documents/", "bundles/"):
            answer = visitor.get(f"/api/v1/{path}")
            assert (answer.status_code, answer.headers["content-type"]) == (
                401,
                "application/problem+json",
            )


def test_a_bad_credential_is_401_also_beside_a_good_session(console: Console) -> None:
    with console.signed_in("cleo") as cleo:
        assert cleo.get("/api/v1/calls/").status_code == 200
        for shown in (
            "Bearer mdp_00000000_" + "a" * 43,
            "Bearer mdt_00000000_" + "a" * 43,
            "Bearer x",
            "Basic eA==",
        ):
            assert cleo.get("/api/v1/calls/", headers={"authorization": shown}).status_code == 401


def test_an_api_key_reads_its_own_calls_and_nothing_else(console: Console) -> None:
    with console.bearer(console.keys["insurance/claims"]) as key:
        found = key.get(f"/calls/{console.calls['completed']}/")
        assert (found.status_code, found.json()["answer"]) == (200, {"content": "label: theft"})
        for path in (
            "/calls/",
            f"/calls/{console.calls['completed']}/explain/",
            "/budgets/",
            "/audit/entries/",
        ):
            assert key.get(path).status_code == 403
    with console.bearer(console.tokens["auditor"]) as cleo:
        assert "answer" not in cleo.get(f"/calls/{console.calls['completed']}/").json()


def test_a_session_needs_its_csrf_token_in_the_api(console: Console) -> None:
    body = {"scope": {"kind": "everything"}, "reason": "test"}
    before = console.rows("SELECT count(*) FROM policies_stop")
    with console.signed_in("ada") as ada:
        answer = ada.post(
            "/api/v1/stops/", content=json.dumps(body), headers={"content-type": "application/json"}
        )
    assert answer.status_code == 403
    assert console.rows("SELECT count(*) FROM policies_stop") == before
