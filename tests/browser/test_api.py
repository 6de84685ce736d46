"""The API: problems, the dry run, deciding again, and a schema that is the committed one."""

import re
from pathlib import Path

import pytest

from controlplane import env
from tests.browser.world import Console


def test_deciding_again_matches_every_byte(console: Console) -> None:
    with console.bearer(console.tokens["auditor"]) as cleo:
        for name in ("completed", "fallback", "failed", "denied", "secret", "running"):
            found = cleo.post(f"/calls/{console.calls[name]}/replay/").json()
            (stage,) = found["stages"]
            assert (found["identical"], stage["identical"], found["explanation"]) == (
                True,
                True,
                "",
            )
            assert stage["again"] == stage["recorded"]
            assert len(stage["again"]) == 64


def test_explain_names_every_rule_with_its_line(console: Console) -> None:
    with console.bearer(console.tokens["auditor"]) as cleo:
        found = cleo.get(f"/calls/{console.calls['fallback']}/explain/").json()
    (stage,) = found["stages"]
    assert stage["identical"] is True
    assert stage["trace"]["decision"]["digest"] == stage["digest"]
    dropped = [
        (d["model"], d["rule"]["name"], d["rule"]["line"])
        for d in stage["trace"]["decision"]["dropped"]
    ]
    assert dropped == [("gpt-mini", "eu-data-stays-in-eu", 8)]


def test_a_dry_run_decides_and_leaves_nothing(console: Console) -> None:
    before = console.rows(
        "SELECT (SELECT count(*) FROM audit_entry), (SELECT count(*) FROM routing_call)"
    )
    body = {"tenant": "insurance", "team": "claims", "route": "claims-triage"}
    with console.bearer(console.tokens["developer"]) as tariq:
        found = tariq.post("/decide/", json=body).json()
        steps = [step["model"] for step in found["trace"]["decision"]["plan"]["steps"]]
        assert (found["effect"], steps) == ("permit", ["llama-small", "claude-small"])
        denied = tariq.post(
            "/decide/", json={**body, "request": {"dataClasses": ["secret"]}}
        ).json()
        assert denied["effect"] == "deny"
        assert denied["trace"]["decision"]["denial"]["rules"] == ["secrets-go-nowhere"]
        assert (
            tariq.post("/decide/", json={**body, "tenant": "retail", "team": "support"}).status_code
            == 404
        )
        assert tariq.post("/decide/", json={**body, "team": "underwriting"}).status_code == 403
    assert (
        console.rows(
            "SELECT (SELECT count(*) FROM audit_entry), (SELECT count(*) FROM routing_call)"
        )
        == before
    )


def test_a_call_that_waits_is_cancelled_by_its_teams_key(console: Console) -> None:
    name = console.calls["admitted"]
    with console.bearer(console.keys["group/data-science"]) as key:
        answer = key.post(f"/calls/{name}/cancel/")
        assert (answer.status_code, answer.json()) == (
            200,
            {"id": name, "outcome": "the call is cancelled"},
        )
        again = key.post(f"/calls/{name}/cancel/")
        assert (again.status_code, again.json()["code"]) == (409, "conflict")
        found = key.get(f"/calls/{name}/").json()
    assert (found["state"], found["cost"], found["attempts"][0]["state"]) == (
        "cancelled",
        "0.00",
        "voided",
    )
    kinds = console.rows("SELECT kind FROM audit_entry WHERE call = %s ORDER BY xid, id", name[5:])
    assert kinds == [("call.admitted",), ("attempt.voided",), ("call.cancelled",)]


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/calls/?limit=0", '"0" is no limit; use a whole number from 1 to 200'),
        ("/calls/?cursor=x", 'cursor "x" is no id'),
        ("/calls/?since=yesterday", '"yesterday" is no moment; write it like 2026-11-23T14:20:00Z'),
        ("/audit/entries/?group=x", '"x" is no group; use calls, attempts, policy'),
    ],
)
def test_a_bad_question_is_a_problem_that_says_what_to_do(
    console: Console, path: str, detail: str
) -> None:
    with console.bearer(console.tokens["auditor"]) as cleo:
        answer = cleo.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["detail"].startswith(detail)


def test_authentication_comes_before_the_method(console: Console) -> None:
    with console.visitor() as visitor:
        assert visitor.delete("/api/v1/calls/").status_code == 401
        assert visitor.get("/api/v1/decide/").status_code == 401
    with console.bearer(console.tokens["auditor"]) as cleo:
        assert cleo.delete("/calls/").status_code == 405


def test_an_address_that_is_not_there_is_a_problem_too(console: Console) -> None:
    with console.bearer(console.tokens["auditor"]) as cleo:
        answer = cleo.get("/nothing/")
    assert (answer.status_code, answer.headers["content-type"], answer.json()["code"]) == (
        404,
        "application/problem+json",
        "not_found",
    )


def test_the_reference_page_names_every_operation(console: Console) -> None:
    committed = Path(env.ROOT / "docs" / "openapi.yaml").read_text(encoding="utf-8")
    operations = re.findall(r"operationId: (\w+)", committed)
    assert len(operations) >= 18
    with console.visitor() as visitor:
        page = visitor.get("/api/v1/docs/")
        assert page.status_code == 200
        assert sorted(re.findall(r'<tr id="(\w+)">', page.text)) == sorted(operations)
        assert visitor.get("/api/v1/schema/").status_code == 200


def test_the_committed_schema_is_the_one_that_is_served(console: Console) -> None:
    committed = Path(env.ROOT / "docs" / "openapi.yaml").read_text(encoding="utf-8")
    assert console.manage("spectacular") == committed
