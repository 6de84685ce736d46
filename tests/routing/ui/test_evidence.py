"""Evidence bundles in the console: asked for, told how far, taken along by whoever asked, and by nobody else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from routing.files import commands as files
from routing.files import making as jobs
from routing.files.kinds import EVIDENCE
from routing.files.models import FAILED, READY, File
from routing.reports.content import store
from tests.policies.changes.world import World, world
from tests.policies.people import entries
from tests.policies.texts import ensure_organisation
from tests.policies.ui.conftest import Pages, words

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def made(transactional_db: None, settings: LazySettings, tmp_path: Path) -> Iterator[World]:
    settings.MANDATE_KEYS_DIR = tmp_path / "keys"
    store.cache_clear()
    File.objects.filter(state__in=("waiting", "running")).update(state=FAILED)
    ensure_organisation()
    with world() as found:
        yield found
    store.cache_clear()


def test_a_tenants_bundle_is_asked_for_and_taken_along(made: World) -> None:
    cleo = Pages(made.cleo)
    assert "None yet" in words(cleo.get("/log/evidence/"))
    said = words(cleo.post("/log/evidence/", tenant=made.tenant, **{"from": "2026-01-01"}))
    assert "It is being made; that it was asked for is an entry." in said
    (row,) = File.objects.filter(actor=made.cleo.actor)
    assert (row.ask["tenant"], row.ask["from"][:10]) == (made.tenant, "2026-01-01")
    assert [e["data"]["what"] for e in entries(kind="export.created", tenant=made.tenant)] == [
        "evidence"
    ]
    # not before it is ready, and never by somebody else
    assert cleo.get(f"/log/evidence/{row.id}/").status_code == 409
    claimed, _ = files.claim(EVIDENCE) or pytest.fail("nothing to claim")
    assert files.keep(claimed, next(jobs.pieces([b"a tar"])))
    assert files.finish(claimed, "0" * 64)
    row.refresh_from_db()
    assert row.state == READY
    taken = cleo.get(f"/log/evidence/{row.id}/")
    assert (taken.status_code, b"".join(taken.streaming_content)) == (200, b"a tar")
    assert f"/log/evidence/{row.id}/" in cleo.get("/log/evidence/").content.decode()
    assert Pages(made.mallory).get(f"/log/evidence/{row.id}/").status_code == 404


def test_what_cannot_be_meant_is_said_and_asks_for_nothing(made: World) -> None:
    cleo = Pages(made.cleo)
    assert '"4711" is no call.' in words(cleo.post("/log/evidence/", call="4711"))
    late = words(cleo.post("/log/evidence/", tenant=made.tenant, **{"from": "yesterday"}))
    assert '"yesterday" is no day; write it like 2026-11-23.' in late
    assert Pages(made.tariq).post("/log/evidence/", tenant=made.tenant).status_code == 403
    assert not File.objects.filter(actor__in=[made.cleo.actor, made.tariq.actor]).exists()
