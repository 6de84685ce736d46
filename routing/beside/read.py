"""Which calls are shadow runs: for whoever counts answers to callers, and for pages that say what a call is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, TextField, Value
from django.db.models.functions import Coalesce, JSONObject

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


def with_runs(rows: "QuerySet[Any, Any]") -> "QuerySet[Any, Any]":
    """Calls with what was asked beside them, or the one run that each is itself: no query more; see `runs_with`."""
    word = BesideVerdict.objects.filter(call=OuterRef("call")).values("verdict")[:1]
    row = Call.objects.filter(pk=OuterRef("call"))
    runs = Beside.objects.filter(Q(of=OuterRef("pk")) | Q(call=OuterRef("pk"))).order_by("call")
    told = JSONObject(
        call=F("call"),
        of=F("of"),
        model=F("model"),
        verdict=Coalesce(Subquery(word), Value(""), output_field=TextField()),
        state=Subquery(row.values("state")[:1]),
        cost_nano=Subquery(row.values("cost_nano")[:1]),
    )
    found: QuerySet[Any, Any] = rows.annotate(with_runs=ArraySubquery(runs.values(told=told)))
    return found


def runs_with(call: Call) -> list[Run]:
    """The runs of a call that was read by `with_runs`."""
    found: list[dict[str, Any]] = call.with_runs  # type: ignore[attr-defined]  # the annotation
    return [
        Run(UUID(row["call"]), UUID(row["of"]), row["model"], row["verdict"], row["state"], row["cost_nano"])
        for row in found
    ]  # fmt: skip


def beside(call: UUID) -> list[Run]:
    """What was asked beside a call, or the one run that the call itself is; one query."""
    return runs_with(with_runs(Call.objects.filter(pk=call)).get())


def runs_among(calls: Sequence[UUID]) -> Mapping[UUID, UUID]:
    """Those of some calls that are shadow runs, with the call that each is asked beside."""
    return dict(Beside.objects.filter(call__in=calls).values_list("call", "of"))
