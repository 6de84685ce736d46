"""Cursor pages of rows that have no UUID: by the moment they were made, or by name."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet
from rest_framework.request import Request

from audit.api.base import limit_of
from controlplane.kernel.errors import InvalidRequest

Table = TypeVar("Table", bound=Model)
Shown = Callable[[Sequence[Table]], list[dict[str, Any]]]


def newest(request: Request, rows: QuerySet[Table], shown: Shown[Table]) -> dict[str, Any]:
    """`{"items", "next"}` by `created_at` and id, newest first. Raises InvalidRequest for a cursor that is none."""
    limit, text = limit_of(request), request.query_params.get("cursor", "")
    if text:
        moment, _, last = text.partition("~")
        at = _moment(moment)
        rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, pk__lt=last[:40]))
    found = list(rows.order_by("-created_at", "-pk")[: limit + 1])
    following = found[limit - 1] if len(found) > limit else None
    cursor = f"{_made(following).isoformat()}~{following.pk}" if following is not None else None
    return {"items": shown(found[:limit]), "next": cursor}


def named(
    request: Request, rows: QuerySet[Table], name: str, shown: Shown[Table]
) -> dict[str, Any]:
    """`{"items", "next"}` in the order of a column that is unique."""
    limit, text = limit_of(request), request.query_params.get("cursor", "")
    if "\0" in text:
        raise InvalidRequest("this is no cursor")
    if text:
        rows = rows.filter(**{f"{name}__gt": text})
    found = list(rows.order_by(name)[: limit + 1])
    following = getattr(found[limit - 1], name) if len(found) > limit else None
    return {"items": shown(found[:limit]), "next": following}


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or not 1970 <= at.year <= 9000:
        raise InvalidRequest(f'"{text[:40]}" is no cursor; take `next` of the page before')
    return at


def _made(row: Model) -> datetime:
    at: datetime = row.created_at  # type: ignore[attr-defined] # only rows with this column are paged by it
    return at
