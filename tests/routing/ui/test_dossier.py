"""The page of a dossier: what changed leads to its change request, with who asked for it and who approved."""

import pytest

from policies.changes import publishing
from policies.changes.bound import Seen
from tests.policies.changes.world import World, force, opened
from tests.policies.texts import permission
from tests.policies.ui.conftest import Pages, words, world

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["world"]
USE_CASE = """\
apiVersion: mandate/v1
kind: UseCase
metadata: {{name: triage, tenant: {tenant}}}
spec: {{owner: cleo@acme.example, purpose: "Sort claims", riskClass: limited, dataClasses: [internal], reviewOn: 2090-01-01}}
"""


def test_a_change_that_others_approved_is_linked(world: World) -> None:
    force(USE_CASE.format(tenant=world.tenant))
    row = opened(world.tariq, permission("p", world.tenant), of=world.tenant)
    done = publishing.approve(world.cleo, row.pk, seen=Seen(row.base, row.digest, ""))
    assert done.state == "published"
    page = Pages(world.cleo).get(f"/use-cases/{world.tenant}/triage/dossier/")
    assert page.status_code == 200
    assert f'href="/change-requests/{row.pk}/">A change</a>' in page.content.decode()
    assert f"Permission {world.tenant}/p" in words(page)
