"""The draft that has a route's smaller model first: who may open it, what stands in it, and when nothing is opened."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from controlplane.kernel.errors import Conflict, Forbidden, NotFound
from controlplane.kernel.principal import Principal
from policies.bundles.published import published
from policies.changes.models import ChangeRequest
from policies.documents.parse import parse_text
from policies.engine.pricing import UsageCounts
from routing.reports.labelled import Labelled
from routing.reports.spans import Span
from routing.reports.turning import turn
from routing.reports.waste import Finding, Used, Waste
from routing.reports.waste_asked import Asked
from tests.policies.people import member
from tests.policies.texts import ensure_organisation, fresh, put, tenant

pytestmark = pytest.mark.django_db(transaction=True)
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
SPAN = Span(NOON, NOON + timedelta(days=1), ZoneInfo("UTC"))


def model(name: str, of: str, tier: str, price: str) -> str:
    return (
        f"apiVersion: mandate/v1\nkind: Model\nmetadata: {{name: {name}, tenant: {of}}}\n"
        f"spec: {{provider: sky, tier: {tier}, contextWindow: 9000, maxOutputTokens: 900, clearance: [public],\n"
        f'  prices: [{{from: 2026-01-01, currency: EUR, inputPerMillion: "{price}", outputPerMillion: "{price}"}}]}}\n'
    )


@pytest.fixture
def name() -> str:
    """A tenant with a large and a small model, and a route that has the large one first."""
    ensure_organisation()
    made = fresh("t")
    own = f", tenant: {made}}}\n"
    head = "apiVersion: mandate/v1\nkind: "
    put(
        tenant(made, "claims"),
        f"{head}Provider\nmetadata: {{name: sky{own}spec: {{type: sandbox}}\n",
        model("large", made, "large", "10"),
        model("small", made, "small", "1"),
        f"{head}UseCase\nmetadata: {{name: u{own}spec: {{owner: cleo@acme.example, purpose: x, riskClass: minimal, "
        "validation: {by: rui@acme.example, on: 2026-01-01, validUntil: 2090-01-01}}\n",
        f"{head}Route\nmetadata: {{name: sort{own}spec:\n  useCase: u\n"
        "  strategy: {type: fallback, models: [large, small]}   # as it was\n",
    )
    return made


def asked(name: str, labelled: Labelled) -> Asked:
    used = Used(2, 60_000_000, UsageCounts(2_000, 0, 0, 2_000))
    one = Finding(
        *(name, (name, "sort"), f"{name}/large", f"{name}/small", used, labelled),
        would_nano=6_000_000,
        strategy="fallback",
    )
    return Asked(Waste((one,), ()), SPAN, "")


def key(name: str) -> str:
    return f"{name} sort {name}/large"


def test_the_draft_has_the_smaller_model_first_and_the_evidence(name: str) -> None:
    ada = member("ada", "admin")
    change = turn(ada, published(), asked(name, Labelled(30, 30)), key(name))
    assert (change.state, change.tenant, change.author) == (
        "draft",
        name,
        "member:ada@acme.example",
    )
    assert change.title == f"sort: {name}/small before {name}/large"
    assert "30 were approved as they were" in change.reason
    (edit,) = change.edits.all()
    (document,) = parse_text(edit.source)
    assert document.spec["strategy"] == {"type": "fallback", "models": ["small", "large"]}
    assert document.tenant == name


@pytest.mark.parametrize(
    ("who", "error"),
    [
        (member("finn", "finance"), Forbidden),
        (member("cleo", "auditor"), Forbidden),
        (member("mallory", "admin", tenant="elsewhere"), NotFound),
    ],
)
def test_who_may_not_draft_there_opens_nothing(
    name: str, who: Principal, error: type[Exception]
) -> None:
    with pytest.raises(error):
        turn(who, published(), asked(name, Labelled(30, 30)), key(name))
    assert not ChangeRequest.objects.filter(tenant=name).exists()


@pytest.mark.parametrize(
    ("labelled", "wanted"), [(Labelled(29, 29), "large"), (Labelled(30, 30), "other")]
)
def test_what_is_not_claimed_opens_nothing(name: str, labelled: Labelled, wanted: str) -> None:
    with pytest.raises(Conflict, match="does not claim this any more"):
        turn(
            member("ada", "admin"),
            published(),
            asked(name, labelled),
            f"{name} sort {name}/{wanted}",
        )
    assert not ChangeRequest.objects.filter(tenant=name).exists()
