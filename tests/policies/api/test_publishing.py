"""By API with two tokens: the ways round four-eyes are refused with their own codes; time, emergency and shadow by address."""

import pytest

from policies.order.lock import control
from tests.policies.api.conftest import api, read
from tests.policies.changes.world import FOUR_EYES, World, budget, force, grant
from tests.policies.people import entries
from tests.policies.replay.world import documents
from tests.policies.texts import permission

SOFT = "  level: soft\n"


def handed(who: object, *texts: str, of: str = "") -> dict[str, object]:
    status, made = who(  # type: ignore[operator] # a client of the API
        "POST",
        "change-requests/",
        {"title": "x", "tenant": of, "documents": "---\n".join(texts), "submit": True},
    )
    assert status == 201
    return made  # type: ignore[no-any-return] # JSON


def test_each_refusal_has_its_own_code_and_changes_nothing(world: World) -> None:
    tariq, cleo, dora = api(world.tariq), api(world.cleo), api(world.dora)
    made = handed(tariq, permission("p", world.tenant), of=world.tenant)
    one, bound = f"change-requests/{made['id']}/", read(made)

    def refused(who: object, path: str, body: dict[str, object]) -> tuple[int, str]:
        before = (control(), cleo("GET", one)[1]["state"])
        status, told = who("POST", path, body)  # type: ignore[operator] # a client of the API
        assert (control(), cleo("GET", one)[1]["state"]) == before
        return status, told["code"]

    own = handed(cleo, permission("q", world.tenant), of=world.tenant)
    nobody = FOUR_EYES + "  approvals: {default: {count: 0}, Organisation: {count: 0}}\n"
    lowered = handed(cleo, nobody)
    assert [
        refused(cleo, f"change-requests/{own['id']}/approve/", {}),
        refused(tariq, f"{one}approve/", {}),
        refused(cleo, f"{one}approve/", {**bound, "digest": "0" * 64}),
        refused(cleo, f"{one}approve/", {**bound, "base": 1}),
        refused(cleo, f"{one}approve/", {**bound, "replay": "f" * 64}),
        *(refused(cleo, f"{one}approve/", bound | {name: None}) for name in ("base", "replay")),
        refused(cleo, f"{one}approve/", {**bound, "digest": ""}),
        refused(tariq, f"{one}publish/", {}),
        refused(cleo, f"change-requests/{lowered['id']}/publish/", {}),
        refused(cleo, f"change-requests/{lowered['id']}/approve/", {}),
    ] == [
        (403, "own_change"),
        (403, "role_missing"),
        (409, "approval_stale"),
        (409, "approval_stale"),
        (409, "approval_stale"),
        *[(428, "seen_missing")] * 3,
        (403, "approvals_missing"),
        (403, "organisation_needs_two"),
        (403, "own_change"),
    ]
    force(grant(world.dora.id, "auditor"))
    assert refused(dora, f"{one}approve/", bound) == (403, "role_missing")
    force(permission("p", world.tenant, "request.stream"))
    assert refused(cleo, f"{one}approve/", bound) == (409, "base_moved")
    assert refused(tariq, f"{one}rebase/", {}) == (409, "fields_clash")


def test_a_rebase_names_the_fields_and_takes_choices(world: World) -> None:
    tariq = api(world.tariq)
    force(budget("b", world.tenant))
    made = handed(tariq, budget("b", world.tenant, "200.00"), of=world.tenant)
    force(budget("b", world.tenant, "50.00").replace("month", "quarter"))
    one = f"change-requests/{made['id']}/"
    status, told = tariq("POST", f"{one}rebase/", {})
    of = {"kind": "Budget", "tenant": world.tenant, "name": "b", "path": "spec.limit"}
    assert (status, told["fields"]) == (
        409,
        [{**of, "was": "'100.00'", "theirs": "'50.00'", "mine": "'200.00'"}],
    )
    status, done = tariq("POST", f"{one}rebase/", {"choices": [{**of, "take": "mine"}]})
    assert (status, done["state"], done["base"]) == (200, "approval", control().revision)
    (edit,) = done["edits"]
    assert 'limit: "200.00"' in edit["source"]
    assert "period: quarter" in edit["source"]
    assert tariq("POST", f"{one}rebase/", {"choices": [{**of, "take": "both"}]})[0] == 400


