"""What of closing waits for finance: per tenant the month that is due, its statement where one is prepared, and adjustments."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, JSONObject

from controlplane.kernel.principal import Principal
from policies.bundles.published import Published
from policies.identity.models import Tenant
from routing.calls.models import Call
from routing.closing import access
from routing.closing.models import Adjustment, Period, Statement, Verdict
from routing.closing.months import following, span_of
from routing.closing.preparing import GRACE, months_of
from routing.closing.read import zone_of


@dataclass(frozen=True, slots=True)
class Due:
    """One tenant's next step: a month (`2026-10`) to close, "" while none is over; who prepared its newest statement, if any."""

    tenant: str
    month: str
    statement: UUID | None
    prepared_by: str
    waiting: int
    """Adjustments that nobody has decided on; they stop the month that they correct, and later ones."""


def asked(principal: Principal, found: Published, only: str = "") -> QuerySet[Any, Any]:
    """What `due` is made of: one JSON object for each tenant whose months this member closes, or for one, by name.

    Archived ones too: their last months are closed like all others.
    """
    own, named = access.closes(principal), [d.name for d in found.of("Tenant")]
    rows = Tenant.objects.filter(Q(slug__in=named) | Q(archived_at__isnull=False)).order_by("slug")
    rows = rows if own is None else rows.filter(slug__in=own)
    rows = rows.filter(slug=only) if only else rows
    return rows.annotate(**_ANNOTATED).values_list(JSONObject(**{n: n for n in _READ}), flat=True)


def due(found: Published, rows: Iterable[Mapping[str, Any]], now: datetime) -> list[Due]:
    """Of each tenant in these rows of `asked` that has something to do."""
    return [one for row in rows if (one := _due(found, row, now))]


def _due(found: Published, row: Mapping[str, Any], now: datetime) -> Due | None:
    tenant, month = row["slug"], ""
    zone = zone_of(found, tenant)
    if row["closed"]:
        month = following(row["closed"])
    elif row["first"]:
        month = min(months_of(found, tenant, UUID(row["first"])))
    if month and row["archived"] and month > _last_month(found, tenant, row["last"]):
        month = ""
    if month and now < span_of(month, zone)[1] + GRACE:
        month = ""
    if not month and not row["waiting"]:
        return None
    prepared = bool(month) and row["period"] == month
    statement = UUID(row["statement"]) if prepared else None
    return Due(tenant, month, statement, row["by"] if prepared else "", row["waiting"])


def _last_month(found: Published, tenant: str, call: str | None) -> str:
    """That of the tenant's last call; "" where no call is kept."""
    return max(months_of(found, tenant, UUID(call))) if call else ""


_OF = Q(tenant=OuterRef("slug"))
_STATEMENTS = Statement.objects.filter(_OF).order_by("-period", "-id")
_WAITING = Adjustment.objects.filter(
    _OF, ~Exists(Verdict.objects.filter(adjustment=OuterRef("pk")))
)
_ANNOTATED = {
    "closed": Subquery(Period.objects.filter(_OF).order_by("-period").values("period")[:1]),
    "first": Subquery(Call.objects.filter(_OF).order_by("id").values("id")[:1]),
    "last": Subquery(Call.objects.filter(_OF).order_by("-id").values("id")[:1]),
    "archived": Q(archived_at__isnull=False),
    "period": Subquery(_STATEMENTS.values("period")[:1]),
    "statement": Subquery(_STATEMENTS.values("id")[:1]),
    "by": Subquery(_STATEMENTS.values("prepared_by")[:1]),
    "waiting": Coalesce(
        Subquery(_WAITING.order_by().values("tenant").annotate(n=Count("pk")).values("n")), 0
    ),
}
_READ = ("slug", "closed", "first", "last", "archived", "period", "statement", "by", "waiting")
