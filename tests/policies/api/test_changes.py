"""Change requests by API alone: Tariq drafts, Cleo approves; nobody else can, and nobody of elsewhere sees it."""

from uuid import uuid4

from policies.bundles.models import Document
from policies.changes.models import ChangeRequest
from policies.order.lock import control
from policies.repeats.models import Repeat
from tests.policies.api.conftest import api, read
from tests.policies.changes.world import World, budget, force
from tests.policies.texts import permission


def test_tariq_drafts_and_cleo_approves(world: World) -> None:
    tariq, cleo = api(world.tariq), api(world.cleo)
    before = control().revision
    status, made = tariq(
        "POST",
        "change-requests/",
        {
            "title": "Let claims call",
            "tenant": world.tenant,
            "documents": permission("p", world.tenant),
            "submit": True,
        },
    )
    assert (status, made["state"], made["author"]) == (201, "approval", world.tariq.actor)
    assert made["needs"] == [{"kind": "Permission", "count": 1, "roles": ["approver"]}]
    assert made["missing"] == made["needs"]
    assert made["refusal"] == "this is approved by the role approver; Tariq does not hold it here"
    assert [check["ok"] for check in made["checks"]] == [True] * 6
    (edit,) = made["edits"]
    assert edit["diff"].startswith(f"--- /dev/null\n+++ b/{world.tenant}/Permission/p.yaml\n")
    assert control().revision == before
    one = f"change-requests/{made['id']}/"
    status, refused = tariq("POST", f"{one}approve/", {})
    assert (status, refused["code"]) == (403, "role_missing")
    status, done = cleo("POST", f"{one}approve/", {"reason": "fine", **read(made)})
    assert (status, done["state"], done["revision"]) == (200, "published", before + 1)
    assert [(a["actor"], a["reason"]) for a in done["approvals"]] == [(world.cleo.actor, "fine")]
    assert done["missing"] == []
    assert Document.objects.get(tenant=world.tenant, name="p").revision == before + 1


def test_cleo_cannot_approve_her_own(world: World) -> None:
    cleo = api(world.cleo)
    _, made = cleo(
        "POST",
        "change-requests/",
        {"title": "Mine", "documents": permission("p", world.tenant), "submit": True},
    )
    assert made["refusal"] == "you wrote or last edited this; another person approves it"
    before = control()
    status, refused = cleo("POST", f"change-requests/{made['id']}/approve/", {})
    assert (status, refused["detail"]) == (
        403,
        "you wrote or last edited this; another person approves it",
    )
    assert control() == before
    assert ChangeRequest.objects.get(pk=made["id"]).approvals.count() == 0
    status, done = api(world.dora)("POST", f"change-requests/{made['id']}/approve/", read(made))
    assert (status, done["state"]) == (200, "published")


def test_every_step_by_address(world: World) -> None:
    tariq, cleo = api(world.tariq), api(world.cleo)
    _, made = tariq("POST", "change-requests/", {"title": "Steps", "tenant": world.tenant})
    one = f"change-requests/{made['id']}/"
    assert made["state"] == "draft"
    status, found = tariq("PATCH", one, {"title": "More steps", "reason": "because"})
    assert (status, found["title"], found["reason"]) == (200, "More steps", "because")
    broken = permission("p", world.tenant, "request.nothing")
    status, edits = tariq("POST", f"{one}edits/", {"documents": broken})
    assert (status, [e["name"] for e in edits["items"]]) == (201, ["p"])
    _, checked = tariq("POST", f"{one}check/")
    assert checked["state"] == "draft"
    (problem,) = next(c for c in checked["checks"] if not c["ok"])["problems"]
    assert (problem["file"], problem["line"], problem["column"], problem["path"]) == (
        f"{world.tenant}/Permission/p.yaml",
        7,
        17,
        "spec.when",
    )
    _, handed = tariq("POST", f"{one}submit/")
    assert handed["state"] == "checks"
    address = f"{one}edits/Permission/p/?tenant={world.tenant}"
    status, refused = tariq("PUT", address, {"source": permission("p", world.tenant)})
    assert (status, refused.get("code")) == (428, "if_match_missing")
    seen = edits["items"][0]["digest"]
    assert refused["theirs"]["digest"] == seen
    status, edit = tariq("PUT", address, {"source": permission("p", world.tenant)}, match=seen)
    assert (status, edit["problems"]) == (200, [])
    assert tariq("GET", one)[1]["state"] == "approval"
    status, back = cleo("POST", f"{one}request-changes/", {"reason": "too wide"})
    assert (status, back["state"], back["note"]) == (200, "draft", "too wide")
    assert cleo("POST", f"{one}request-changes/", {})[0] == 400
    assert tariq("DELETE", address)[0] == 428
    assert tariq("DELETE", address, match=edit["digest"])[0] == 204
    assert tariq("DELETE", address)[0] == 404
    assert tariq("POST", f"{one}submit/")[0] == 400
    status, ended = tariq("POST", f"{one}withdraw/", {"reason": "never mind"})
    assert (status, ended["state"]) == (200, "withdrawn")
    assert tariq("POST", f"{one}edits/", {"documents": broken})[0] == 409


