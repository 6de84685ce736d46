"""`manage.py prices import`: what differs waits as a change request, here and at a server; nothing is published by it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from policies.bundles.models import Document
from policies.changes.models import ChangeRequest
from policies.changes.read import edits_of
from policies.identity.commands import create_token
from policies.identity.models import User
from policies.order.lock import control, mandate_now
from tests.policies.changes.world import World, force
from tests.policies.changes.world import world as made
from tests.policies.management.running import Ran, run

pytestmark = pytest.mark.usefixtures("application_role")
DOCUMENTS = """\
apiVersion: mandate/v1
kind: Provider
metadata: {{name: sky, tenant: {0}}}
spec: {{type: openai-compatible, baseUrl: "https://sky.{0}.example/v1"}}
---
apiVersion: mandate/v1
kind: Model
metadata: {{name: small, tenant: {0}}}
spec:
  provider: sky
  contextWindow: 4000
  maxOutputTokens: 1000
  prices: [{{from: 2026-01-01, currency: USD, inputPerMillion: "1", outputPerMillion: "10"}}]
---
apiVersion: mandate/v1
kind: Model
metadata: {{name: unknown, tenant: {0}}}
spec:
  provider: sky
  contextWindow: 4000
  maxOutputTokens: 1000
  prices: [{{from: 2026-01-01, currency: USD, inputPerMillion: "1", outputPerMillion: "10"}}]
"""


@pytest.fixture
def world() -> Iterator[World]:
    with made() as found:
        force(*DOCUMENTS.format(found.tenant).split("---\n"))
        yield found


@pytest.fixture
def file(tmp_path: Path, world: World) -> Path:
    prices = {"input_mtok": 0.75, "output_mtok": 9}
    provider = {
        "id": "sky",
        "api_pattern": rf"https://sky\.{world.tenant}\.example",
        "models": [{"id": "small", "match": {"equals": "small"}, "prices": prices}],
    }
    found = tmp_path / "data.json"
    found.write_text(json.dumps([provider]), encoding="utf-8")
    return found


def mine(world: World, ran: Ran) -> dict[str, Any]:
    """What was said of the world's tenant: other tests' models stand beside it."""
    said = json.loads(ran.said)
    return {name: [o for o in found if o["tenant"] == world.tenant] for name, found in said.items()}


def changes(world: World) -> list[ChangeRequest]:
    return list(ChangeRequest.objects.filter(tenant=world.tenant).order_by("id"))


def test_what_differs_waits_as_a_change_request_and_the_same_again_is_the_same(
    world: World, file: Path
) -> None:
    before, day = control(), mandate_now().date().isoformat()
    done = run("prices", "import", str(file), "--json")
    [row] = changes(world)
    price = {"from": day, "currency": "USD", "inputPerMillion": "0.75", "outputPerMillion": "9"}
    assert (done.code, done.complained) == (0, "")
    assert mine(world, done) == {
        "new": [{"tenant": world.tenant, "model": "small", "price": price}],
        "same": [],
        "left": [
            {"tenant": world.tenant, "model": "unknown", "why": 'it lists no "unknown" at sky'}
        ],
        "changes": [{"id": str(row.id), "tenant": world.tenant, "state": "approval"}],
    }
    assert (row.author, row.state, row.origin) == ("cli:tess", "approval", "console")
    [edit] = edits_of(row)
    assert (edit.kind, edit.tenant, edit.name) == ("Model", world.tenant, "small")
    assert control() == before
    run("prices", "import", str(file))
    assert changes(world) == [row]


def test_a_dry_run_hands_nothing_in(world: World, file: Path) -> None:
    done = run("prices", "import", str(file), "--dry-run")
    assert f"+ {world.tenant}/small: 0.75 in, 9 out, USD a million" in done.said.splitlines()
    assert f'- {world.tenant}/unknown: it lists no "unknown" at sky' in done.said.splitlines()
    assert changes(world) == []


def test_at_a_server_the_member_of_the_token_proposes(
    world: World, file: Path, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = world.tariq
    shown = create_token(who, User.objects.get(email=who.id), name="cli").shown
    monkeypatch.setenv("MANDATE_TOKEN", shown)
    done = run("prices", "import", str(file), "--server", live_server.url)
    [row] = changes(world)
    assert (done.code, done.complained) == (0, "")
    assert done.said.splitlines()[-1] == f"change request {row.id} is in state approval"
    assert (row.author, row.title[:17]) == (who.actor, "Prices of 1 model")
    # nothing is published by it
    now = Document.objects.get(kind="Model", tenant=world.tenant, name="small")
    assert "0.75" not in now.source


def test_another_file_changes_nothing(world: World, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}", encoding="utf-8")
    done = run("prices", "import", str(other))
    assert (done.code, changes(world)) == (1, [])
    assert "no snapshot of genai-prices" in done.complained
