"""By API alone, over HTTP: Tariq drafts, Cleo approves, the same question is decided differently; she cannot approve her own."""

from collections.abc import Iterator

import pytest

from tests.browser.world import Console
from tests.four_eyes import approved, done, four_eyes

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


@pytest.fixture(scope="module")
def two(console: Console, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """The console in four-eyes mode."""
    folder = tmp_path_factory.mktemp("four-eyes")
    with four_eyes(console.manage, lambda role: console.bearer(console.tokens[role]), folder):
        yield console


def decided(console: Console) -> str:
    """What a call of the claims team would get: the same question each time."""
    with console.bearer(console.tokens["developer"]) as tariq:
        wanted = {"tenant": "insurance", "team": "claims", "route": "claims-triage"}
        return str(done(tariq.post("/decide/", json=wanted))["effect"])


def test_tariq_drafts_and_cleo_approves(two: Console) -> None:
    assert decided(two) == "permit"
    wanted = {
        "title": "Let triage rest",
        "tenant": "insurance",
        "documents": FORBID,
        "submit": True,
    }
    with (
        two.bearer(two.tokens["developer"]) as tariq,
        two.bearer(two.tokens["approver"]) as cleo,
        two.bearer(two.tokens["finance"]) as finn,
    ):
        made = done(tariq.post("/change-requests/", json=wanted), 201)
        one = f"/change-requests/{made['id']}/"
        assert made["missing"] == [{"kind": "Permission", "count": 1, "roles": ["approver"]}]
        assert tariq.post(f"{one}approve/", json={}).status_code == 403
        assert decided(two) == "permit"
        published = approved(cleo, one)
        assert (published["state"], published["flagged"]) == ("published", False)
        assert decided(two) == "deny"
        before = published["revision"] - 1
        back = done(cleo.post(f"/bundles/{before}/rollback/", json={"reason": "enough"}), 201)
        assert cleo.post(f"/change-requests/{back['id']}/approve/", json={}).status_code == 403
        assert decided(two) == "deny"
        approved(finn, f"/change-requests/{back['id']}/")
        assert decided(two) == "permit"


def test_cleo_cannot_approve_her_own(two: Console) -> None:
    before = two.rows("SELECT revision FROM policies_control")
    wanted = {"title": "My own", "documents": FORBID, "submit": True}
    with two.bearer(two.tokens["approver"]) as cleo:
        made = done(cleo.post("/change-requests/", json=wanted), 201)
        one = f"/change-requests/{made['id']}/"
        for step in ("approve", "publish"):
            assert cleo.post(f"{one}{step}/", json={}).status_code == 403
        told = cleo.post(f"{one}approve/", json={}).json()
        assert told["detail"] == "you wrote or last edited this; another person approves it"
        assert two.rows("SELECT revision FROM policies_control") == before
        done(cleo.post(f"{one}withdraw/", json={}))
    assert decided(two) == "permit"


def test_cleo_is_told_what_waits_for_her_and_never_offered_her_own(two: Console) -> None:
    with (
        two.bearer(two.tokens["developer"]) as tariq,
        two.signed_in("cleo") as cleo,
        two.signed_in("mallory") as mallory,
    ):
        wanted = {"title": "Look at me", "tenant": "insurance", "documents": FORBID, "submit": True}
        made = done(tariq.post("/change-requests/", json=wanted), 201)
        page = f"/change-requests/{made['id']}/"
        assert "1 change request waits for you" in cleo.get("/").text
        assert f'action="{page}approve/"' in cleo.get(page).text
        assert mallory.get(page).status_code == 404
        assert "Look at me" not in mallory.get("/change-requests/").text
        done(tariq.post(f"{page}withdraw/", json={}))
        assert "change request waits for you" not in cleo.get("/").text
