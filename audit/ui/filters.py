"""Filters that live in the address, and pages that follow a key instead of counting rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import HttpRequest

PAGE_ROWS = 50
Row = TypeVar("Row")
Table = TypeVar("Table", bound=Model)


@dataclass(frozen=True, slots=True)
class Select:
    """One choice: `value` is what the address says, or "" for any."""

    name: str
    label: str
    any: str
    choices: tuple[tuple[str, str], ...]
    value: str


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is narrowed to. `query` is the address's part to keep, with its question mark, or empty."""

    selects: tuple[Select, ...]
    q: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether anything is narrowed."""
        return bool(self.q or self.values)

    @property
    def query(self) -> str:
        """`?tenant=insurance&q=…` or empty."""
        kept = {**self.values, **({"q": self.q} if self.q else {})}
        return f"?{urlencode(kept)}" if kept else ""


Choices = Sequence[tuple[str, str]]


def read_filters(request: HttpRequest, named: Sequence[tuple[str, str, str, Choices]]) -> Filters:
    """Read (name, label, word for any, choices) from the address; a value that is no choice counts as any."""
    selects, values = [], {}
    for name, label, any_word, choices in named:
        asked = request.GET.get(name, "")
        value = asked if asked in {choice for choice, _ in choices} else ""
        selects.append(Select(name, label, any_word, tuple(choices), value))
        if value:
            values[name] = value
    return Filters(tuple(selects), request.GET.get("q", "").strip()[:120], values)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows of one page; `newer` leads back to the first page, `older` to the next one; empty where there is none."""

    rows: tuple[Row, ...]
    newer: str = ""
    older: str = ""


def page_of(
    request: HttpRequest,
    rows: QuerySet[Table],
    shown: Callable[[Sequence[Table]], Sequence[Row]],
) -> Page[Row]:
    """The newest rows before `?before=<id>`, by id."""
    before = cursor(request)
    if before is not None:
        rows = rows.filter(id__lt=before)
    found = list(rows.order_by("-id")[: PAGE_ROWS + 1])
    older = found[PAGE_ROWS - 1].pk if len(found) > PAGE_ROWS else None
    return linked(request, shown(found[:PAGE_ROWS]), older)


def linked(request: HttpRequest, rows: Sequence[Row], next_before: UUID | None) -> Page[Row]:
    """A page with the addresses of the first and the next one; the filters stay."""
    kept = request.GET.copy()
    kept.pop("before", None)
    newer = f"{request.path}?{kept.urlencode()}" if cursor(request) is not None else ""
    if next_before is None:
        return Page(tuple(rows), newer)
    kept["before"] = str(next_before)
    return Page(tuple(rows), newer, f"{request.path}?{kept.urlencode()}")


def cursor(request: HttpRequest) -> UUID | None:
    """The id after which the page begins; one that is no id is ignored."""
    return _uuid(request.GET.get("before", ""))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
