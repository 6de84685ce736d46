"""One click publishes one budget on one key, and a job takes back that alone, when it is due."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest, NotFound
from controlplane.kernel.principal import Principal
from policies.bundles.models import Bundle
from policies.bundles.publish import Edits, publish
from policies.bundles.published import published
from policies.bundles.read import published_documents
from policies.documents.parse import parse_text
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.anomalies import capping
from routing.anomalies.models import Anomaly
from tests.policies.people import entries, member
from tests.policies.texts import permission, put
from tests.routing.closing.books import refusal
from tests.routing.forecasts.conftest import Shop, shop

__all__ = ["shop"]
GRANT = """\
apiVersion: mandate/v1
kind: RoleGrant
metadata: {{name: {name}, tenant: {tenant}}}
spec: {{member: {name}@acme.example, roles: [{role}]}}
"""


@pytest.fixture
def anomaly(shop: Shop) -> Anomaly:
    """An open one, of the key `hotkey1`."""
    now = mandate_now()
    row = Anomaly(
        id=new_id(),
        tenant=shop.tenant,
        team="claims",
        key="hotkey1",
        route="triage",
        since=now,
        found_at=now,
        last_at=now,
        first_call=uuid4(),
        calls=1,
        spent_nano=9,
        usual_nano=1,
        threshold_nano=4,
        cost_nano=9,
    )
    row.save(force_insert=True)
    return row


def person(shop: Shop, role: str) -> Principal:
    """Somebody whose role the bundle in force knows too."""
    name = f"{role}-{shop.tenant}"
    put(GRANT.format(name=name, tenant=shop.tenant, role=role))
    return member(name, role, tenant=shop.tenant)


def budgets(shop: Shop) -> dict[str, dict[str, Any]]:
    return {
        d.name: dict(d.spec)
        for d in published().of("Budget")
        if d.tenant == shop.tenant and d.name.startswith("cap-")
    }


def due(row: Anomaly) -> None:
    Anomaly.objects.filter(pk=row.pk).update(cap_until=mandate_now() - timedelta(seconds=1))


def test_a_click_publishes_one_budget_on_the_key(shop: Shop, anomaly: Anomaly) -> None:
    finn = person(shop, "finance")
    before = {d.identity for d in published_documents().documents}
    row = capping.cap(finn, anomaly.id, "2.50", 4)
    after = {d.identity for d in published_documents().documents}
    assert after - before == {("Budget", shop.tenant, row.cap)}
    assert before <= after
    spec = budgets(shop)[row.cap]
    scope = {name: value for name, value in dict(spec["scope"]).items() if value}
    assert (scope, spec["limit"], spec["period"]) == ({"key": "hotkey1"}, "2.50", "once")
    assert (spec["hard"], spec["onExhausted"]) == (True, "deny")
    assert row.cap_by == finn.actor
    assert row.cap_until is not None
    assert timedelta(hours=3, minutes=59) < row.cap_until - mandate_now() <= timedelta(hours=4)
    bundle = Bundle.objects.get(revision=published().revision)
    assert (bundle.actor, bundle.flagged) == (finn.actor, True)
    [told] = entries(kind="anomaly.capped", tenant=shop.tenant)
    assert told["actor"] == finn.actor
    assert told["data"]["limit"] == "2.50"
    assert told["data"]["budget"] == row.cap
    with pytest.raises(Conflict, match="capped already"):
        capping.cap(finn, anomaly.id, "9.00", 4)


def test_it_goes_at_its_time_and_not_before(shop: Shop, anomaly: Anomaly) -> None:
    row = capping.cap(person(shop, "finance"), anomaly.id, "2.50", 1)
    capping.lift_due()
    assert list(budgets(shop)) == [row.cap]
    revision = published().revision
    with pytest.raises(Conflict, match="not over"):
        # whoever calls it too early, or with an older reading of the row
        publish(lambda base: capping._removal(base, row), capping._Ending(row))
    assert published().revision == revision
    due(row)
    assert capping.lift_due() >= 1
    assert budgets(shop) == {}
    row.refresh_from_db()
    assert row.cap_ended_at is not None
    [told] = entries(kind="anomaly.uncapped", tenant=shop.tenant)
    assert (told["actor"], told["data"]["budget"]) == ("job:anomalies", row.cap)
    capping.lift_due()
    assert len(entries(kind="anomaly.uncapped", tenant=shop.tenant)) == 1


def test_what_people_changed_since_stays(shop: Shop, anomaly: Anomaly) -> None:
    row = capping.cap(person(shop, "finance"), anomaly.id, "2.50", 1)
    document = next(d for d in published_documents().documents if d.name == row.cap)
    put(document.source.replace("2.50", "1.00"))
    due(row)
    capping.lift_due()
    assert {name: spec["limit"] for name, spec in budgets(shop).items()} == {row.cap: "1.00"}
    row.refresh_from_db()
    assert row.cap_ended_at is not None
    assert entries(kind="anomaly.uncapped", tenant=shop.tenant) == []


def test_nothing_else_is_published_under_its_consent(shop: Shop, anomaly: Anomaly) -> None:
    finn, until = person(shop, "finance"), mandate_now() + timedelta(hours=1)
    document = capping._document(anomaly, 10**9, until)
    consent = capping._Setting(finn, anomaly, document, until)
    other = parse_text(permission("opens-more", shop.tenant), "other.yaml")
    revision = published().revision
    edits = Edits(actor=finn.actor, origin="console", put=[document, *other])
    assert refusal(lambda: publish(edits, consent)) == "Forbidden"
    nothing(shop, anomaly.id, revision)


@pytest.mark.parametrize("role", ["author", "approver", "auditor", "reviewer", "developer"])
def test_nobody_else_caps(shop: Shop, anomaly: Anomaly, role: str) -> None:
    revision = published().revision
    with pytest.raises((Forbidden, NotFound)):
        capping.cap(member("pat", role, tenant=shop.tenant), anomaly.id, "2.50", 4)
    nothing(shop, anomaly.id, revision)


def test_a_key_of_another_tenant_is_not_there(shop: Shop, anomaly: Anomaly) -> None:
    revision = published().revision
    with pytest.raises(NotFound):
        capping.cap(member("mallory", "finance", tenant="other"), anomaly.id, "2.50", 4)
    nothing(shop, anomaly.id, revision)


def test_a_role_that_is_no_longer_granted_caps_nothing(shop: Shop, anomaly: Anomaly) -> None:
    # the session still says finance; the bundle in force does not
    stale = member("gone", "finance", tenant=shop.tenant)
    revision = published().revision
    assert refusal(lambda: capping.cap(stale, anomaly.id, "2.50", 4)) == "Forbidden"
    nothing(shop, anomaly.id, revision)


@pytest.mark.parametrize(
    ("limit", "hours"),
    [("0", 4), ("-1", 4), ("much", 4), ("", 4), ("1.00", 0), ("1.00", 73)],
)
def test_a_cap_that_cannot_be_is_refused(
    shop: Shop, anomaly: Anomaly, limit: str, hours: int
) -> None:
    finn = person(shop, "finance")
    revision = published().revision
    with pytest.raises(InvalidRequest):
        capping.cap(finn, anomaly.id, limit, hours)
    nothing(shop, anomaly.id, revision)


def nothing(shop: Shop, anomaly: UUID, revision: int) -> None:
    """Nothing was published, written or told."""
    assert published().revision == revision
    assert budgets(shop) == {}
    assert Anomaly.objects.get(pk=anomaly).cap == ""
    assert entries(kind="anomaly.capped", tenant=shop.tenant) == []
