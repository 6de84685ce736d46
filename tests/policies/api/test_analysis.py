"""Findings, tests and the analysis of a change request by API."""

from tests.policies.api.conftest import api
from tests.policies.changes.test_analysed import callable_route, case, forbid
from tests.policies.changes.world import World, force, opened


def test_findings_and_tests_of_what_is_in_force(world: World) -> None:
    odd = forbid(world.tenant, "odd", "run.calls < 0")
    force(*callable_route(world.tenant), odd, case(world.tenant, "open", "permit"))
    tariq, mallory = api(world.tariq), api(world.mallory)
    document = {"kind": "Permission", "tenant": world.tenant, "name": "odd"}
    status, found = tariq("GET", "findings/")
    (mine,) = [item for item in found["items"] if item["document"]["tenant"] == world.tenant]
    assert (status, mine) == (
        200,
        {
            "kind": "never-matches",
            "document": document,
            "line": 1,
            "message": '"odd" can never match: there is no call for which its condition holds',
            "others": [],
        },
    )
    status, tests = tariq("GET", "policy-tests/")
    (test,) = [t for t in tests["items"] if t["test"]["tenant"] == world.tenant]
    assert (status, test["test"]["name"], test["passed"]) == (200, "open", True)
    assert test["rules"] == [{"kind": "Permission", "tenant": world.tenant, "name": "all"}]
    assert document in tests["uncovered"]
    for path in ("findings/", "policy-tests/"):
        status, theirs = mallory("GET", path)
        assert status == 200
        assert world.tenant not in str(theirs)


def test_the_analysis_of_a_change_request(world: World) -> None:
    force(*callable_route(world.tenant), case(world.tenant, "open", "permit"))
    text = forbid(world.tenant, "long", "run.calls > 20")
    row = opened(world.tariq, text, of=world.tenant, submit=False)
    tariq = api(world.tariq)
    path = f"change-requests/{row.id}/"
    status, empty = tariq("GET", f"{path}analysis/")
    assert (status, empty["checkedAt"], empty["examples"], empty["tests"]) == (200, None, [], [])
    tariq("POST", f"{path}check/")
    status, found = tariq("GET", f"{path}analysis/")
    assert (status, found["digest"]) == (200, row.digest)
    (example,) = found["examples"]
    assert (example["change"], example["facts"]) == (
        "newly denied", [{"name": "run.calls", "value": "21"}],
    )  # fmt: skip
    assert example["after"]["why"] == 'the rule "long" forbids it'
    assert [t["passed"] for t in found["tests"]] == [True]
    assert [rule["name"] for rule in found["uncovered"]] == ["long"]
    assert api(world.mallory)("GET", f"{path}analysis/")[0] == 404
