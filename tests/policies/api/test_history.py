"""Revisions, versions and uses by API; nothing of another tenant in any of them."""

from policies.changes.models import ChangeRequest
from policies.order.lock import control
from tests.policies.api.conftest import api, read
from tests.policies.changes.world import World, force, opened
from tests.policies.texts import permission


def test_a_document_has_its_versions_with_who_and_what(world: World) -> None:
    first = force(permission("p", world.tenant))
    row = opened(world.tariq, permission("p", world.tenant, "request.stream"), of=world.tenant)
    bound = {"base": row.base, "digest": row.digest, "replay": ""}
    _, done = api(world.cleo)("POST", f"change-requests/{row.id}/approve/", bound)
    address = f"documents/Permission/p/history/?tenant={world.tenant}"
    status, found = api(world.tariq)("GET", address)
    assert status == 200
    assert [(v["revision"], v["what"], v["actor"], v["change"]) for v in found["items"]] == [
        (done["revision"], "changed", world.cleo.actor, str(row.id)),
        (first, "created", "cli:test", None),
    ]
    assert "+  when: 'request.stream'\n" in found["items"][0]["diff"]
    assert found["items"][1]["diff"].startswith("--- /dev/null\n")
    assert len(api(world.tariq)("GET", f"{address}&limit=1")[1]["items"]) == 1
    assert api(world.mallory)("GET", address)[0] == 404


def test_a_revision_and_its_difference(world: World) -> None:
    before = force(permission("p", world.tenant), permission("theirs", world.other))
    after = force(
        permission("p", world.tenant, "request.stream"),
        permission("q", world.tenant),
        delete=[("Permission", world.other, "theirs")],
    )
    dora, tariq = api(world.dora), api(world.tariq)
    status, one = dora("GET", f"bundles/{after}/")
    assert (status, one["revision"], one["actor"], one["change"]) == (200, after, "cli:test", None)
    _, found = dora("GET", f"bundles/{after}/diff/")
    assert [(c["tenant"], c["name"], c["what"]) for c in found["items"]] == sorted(
        [
            (world.other, "theirs", "deleted"),
            (world.tenant, "p", "changed"),
            (world.tenant, "q", "created"),
        ]
    )
    _, own = tariq("GET", f"bundles/{after}/diff/?from={before}")
    assert [c["name"] for c in own["items"]] == ["p", "q"]
    assert dora("GET", f"bundles/{after}/diff/?from={after}")[1]["items"] == []
    assert dora("GET", f"bundles/{after}/diff/?from=x")[0] == 400
    for revision in (0, 10**9, 10**18):
        assert dora("GET", f"bundles/{revision}/")[0] == 404
        assert dora("GET", f"bundles/{revision}/diff/")[0] == 404


def test_rolling_back_by_api(world: World) -> None:
    first = force(permission("p", world.tenant))
    force(permission("p", world.tenant, "request.stream"))
    cleo = api(world.cleo)
    status, made = cleo("POST", f"bundles/{first}/rollback/", {"reason": "it broke"}, key="back")
    assert (status, made["state"], made["rollbackOf"]) == (201, "approval", first)
    assert cleo("POST", f"bundles/{first}/rollback/", {"reason": "it broke"}, key="back")[1] == made
    assert ChangeRequest.objects.filter(rollback_of=first).count() == 1
    status, done = api(world.dora)("POST", f"change-requests/{made['id']}/approve/", read(made))
    assert (status, done["state"], control().revision) == (200, "published", done["revision"])
    assert api(world.tariq)("POST", f"bundles/{first}/rollback/", {})[0] == 403
    assert cleo("POST", f"bundles/{10**9}/rollback/", {})[0] == 404


def test_where_a_document_is_used(world: World) -> None:
    tariq = api(world.tariq)
    force(permission("p", world.tenant))
    status, found = tariq("GET", f"documents/Tenant/{world.tenant}/uses/")
    assert status == 200
    assert {(u["kind"], u["name"], u["path"]) for u in found["items"]} >= {
        ("Permission", "p", "metadata.tenant")
    }
    assert tariq("GET", f"documents/Tenant/{world.other}/uses/")[0] == 404


def test_the_schema_of_a_kind(world: World) -> None:
    status, found = api(world.tariq)("GET", "schemas/Permission/")
    assert (status, found["title"]) == (200, "Permission")
    assert "effect" in found["properties"]["spec"]["properties"]
    status, refused = api(world.tariq)("GET", "schemas/Nothing/")
    assert (status, "known: Organisation" in refused["detail"]) == (404, True)
