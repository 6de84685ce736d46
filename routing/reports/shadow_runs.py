"""What shadow runs of a span came to, by route and model: how many were compared and agreed, and what they cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import (
    BigIntegerField,
    Count,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    TextField,
    Value,
)
from django.db.models.functions import Coalesce

from routing.beside.models import Beside, BesideVerdict
from routing.beside.read import OF_A_CALL
from routing.calls.models import Attempt
from routing.reports.labelled import Labelled
from routing.reports.spans import Span
from routing.reports.sums import CLOCKS

FEW: Final = 2_000
"""Up to so many are looked up one by one, which a year of other calls does not slow; more are joined."""
Name = tuple[str, str, str]
"""Tenant, route, and the model as facts name it."""


@dataclass(frozen=True, slots=True)
class Ran:
    """Shadow runs of one route at one model. Those that nobody could compare count among `runs` alone."""

    tenant: str
    route: str
    model: str
    runs: int
    agreed: int
    differed: int
    failed: int
    spent_nano: int

    @property
    def evidence(self) -> Labelled:
        """Those that were compared, and those whose answer was the caller's."""
        return Labelled(self.agreed + self.differed + self.failed, self.agreed)


def among(span: Span) -> Q | None:
    """What holds for the shadow runs of a span among its calls; None where there are none."""
    rows = Beside.objects.filter(
        asked_at__gte=span.starts - CLOCKS, asked_at__lt=span.until + CLOCKS
    )
    calls = list(rows.order_by().values_list("call", flat=True)[: FEW + 1])
    if not calls:
        return None
    return OF_A_CALL if len(calls) > FEW else Q(pk__in=calls)


def ran(condition: Q, span: Span) -> Mapping[Name, Ran]:
    """Those that were asked in a span, in one query. Their money is spend like any other and stands in every report."""
    word = BesideVerdict.objects.filter(call=OuterRef("call")).values("verdict")[:1]
    of_call = Attempt.objects.filter(call=OuterRef("call")).order_by().values(all=Value(1))
    spent = of_call.annotate(nano=Sum(F("posted_nano") + F("overrun_nano"))).values("nano")
    rows: QuerySet[Any, Any] = (
        Beside.objects.filter(condition, asked_at__gte=span.starts, asked_at__lt=span.until)
        .annotate(
            word=Coalesce(Subquery(word), Value(""), output_field=TextField()),
            nano=Coalesce(Subquery(spent, output_field=BigIntegerField()), 0),
        )
        .order_by()
        .values("tenant", "route", "model")
        .annotate(
            runs=Count("pk"),
            agreed=Count("pk", filter=Q(word="agreed")),
            differed=Count("pk", filter=Q(word="differed")),
            failed=Count("pk", filter=Q(word="failed")),
            spent_nano=Sum("nano"),
        )
    )
    found = (Ran(**{**row, "spent_nano": int(row["spent_nano"])}) for row in rows)
    return {(one.tenant, one.route, one.model): one for one in found}
