"""Pages of tests and analysis: what they say, and to whom."""

from tests.policies.changes.test_analysed import callable_route, case, forbid
from tests.policies.changes.world import World, force, opened
from tests.policies.ui.conftest import Pages, words


def test_a_change_request_shows_its_smallest_example_and_what_is_odd(world: World) -> None:
    force(*callable_route(world.tenant), case(world.tenant, "open", "permit"))
    row = opened(
        world.tariq,
        forbid(world.tenant, "long", "run.calls > 20"),
        forbid(world.tenant, "odd", "run.calls < 0"),
        of=world.tenant,
    )
    text = words(Pages(world.tariq).get(f"/change-requests/{row.id}/"))
    assert "newly denied" in text
    assert f"{world.tenant}/claims calls r, with run.calls 21" in text
    assert f"In forcepermit by {world.tenant}/m1This draftdeny" in text
    assert '"odd" can never match' in text
    assert "1 test; 1 of 3 rules decided by one" in text
    assert "2 of 3 rules no test decides" in text


def test_a_draft_that_was_not_checked_shows_neither(world: World) -> None:
    row = opened(world.tariq, forbid(world.tenant, "x", "true"), of=world.tenant, submit=False)
    text = words(Pages(world.tariq).get(f"/change-requests/{row.id}/"))
    assert "Not checked yet" in text
    assert "At the boundaries" not in text


def test_the_documents_page_says_what_is_odd_to_who_may_read_it(world: World) -> None:
    force(*callable_route(world.tenant), forbid(world.tenant, "odd", "run.calls < 0"))
    assert '"odd" can never match' in words(Pages(world.tariq).get("/documents/"))
    assert '"odd" can never match' not in words(Pages(world.mallory).get("/documents/"))


def test_the_page_of_tests(world: World) -> None:
    force(
        *callable_route(world.tenant),
        forbid(world.tenant, "long", "run.calls > 20"),
        case(world.tenant, "open", "permit"),
    )
    text = words(Pages(world.tariq).get("/policy-tests/"))
    assert f"{world.tenant}/open" in text
    assert f"passespermit by {world.tenant}/m1all" in text
    assert f"{world.tenant}Permission long" in text
    assert world.tenant not in words(Pages(world.mallory).get("/policy-tests/"))