def test_conflicts_are_named_and_kept_on_purpose(world: World) -> None:
    tariq = api(world.tariq)
    _, made = tariq(
        "POST",
        "change-requests/",
        {
            "title": "Both",
            "tenant": world.tenant,
            "documents": permission("p", world.tenant),
            "submit": True,
        },
    )
    force(permission("p", world.tenant, "request.stream"))
    one = f"change-requests/{made['id']}/"
    assert tariq("GET", one)[1]["conflicts"] == [f"Permission {world.tenant}/p"]
    status, refused = tariq("POST", f"{one}rebase/", {})
    assert (status, refused["conflicts"]) == (409, [["Permission", world.tenant, "p"]])
    assert api(world.cleo)("POST", f"{one}approve/", {})[0] == 409
    mine = [{"kind": "Permission", "tenant": world.tenant, "name": "p"}]
    status, done = tariq("POST", f"{one}rebase/", {"mine": mine})
    assert (status, done["conflicts"], done["state"]) == (200, [], "approval")


def test_deleting_needs_what_is_there(world: World) -> None:
    force(permission("p", world.tenant))
    tariq = api(world.tariq)
    _, made = tariq("POST", "change-requests/", {"title": "Gone", "tenant": world.tenant})
    one = f"change-requests/{made['id']}/edits/Permission"
    of = f"?tenant={world.tenant}"
    assert tariq("PUT", f"{one}/p/{of}", {"deletes": True})[0] == 428
    seen = tariq("GET", f"documents/Permission/p/{of}")[1]["digest"]
    status, edit = tariq("PUT", f"{one}/p/{of}", {"deletes": True}, match=seen)
    assert (status, edit["deletes"]) == (200, True)
    assert "+++ /dev/null" in edit["diff"]
    assert tariq("PUT", f"{one}/q/?tenant={world.tenant}", {"deletes": True})[0] == 404


def test_the_list_is_filtered_and_paged(world: World) -> None:
    tariq = api(world.tariq)
    ids = [
        tariq("POST", "change-requests/", {"title": f"n {n}", "tenant": world.tenant})[1]["id"]
        for n in range(3)
    ]
    tariq("POST", f"change-requests/{ids[0]}/withdraw/", {})
    where = f"change-requests/?tenant={world.tenant}"
    assert [r["id"] for r in tariq("GET", where)[1]["items"]] == ids[::-1]
    assert [r["id"] for r in tariq("GET", f"{where}&state=open")[1]["items"]] == ids[:0:-1]
    assert [r["id"] for r in tariq("GET", f"{where}&state=withdrawn")[1]["items"]] == ids[:1]
    first = tariq("GET", f"{where}&limit=2")[1]
    assert [r["id"] for r in first["items"]] == [ids[2], ids[1]]
    rest = tariq("GET", f"{where}&limit=2&cursor={first['next']}")[1]
    assert ([r["id"] for r in rest["items"]], rest["next"]) == ([ids[0]], None)
    assert tariq("GET", "change-requests/?state=nonsense")[0] == 400


