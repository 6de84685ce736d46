"""Tariq drafts a change, its replay says what it denies, Cleo approves, the same `curl` is denied. By API alone."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.four_eyes import approved, done, four_eyes
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


def replayed(tariq: httpx2.Client, one: str) -> Any:
    """What the replay of a change request came to, once the jobs worker has ended it."""
    begun = done(tariq.post(f"{one}replay/", json={"days": 7}), 202)
    until = time.monotonic() + 60
    while (found := done(tariq.get(f"{one}replay/")))["state"] in ("queued", "running"):
        assert time.monotonic() < until, found
        time.sleep(0.5)
    assert (found["id"], found["state"], found["stale"]) == (begun["id"], "done", False)
    return found["found"]


def triage(mandate: Installation, route: str) -> int:
    """How many calls of insurance were decided in these seven days: about a route, or all."""
    (row,) = mandate.rows(
        "SELECT count(DISTINCT call) AS calls FROM policies_decision WHERE tenant = 'insurance' AND stage = 'request' "
        "AND call >= (SELECT lpad(to_hex((extract(epoch FROM mandate_now() - interval '7 days') * 1000)::bigint), 12, '0') "
        "|| repeat('0', 20))::uuid AND %s IN ('', convert_from(facts, 'UTF8')::json ->> 'route')",
        route,
    )
    return int(row["calls"])


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
        said = replayed(tariq, one)
        assert said["counts"]["calls"] == triage(two, "")
        assert 1 <= said["counts"]["denied"] <= triage(two, "claims-triage")
        assert said["counts"]["blocked"] == {
            "Permission insurance/triage-rests": said["counts"]["denied"]
        }
        assert [tenant["tenant"] for tenant in said["tenants"]] == ["insurance"]
        published = approved(cleo, one)
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
        assert approved(finn, f"/change-requests/{back['id']}/")["state"] == "published"
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
