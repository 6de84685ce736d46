"""What is closed, what is open, and what waits for finance."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet, Sum

from controlplane.kernel.errors import NotFound
from controlplane.kernel.principal import Principal
from policies.bundles.published import Published
from policies.identity.models import Tenant
from routing.closing.adjusting import HOURS, Proposal
from routing.closing.models import Adjustment, Period, Statement, Verdict
from routing.closing.months import following
from routing.closing.resharing import Earlier, Whose


def zone_of(found: Published, tenant: str) -> str:
    """The time zone whose months the tenant's are: its own, else the organisation's."""
    document = found.find("Tenant", "", tenant)
    own = str(document.spec.get("timeZone") or "") if document else ""
    return own or str(found.organisation.get("timeZone", "UTC"))


def last_closed(tenant: str) -> str:
    """The newest month that is closed; "" for none."""
    row = Period.objects.filter(tenant=tenant).order_by("-period").values_list("period", flat=True)
    return str(row.first() or "")


def open_month(tenant: str, corrects: str) -> str:
    """The month to which what corrects another belongs: itself while it is open, else the first that is.

    Months close in order, so the first open one is the one after the last closed.
    """
    closed = last_closed(tenant)
    return corrects if corrects > closed else following(closed)


def statement_of(tenant: str, month: str) -> Statement | None:
    """The statement that closed a month."""
    return statements_of(tenant, (month,)).first()


def statements_of(tenant: str, months: Collection[str]) -> "QuerySet[Statement]":
    """The statements that closed these months."""
    return Statement.objects.filter(tenant=tenant, period__in=months, closed__isnull=False)


def tenants(found: Published) -> list[str]:
    """Those that are published, then those that were: they have months to close yet, and statements; each by name."""
    archived = Tenant.objects.filter(archived_at__isnull=False).values_list("slug", flat=True)
    published = {document.name for document in found.of("Tenant")}
    return [*sorted(published), *sorted({*archived} - published)]


def waiting(rows: "QuerySet[Adjustment]") -> "QuerySet[Adjustment]":
    """Those that nobody has decided on."""
    return rows.filter(~Exists(Verdict.objects.filter(adjustment=OuterRef("pk"))))


def belonging(tenant: str, month: str) -> "QuerySet[Adjustment]":
    """The accepted adjustments of a month, oldest first."""
    return (
        Adjustment.objects.filter(tenant=tenant, verdict__accepted=True, verdict__period=month)
        .select_related("verdict")
        .order_by("pk")
    )


def one_adjustment(rows: "QuerySet[Adjustment]", identity: UUID) -> Adjustment:
    """One of these. Raises NotFound."""
    found = rows.filter(pk=identity).first()
    if found is None:
        raise NotFound(f'there is no adjustment "{identity}"')
    return found


def one_statement(rows: "QuerySet[Statement]", identity: UUID) -> Statement:
    """One of these. Raises NotFound."""
    found = rows.filter(pk=identity).first()
    if found is None:
        raise NotFound(f'there is no statement "{identity}"')
    return found


def verdict_of(row: Adjustment) -> Verdict | None:
    """What was said to it; None while it waits."""
    return getattr(row, "verdict", None)


def closing_of(row: Statement) -> Period | None:
    """The month that it closed; None for a statement that was only prepared."""
    return getattr(row, "closed", None)


def proposal_of(row: Adjustment) -> Proposal:
    """A row as the value that it was proposed as."""
    return Proposal(
        tenant=row.tenant,
        corrects=row.corrects,
        kind=row.kind,
        amount_nano=row.amount_nano,
        occurrence=row.occurrence,
        call=row.call,
        attempt=row.attempt,
        microhours=row.microhours,
        team=row.team,
        route=row.route,
        model=row.model,
        provider=row.provider,
        note=row.note,
    )


def earlier_hours(rows: "QuerySet[Adjustment]") -> Mapping[Whose, Sequence[Earlier]]:
    """What of a month's hours was proposed before, by whose share, oldest first."""
    found: dict[Whose, list[Earlier]] = defaultdict(list)
    for row in rows.select_related("verdict").order_by("pk"):
        verdict = verdict_of(row)
        rejected = verdict is not None and not verdict.accepted
        one = Earlier(row.occurrence, row.amount_nano, row.microhours, rejected)
        found[row.model, row.tenant, row.team].append(one)
    return found


def corrected_hours_nano(tenant: str, month: str) -> int:
    """What was proposed of the tenant's share of a month's hours, and not rejected."""
    rows = Adjustment.objects.filter(tenant=tenant, kind=HOURS, corrects=month)
    found = rows.exclude(verdict__accepted=False).aggregate(nano=Sum("amount_nano"))
    return found["nano"] or 0


def alone(principal: Principal, other: str, found: Published) -> bool:
    """Whether the same person did the step before, where it takes two."""
    return principal.actor == other and not found.single_operator