def test_another_tenants_change_request_does_not_exist(world: World) -> None:
    _, made = api(world.tariq)(
        "POST",
        "change-requests/",
        {
            "title": "Mine",
            "tenant": world.tenant,
            "documents": permission("p", world.tenant),
            "submit": True,
        },
    )
    mallory = api(world.mallory)
    one = f"change-requests/{made['id']}/"
    for method, path, body in (
        ("GET", one, None),
        ("PATCH", one, {"title": "x"}),
        ("GET", f"{one}edits/", None),
        ("POST", f"{one}edits/", {"documents": permission("q", world.other)}),
        ("PUT", f"{one}edits/Permission/p/?tenant={world.tenant}", {"source": "x"}),
        ("DELETE", f"{one}edits/Permission/p/?tenant={world.tenant}", None),
        *(("POST", f"{one}{act}/", {}) for act in ("check", "submit", "approve", "publish")),
        *(("POST", f"{one}{act}/", {"reason": "x"}) for act in ("request-changes", "withdraw")),
        ("POST", f"{one}rebase/", {}),
    ):
        status, answer = mallory(method, path, body)
        assert (status, answer["code"]) == (404, "not_found"), path
    assert mallory("GET", "change-requests/")[1]["items"] == []
    assert mallory("GET", f"change-requests/?tenant={world.tenant}")[1]["items"] == []
    status, answer = mallory("POST", "change-requests/", {"title": "x", "tenant": world.tenant})
    assert (status, world.tenant in answer["detail"]) == (404, True)
    assert api(world.tariq)("GET", one)[1]["state"] == "approval"
    assert mallory("GET", f"change-requests/{uuid4()}/")[0] == 404


def test_the_same_key_makes_one_change_request(world: World) -> None:
    tariq = api(world.tariq)
    wanted = {"title": "Once", "tenant": world.tenant}
    first = tariq("POST", "change-requests/", wanted, key="k-1")
    again = tariq("POST", "change-requests/", wanted, key="k-1")
    assert first == again
    assert ChangeRequest.objects.filter(tenant=world.tenant).count() == 1
    status, refused = tariq("POST", "change-requests/", {**wanted, "title": "Other"}, key="k-1")
    assert (status, refused["code"]) == (409, "conflict")
    other = api(world.ada)("POST", "change-requests/", wanted, key="k-1")
    assert (other[0], other[1]["author"]) == (201, world.ada.actor)
    assert Repeat.objects.filter(actor=world.tariq.actor).count() == 1


def test_an_approval_with_a_key_is_given_once(world: World) -> None:
    _, made = api(world.tariq)(
        "POST",
        "change-requests/",
        {
            "title": "Two",
            "tenant": world.tenant,
            "documents": f"{permission('p', world.tenant)}---\n{budget('b', world.tenant)}",
            "submit": True,
        },
    )
    cleo, path = api(world.cleo), f"change-requests/{made['id']}/approve/"
    first = cleo("POST", path, read(made), key="yes")
    assert cleo("POST", path, read(made), key="yes") == first
    assert cleo("POST", path, {})[0] == 403
    assert len(first[1]["approvals"]) == 1


def test_names_that_cannot_be_are_not_found(world: World) -> None:
    ada = api(world.ada)
    _, made = ada("POST", "change-requests/", {"title": "x"})
    for path in ("edits/Permission/%00/", "edits/%00/p/"):
        one = f"change-requests/{made['id']}/{path}"
        assert ada("DELETE", one)[0] == 404
        assert ada("PUT", one, {"source": "x"})[0] == 404
    # what is asked with it is refused at the door
    assert ada("DELETE", f"change-requests/{made['id']}/edits/Permission/p/?tenant=%00")[0] == 400
    assert ada("GET", "change-requests/?tenant=%00")[0] == 400


def test_if_match_refuses_a_save_over_a_newer_one_and_gives_it_back(world: World) -> None:
    tariq, cleo = api(world.tariq), api(world.cleo)
    text = permission("both", world.tenant)
    _, made = tariq(
        "POST",
        "change-requests/",
        {"title": "Both", "tenant": world.tenant, "documents": text},
    )
    (began,) = made["edits"]
    one = f"change-requests/{made['id']}/edits/Permission/both/?tenant={world.tenant}"
    status, hers = cleo("PUT", one, {"source": text + "# hers\n"}, match=began["digest"])
    assert (status, hers["editedBy"]) == (200, world.cleo.actor)
    for method, wanted in (("PUT", {"source": text + "# his\n"}), ("DELETE", None)):
        status, refused = tariq(method, one, wanted, match=began["digest"])
        assert (status, refused["code"]) == (412, "edited_meanwhile")
        assert refused["theirs"] == {
            "source": text + "# hers\n",
            "deletes": False,
            "editedBy": world.cleo.actor,
            "digest": hers["digest"],
        }
    status, his = tariq("PUT", one, {"source": text + "# his\n"}, match=hers["digest"])
    assert (status, his["source"]) == (200, text + "# his\n")
