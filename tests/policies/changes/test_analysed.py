"""Tests and analysis as checks of a change request: what fails blocks, what is odd warns, and a tenant sees its own."""

import pytest

from policies.bundles.publish import Edits, publish
from policies.changes import commands, publishing
from policies.changes.analysed import published_analysis, published_tests
from policies.changes.seen import ANYTHING
from policies.documents.parse import parse_text
from policies.documents.problems import InvalidDocuments
from tests.policies.changes.world import World, force, opened
from tests.policies.engine.small import PARTS, document, model, permission, route


def callable_route(tenant: str) -> list[str]:
    """A provider, a model, a use case and a route of a tenant, which everybody there may call."""
    parts = [
        PARTS[name].replace('"metadata": {', f'"metadata": {{"tenant": "{tenant}", ')
        for name in ("p", "u")
    ]
    return [
        f"{text}\n"
        for text in (
            *parts,
            model("m1", tenant),
            route("r", "m1", tenant=tenant),
            permission("all", tenant, effect="permit"),
        )
    ]


def case(tenant: str, name: str, effect: str, **request: object) -> str:
    """A PolicyTest of the tenant's route."""
    given = {"tenant": tenant, "route": "r", "request": request}
    spec = {"given": given, "expect": {"effect": effect}}
    return document("PolicyTest", name, spec, tenant) + "\n"


def forbid(tenant: str, name: str, when: str) -> str:
    """A forbid on the tenant's calls."""
    return permission(name, tenant, effect="forbid", when=when) + "\n"


def test_the_smallest_call_that_is_newly_denied_stands_with_the_checks(world: World) -> None:
    force(*callable_route(world.tenant))
    row = opened(world.tariq, forbid(world.tenant, "long", "run.calls > 20"), of=world.tenant)
    check = row.checks.get(kind="analysis")
    (example,) = check.found["examples"]
    assert (example["change"], example["tenant"], example["route"]) == (
        "newly denied", world.tenant, "r",
    )  # fmt: skip
    assert example["facts"] == [["run.calls", "21"]]
    assert example["before"] == {"effect": "permit", "models": [f"{world.tenant}/m1"], "why": ""}
    assert (check.ok, check.found["findings"]) == (True, [])
    told = (
        f"no new warning; 1 sort of call decided otherwise among {check.found['decided']:,} tried"
    )
    assert check.told == told


def test_what_is_odd_warns_and_blocks_nothing(world: World) -> None:
    force(*callable_route(world.tenant))
    row = opened(world.tariq, forbid(world.tenant, "odd", "run.calls < 0"), of=world.tenant)
    check = row.checks.get(kind="analysis")
    assert [(f["kind"], f["document"][2]) for f in check.found["findings"]] == [
        ("never-matches", "odd")
    ]
    assert (check.ok, row.state) == (True, "approval")
    assert "1 new warning; no call decided otherwise" in check.told
    again = opened(world.tariq, forbid(world.tenant, "odd", "run.calls < 0"), of=world.tenant)
    publishing.approve(world.cleo, row.id)
    commands.check(world.cleo, again.id)
    found = again.checks.get(kind="base")
    assert found.ok is False


def test_a_finding_that_stood_there_before_is_counted_not_repeated(world: World) -> None:
    force(*callable_route(world.tenant), forbid(world.tenant, "odd", "run.calls < 0"))
    row = opened(world.tariq, forbid(world.tenant, "long", "run.calls > 20"), of=world.tenant)
    found = row.checks.get(kind="analysis").found
    assert (found["findings"], found["earlier"]) == ([], 1)


def test_nothing_of_another_tenant_stands_in_an_analysis(world: World) -> None:
    force(*callable_route(world.tenant), *callable_route(world.other), forbid(world.other, "theirs", "run.calls < 0"),
          case(world.other, "of-theirs", "permit"))  # fmt: skip
    row = opened(world.tariq, forbid(world.tenant, "long", "run.calls > 20"), of=world.tenant)
    stored = str([check.found for check in row.checks.all()])
    assert world.other not in stored
    assert "theirs" not in stored
    assert row.checks.get(kind="analysis").found["earlier"] == 0


def test_a_failing_test_keeps_a_change_from_approval(world: World) -> None:
    force(*callable_route(world.tenant), case(world.tenant, "open", "permit"))
    row = opened(world.tariq, forbid(world.tenant, "none", "true"), of=world.tenant)
    check = row.checks.get(kind="tests")
    assert (row.state, check.ok) == ("checks", False)
    assert check.told == "1 test, 1 failing; 1 of 2 rules decided by one"
    ((file, line, _, path, message),) = check.problems
    assert (file, line, path) == (
        f"published/{world.tenant}/PolicyTest/open.yaml",
        1,
        "spec.expect",
    )
    assert message == (
        'the test fails: expected permit, the decision is deny: the rule "none" forbids it'
    )
    wanted = Edits(
        actor="cli:x", origin="git", put=parse_text(forbid(world.tenant, "none", "true"), "x")
    )
    with pytest.raises(InvalidDocuments, match="the test fails"):
        publish(wanted, lambda *_: None)


def test_taking_a_failing_test_away_is_seen(world: World) -> None:
    force(
        *callable_route(world.tenant),
        case(world.tenant, "open", "permit"),
        case(world.tenant, "fine", "permit", stream=True),
    )
    row = commands.draft(world.tariq, commands.NewChange(title="x", tenant=world.tenant))
    commands.put_texts(world.tariq, row.id, forbid(world.tenant, "none", "!request.stream"))
    commands.delete_document(world.tariq, row.id, ("PolicyTest", world.tenant, "open"), ANYTHING)
    row = publishing.submit(world.tariq, row.id)
    check = row.checks.get(kind="tests")
    assert (row.state, check.ok) == ("approval", True)
    assert check.told == (
        "1 test; 1 of 2 rules decided by one; 1 that would fail taken away or rewritten"
    )
    assert [one["test"] for one in check.found["dropped"]] == [["PolicyTest", world.tenant, "open"]]
    assert check.found["dropped"][0]["misses"] == [
        'expected permit, the decision is deny: the rule "none" forbids it'
    ]


def test_rewriting_a_test_that_still_holds_is_no_news(world: World) -> None:
    force(*callable_route(world.tenant), case(world.tenant, "open", "permit"))
    row = opened(world.tariq, case(world.tenant, "open", "permit", language="de"), of=world.tenant)
    check = row.checks.get(kind="tests")
    assert (check.found["dropped"], check.told) == ([], "1 test; 1 of 1 rules decided by one")


def test_what_is_published_is_told_to_who_may_read_it(world: World) -> None:
    force(
        *callable_route(world.tenant),
        forbid(world.tenant, "odd", "run.calls < 0"),
        case(world.tenant, "open", "permit"),
    )
    odd, ours = ("Permission", world.tenant, "odd"), ("PolicyTest", world.tenant, "open")
    assert [f.document for f in published_analysis(frozenset({odd})).findings] == [odd]
    assert published_analysis(frozenset({ours})).findings == ()
    run = published_tests(frozenset({odd, ours, ("Permission", world.tenant, "all")}))
    assert [(r.test, r.passed) for r in run.results] == [(ours, True)]
    assert run.uncovered == (odd,)
    assert published_tests(frozenset()).results == ()
    hidden = published_tests(frozenset({("Permission", world.tenant, "all")}))
    assert (hidden.results, [c.tests for c in hidden.coverage]) == ((), [()])