def test_a_time_by_address(world: World) -> None:
    tariq, cleo = api(world.tariq), api(world.cleo)
    made = handed(tariq, permission("p", world.tenant), of=world.tenant)
    one = f"change-requests/{made['id']}/"
    at = "2099-01-01T00:00:00.000000Z"
    status, found = tariq("PUT", f"{one}schedule/", {"publishAt": at})
    assert (status, found["publishAt"][:19], found["state"]) == (200, at[:19], "approval")
    assert found["digest"] != made["digest"]
    assert cleo("POST", f"{one}approve/", read(found))[1]["state"] == "scheduled"
    status, told = cleo("POST", f"{one}publish/", {})
    assert (status, told["code"]) == (409, "too_early")
    status, found = cleo("DELETE", f"{one}schedule/")
    assert (status, found["publishAt"], found["state"]) == (200, None, "approval")
    assert tariq("PUT", f"{one}schedule/", {"publishAt": "2001-01-01T00:00:00Z"})[0] == 400


def test_an_emergency_by_address(world: World) -> None:
    ada, dora = api(world.ada), api(world.dora)
    soft = permission("f", world.tenant, effect="forbid") + SOFT
    made = handed(ada, soft)
    one = f"change-requests/{made['id']}/"
    assert ada("POST", f"{one}break-glass/", {})[0] == 400
    assert dora("POST", f"{one}break-glass/", {"reason": "x"})[1]["code"] == "not_for_break_glass"
    half = {"reason": "it leaks", "digest": read(made)["digest"]}
    assert ada("POST", f"{one}break-glass/", half)[1]["code"] == "seen_missing"
    status, done = ada("POST", f"{one}break-glass/", {"reason": "it leaks", **read(made)})
    assert (status, done["state"], done["flagged"]) == (200, "published", True)
    assert (done["glass"]["actor"], done["glass"]["verdict"]) == (world.ada.actor, "")
    confirm = {"verdict": "confirmed", "reason": "right so"}
    assert ada("POST", f"{one}review-glass/", confirm)[1]["code"] == "own_break_glass"
    status, done = dora("POST", f"{one}review-glass/", confirm)
    assert (status, done["glass"]["verdict"], done["glass"]["reviewedBy"]) == (
        200,
        "confirmed",
        world.dora.actor,
    )


@pytest.mark.usefixtures("world")
def test_a_shadow_by_address(world: World) -> None:
    force(*documents(world.tenant))
    tariq, mallory = api(world.tariq), api(world.mallory)
    text = permission("n", world.tenant, "request.stream", "forbid")
    made = handed(tariq, text, of=world.tenant)
    path = f"change-requests/{made['id']}/shadow/"
    assert tariq("GET", path)[0] == 404
    assert tariq("POST", path, {"hours": 0})[0] == 400
    status, found = tariq("POST", path, {"hours": 2})
    assert (status, found["running"], found["counts"]["calls"]) == (201, True, 0)
    assert tariq("POST", path, {"hours": 2})[1]["code"] == "wrong_state"
    assert [mallory(verb, path)[0] for verb in ("GET", "DELETE")] == [404, 404]
    status, found = tariq("DELETE", path)
    assert (status, found["running"], found["told"]) == (200, False, "stopped")


def test_a_yes_that_names_nothing_is_to_what_stands_there(world: World) -> None:
    tariq, cleo = api(world.tariq), api(world.cleo)
    made = handed(tariq, permission("p", world.tenant), of=world.tenant)
    status, done = cleo("POST", f"change-requests/{made['id']}/approve/", {})
    assert (status, done["state"]) == (200, "published")
    (said,) = entries(kind="change.approved", subject=f"change:{str(made['id']).replace('-', '')}")
    assert {name: said["data"][name] for name in ("base", "digest", "replay")} == read(made)
