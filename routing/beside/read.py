"""Which calls are shadow runs: for whoever counts answers to callers, and for pages that say what a call is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, TextField, Value
from django.db.models.functions import Coalesce

from routing.beside.models import Beside, BesideVerdict
from routing.calls.models import Call

OF_A_CALL: Q = Q(Exists(Beside.objects.filter(call=OuterRef("pk"))))
"""Holds for rows of calls that are shadow runs."""


def of_callers(rows: "QuerySet[Any, Any]") -> "QuerySet[Any, Any]":
    """Without shadow runs, of rows of calls: where an answer counts that somebody got."""
    return rows.exclude(OF_A_CALL)


@dataclass(frozen=True, slots=True)
class Run:
    """A shadow run, its call's state and cost; `verdict` is empty until both answers were compared."""

    call: UUID
    of: UUID
    model: str
    verdict: str
    state: str
    cost_nano: int


def beside(call: UUID) -> list[Run]:
    """What was asked beside a call, or the one run that the call itself is; one query."""
    said = BesideVerdict.objects.filter(call=OuterRef("call")).values("verdict")[:1]
    row = Call.objects.filter(pk=OuterRef("call"))
    rows = Beside.objects.filter(Q(of=call) | Q(call=call)).annotate(
        said=Coalesce(Subquery(said), Value(""), output_field=TextField()),
        state=Subquery(row.values("state")[:1]),
        cost=Subquery(row.values("cost_nano")[:1]),
    )
    columns = ("call", "of", "model", "said", "state", "cost")
    found: QuerySet[Any, Any] = rows.order_by("call").values_list(*columns)
    return [Run(*row) for row in found]


def runs_among(calls: Sequence[UUID]) -> Mapping[UUID, UUID]:
    """Those of some calls that are shadow runs, with the call that each is asked beside."""
    return dict(Beside.objects.filter(call__in=calls).values_list("call", "of"))
