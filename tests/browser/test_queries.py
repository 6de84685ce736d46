"""No page takes more queries with ten thousand rows than with a hundred, and none more than fifteen, whoever looks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from controlplane import env
from tests.browser.test_browser import PAGES, path_of
from tests.browser.world import Console
from tests.four_eyes import done

MOST = 15
MORE = (
    ("ada", "/keys/"),
    ("ada", "/keys/new/"),
    ("ada", "/keys/{apikey}/"),
    ("ada", "/members/"),
    ("ada", "/members/rui@acme.example/"),
    ("ada", "/tenants/"),
    ("ada", "/documents/new/"),
    ("ada", "/documents/new/Route/"),
    ("ada", "/documents/Route/insurance/claims-triage/edit/"),
    ("ada", "/documents/Route/insurance/claims-triage/"),
    ("ada", "/documents/Route/insurance/claims-triage/versions/{version}/"),
    ("ada", "/change-requests/{change}/"),
    ("ada", "/change-requests/{change}/edits/"),
    ("ada", "/change-requests/{change}/edits/Permission/insurance/triage-rests/"),
)
"""The pages that `PAGES` does not look at in every theme."""
EVERYTHING = """\
apiVersion: mandate/v1
kind: RoleGrant
metadata: {name: everything}
spec: {member: ada@acme.example, roles: [admin, author, approver, reviewer, finance, auditor, developer]}
"""
DRAFT = """\
apiVersion: mandate/v1
kind: Permission
metadata: {name: triage-rests, tenant: insurance, owner: cleo@acme.example}
spec: {effect: forbid, on: call, when: 'route.name == "claims-triage"'}
"""
pytestmark = pytest.mark.slow


def _pages(console: Console, folder: Path) -> list[tuple[str, str]]:
    """Every page, as the person of the list and as Ada, who holds every role, and has claimed a case of her own."""
    grant = folder / "everything.yaml"
    grant.write_text(EVERYTHING, encoding="utf-8")
    console.manage("policy", "apply", str(folder))
    with console.bearer(console.tokens["developer"]) as tariq:
        wanted = {"title": "Rest", "tenant": "insurance", "documents": DRAFT, "submit": False}
        change = done(tariq.post("/change-requests/", json=wanted), 201)["id"]
    with console.bearer(console.tokens["admin"]) as ada:
        done(ada.post(f"/reviews/{console.calls['review-held']}/claim/", json={}))
    ((apikey,),) = console.rows("SELECT id FROM policies_api_key ORDER BY id LIMIT 1")
    ((version,),) = console.rows(
        "SELECT min(history_id) FROM policies_document_history WHERE kind = 'Route' AND name = 'claims-triage'"
    )
    listed = (*PAGES, ("ada", "/reviews/{review-held}/"), *MORE)
    named = [
        (who, path.replace("{change}", change).replace("{apikey}", apikey)) for who, path in listed
    ]
    found = [
        (who, path_of(console, path.replace("{version}", str(version)))) for who, path in named
    ]
    return list(dict.fromkeys([*found, *(("ada", path) for _, path in found)]))


def _counts(console: Console, many: int, pages: list[tuple[str, str]]) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.browser.count_queries", str(many)],
        cwd=env.ROOT,
        env={**console.environment, "MANDATE_ROLE": "command"},
        input=json.dumps(pages),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])
    return {f"{who} {path}": n for (who, path), n in zip(pages, counts, strict=True)}


def test_no_page_asks_for_each_row(lone_console: Console, tmp_path: Path) -> None:
    pages = _pages(lone_console, tmp_path)
    few = _counts(lone_console, 40, pages)
    many = _counts(lone_console, 9_900, pages)
    for table in ("routing_call", "audit_leaf"):
        ((rows,),) = lone_console.rows(f"SELECT count(*) FROM {table}")
        assert rows > 10_000
    assert {page: n for page, n in few.items() if n > MOST} == {}
    assert {page: n for page, n in many.items() if n > MOST} == {}
    # a proof reads full tiles, once the tree has any
    assert {page: n for page, n in many.items() if n > few[page] + page.count("/log/")} == {}
