"""Tariq drafts a change, Cleo approves, the same `curl` answers differently; Cleo cannot approve her own. By API alone."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.four_eyes import done, four_eyes
from tests.journeys.installation import Installation

FORBID = """\
apiVersion: mandate/v1
kind: Permission
metadata: {name: triage-rests, tenant: insurance, owner: cleo@acme.example}
spec:
  effect: forbid
  on: call
  when: 'route.name == "claims-triage"'
  message: '"triage rests today"'
"""
BODY = {
    "model": "claims-triage",
    "messages": [{"role": "user", "content": "A dent. [[sandbox tokens=5]]"}],
}


def asking(mandate: Installation, role: str) -> httpx2.Client:
    token = mandate.facts()["tokens"][role]
    return httpx2.Client(
        base_url=f"{mandate.url}/api/v1",
        headers={"authorization": f"Bearer {token}"},
        timeout=60.0,
    )


def curl(mandate: Installation) -> tuple[int, Any]:
    """The `curl` that the first key's owner would type, each time the same."""
    key = mandate.facts()["keys"]["insurance/claims"]
    program = shutil.which("curl")
    assert program, "this journey asks with curl"
    told = subprocess.run(
        [
            *(program, "--silent", "--show-error", "--max-time", "60"),
            *("--write-out", "\n%{http_code}", f"{mandate.url}/v1/chat/completions"),
            *("-H", f"authorization: Bearer {key}", "-H", "content-type: application/json"),
            *("-d", json.dumps(BODY)),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    body, _, status = told.rpartition("\n")
    return int(status), json.loads(body)


@pytest.fixture
def two(mandate: Installation, tmp_path: Path) -> Iterator[Installation]:
    """The installation in four-eyes mode."""
    with four_eyes(mandate.operate, lambda role: asking(mandate, role), tmp_path):
        yield mandate


def test_tariq_drafts_cleo_approves_and_the_same_curl_answers_differently(
    two: Installation,
) -> None:
    assert curl(two)[0] == 200
    wanted = {
        "title": "Let triage rest",
        "tenant": "insurance",
        "documents": FORBID,
        "submit": True,
    }
    with asking(two, "developer") as tariq, asking(two, "approver") as cleo:
        made = done(tariq.post("/change-requests/", json=wanted), 201)
        assert (made["state"], made["missing"]) == (
            "approval",
            [{"kind": "Permission", "count": 1, "roles": ["approver"]}],
        )
        assert curl(two)[0] == 200, "nothing takes effect before it is approved"
        one = f"/change-requests/{made['id']}/"
        assert tariq.post(f"{one}approve/", json={}).status_code == 403
        published = done(cleo.post(f"{one}approve/", json={"digest": made["digest"]}))
        assert published["state"] == "published"
        status, refused = curl(two)
        assert status == 403
        assert "triage rests today" in refused["error"]["message"]
        assert "cleo@acme.example" in refused["error"]["message"]
        back = done(
            cleo.post(f"/bundles/{published['revision'] - 1}/rollback/", json={"reason": "enough"}),
            201,
        )
        assert cleo.post(f"/change-requests/{back['id']}/approve/", json={}).status_code == 403
        assert curl(two)[0] == 403
    with asking(two, "finance") as finn:
        assert done(finn.post(f"/change-requests/{back['id']}/approve/", json={}))["state"] == (
            "published"
        )
    assert curl(two)[0] == 200
    (entry,) = two.rows(
        "SELECT convert_from(body, 'UTF8')::json AS body FROM audit_entry WHERE kind = 'bundle.activated' "
        "AND convert_from(body, 'UTF8')::json -> 'data' ->> 'change' = %s",
        made["id"].replace("-", ""),
    )
    assert (entry["body"]["actor"], entry["body"]["data"]["flagged"]) == (
        "member:cleo@acme.example",
        False,
    )


def test_cleo_cannot_approve_her_own(two: Installation) -> None:
    before = two.rows("SELECT revision FROM policies_control")
    with asking(two, "approver") as cleo:
        made = done(
            cleo.post(
                "/change-requests/",
                json={"title": "My own", "documents": FORBID, "submit": True},
            ),
            201,
        )
        one = f"/change-requests/{made['id']}/"
        for step in ("approve", "publish"):
            assert cleo.post(f"{one}{step}/", json={}).status_code == 403
        told = cleo.post(f"{one}approve/", json={}).json()
        assert told["detail"] == "you wrote or last edited this; another person approves it"
        assert two.rows("SELECT revision FROM policies_control") == before
        assert curl(two)[0] == 200
        refused = two.manage("policy", "approve", made["id"], check=False)
        assert "a member approves, not an account on the machine" in refused.stderr
        assert two.rows("SELECT revision FROM policies_control") == before
        done(cleo.post(f"{one}withdraw/", json={}))
