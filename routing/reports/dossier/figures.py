"""The figures of a dossier: calls, models and cost; and what the log says of itself."""

from collections import Counter
from typing import Any

from django.db import connection
from django.db.models import BigIntegerField, Count, DecimalField, F, Q, Sum, Value
from django.db.models.functions import Cast, Coalesce

from controlplane.kernel.ids import uuid7_floor, uuid7_time
from routing.calls.models import Call
from routing.reports.dossier import values
from routing.reports.spans import Span

_MODEL = " model"
"""What no state is called: the other half of a question in two halves."""
_LOG = """
SELECT (SELECT id FROM audit_entry ORDER BY id LIMIT 1),
       (SELECT coalesce(max(size), 0) FROM audit_tree_state WHERE log = 1),
       (SELECT max(held_at) FROM audit_verified WHERE log = 1 AND scope = 'whole'),
       ARRAY(SELECT id FROM audit_entry
              WHERE call IS NULL AND kind = 'log.verified' AND id >= %(since)s AND id < %(until)s
                AND convert_from(body, 'UTF8')::json #>> '{data,ok}' = 'false' ORDER BY id)
"""


def figures_of(condition: Q, span: Span) -> values.Figures:
    """Calls by state and attempts by model, in one question."""
    calls = Call.objects.filter(
        condition, pk__gte=uuid7_floor(span.starts), pk__lt=uuid7_floor(span.until)
    )
    nothing = Value(0, output_field=BigIntegerField())
    by_state = (
        calls.values_list("state", "code", Value(""))
        .annotate(n=Count("pk"), tries=nothing, unknown=nothing, t_in=nothing, t_out=nothing)
        .annotate(nano=Cast(Value(0), DecimalField(max_digits=30, decimal_places=0)))
        .order_by()
    )
    told: list[Any] = list(by_state.union(_attempts(calls), all=True))
    states, denials = Counter[str](), Counter[str]()
    for state, code, _, number, *_rest in (row for row in told if row[0] != _MODEL):
        states[state] += number
        if state == "denied":
            denials[code or "no reason recorded"] += number
    models = sorted(
        (
            values.Used(row[2], row[3], row[4], row[5], row[6], row[7], int(row[8]))
            for row in told
            if row[0] == _MODEL
        ),
        key=lambda used: used.model,
    )
    return values.Figures(
        calls=states.total(),
        states=dict(sorted(states.items())),
        denials=dict(sorted(denials.items())),
        models=models,
        cost_nano=sum(one.cost_nano for one in models),
    )


def _attempts(calls: Any) -> Any:  # noqa: ANN401 - a query set of rows as tuples
    spent = F("attempts__posted_nano") + F("attempts__overrun_nano")
    return (
        calls.exclude(attempts__model=None)
        .values_list(Value(_MODEL), Value(""), "attempts__model")
        .annotate(
            n=Count("pk", distinct=True),
            tries=Count("attempts__no"),
            unknown=Count("attempts__no", filter=Q(attempts__state="unknown")),
            t_in=Coalesce(Sum("attempts__tokens_input"), 0),
            t_out=Coalesce(Sum("attempts__tokens_output"), 0),
        )
        .annotate(nano=Cast(Coalesce(Sum(spent), 0), DecimalField(max_digits=30, decimal_places=0)))
        .order_by()
    )


def log_of(span: Span) -> values.Log:
    """What the log says of itself, in one question."""
    with connection.cursor() as cursor:
        cursor.execute(_LOG, {"since": uuid7_floor(span.starts), "until": uuid7_floor(span.until)})
        first, size, whole, failed = cursor.fetchone()
    return values.Log(
        first_at=uuid7_time(first) if first else None,
        failed_checks=[uuid7_time(one) for one in failed],
        whole_held_at=whole,
        size=size,
    )
