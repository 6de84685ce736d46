"""Head rows whose versions are kept: every write names its actor, or fails.

django-simple-history copies the row, `revision` and `actor` included, at every write. It is the view of what changed, never the
evidence: that is the entry which the same transaction appends.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from django.db import connection, models
from simple_history.models import HistoricalRecords
from simple_history.utils import bulk_create_with_history

from policies.order.ids import now


class ActorMissing(TypeError):
    """A recorded row was about to be written without saying by whom; nothing was written."""


class Recorded(models.Model):
    """A row with history. `actor` (`member:…`, `cli:…`) wrote this version, under bundle revision `revision`."""

    revision = models.BigIntegerField(default=0)
    actor = models.TextField()
    history: ClassVar[Any]
    _history_date: datetime

    class Meta:
        abstract = True

    def save(self, *args: Any, actor: str = "", revision: int | None = None, **kwargs: Any) -> None:  # noqa: ANN401 - Django's own signature
        """Write the row and its version. Raises ActorMissing without `actor`, also when the row carries an older one."""
        _stamp([self], actor, revision)
        if kwargs.get("update_fields") is not None:
            kwargs["update_fields"] = {*kwargs["update_fields"], "actor", "revision"}
        super().save(*args, **kwargs)

    def delete(self, *args: Any, actor: str = "", **kwargs: Any) -> tuple[int, dict[str, int]]:  # noqa: ANN401 - Django's own signature
        """Delete the row; its last version says who did it. Raises ActorMissing."""
        _stamp([self], actor, None)
        return super().delete(*args, **kwargs)


Row = TypeVar("Row", bound=Recorded)


def record_created(rows: Sequence[Row], *, actor: str, revision: int | None = None) -> None:
    """Insert many rows of one table and their versions, in two statements. Raises ActorMissing."""
    _stamp(rows, actor, revision)
    if rows:
        bulk_create_with_history(rows, type(rows[0]), batch_size=500)


def record_changed(
    rows: Sequence[Row], fields: Iterable[str], *, actor: str, revision: int | None = None
) -> None:
    """Update `fields` of many rows of one table and add their versions. Raises ActorMissing."""
    _stamp(rows, actor, revision)
    if rows:
        _update(rows, sorted({*fields, "actor", "revision"}))
        type(rows[0]).history.bulk_history_create(rows, batch_size=500, update=True)


def record_deleted(rows: Sequence[Row], *, actor: str, revision: int | None = None) -> None:
    """Delete many rows of one table; their last versions say who did it. Raises ActorMissing."""
    _stamp(rows, actor, revision)
    if not rows:
        return
    table, at = type(rows[0]), now()
    past: Any = table.history.model
    past.objects.bulk_create(
        past(
            history_date=at,
            history_type="-",
            **{field.attname: getattr(row, field.attname) for field in past.tracked_fields},
        )
        for row in rows
    )
    # the ORM's delete would send a signal a row, whose receiver would add a second version
    quoted = connection.ops.quote_name(table._meta.db_table)  # noqa: SLF001 - the documented name of a table
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {quoted} WHERE id = ANY(%s)",  # noqa: S608 - the table's own name, quoted
            [[row.pk for row in rows]],
        )


def _update(rows: Sequence[Recorded], names: Sequence[str]) -> None:
    """One UPDATE from arrays: under the order lock the ORM's CASE for each value took 0.9 s for 300 documents."""
    meta = type(rows[0])._meta  # noqa: SLF001 - the documented way to a table's columns
    columns = [f for f in meta.concrete_fields if f.primary_key or f.name in names]
    named = {f: connection.ops.quote_name(str(f.column)) for f in columns}
    table = connection.ops.quote_name(meta.db_table)
    sets = ", ".join(f"{name} = v.{name}" for f, name in named.items() if not f.primary_key)
    keys = ", ".join(name for f, name in named.items() if f.primary_key)
    arrays = ", ".join(f"%s::{f.rel_db_type(connection)}[]" for f in columns)
    values = [
        [f.get_db_prep_save(getattr(r, f.attname), connection) for r in rows] for f in columns
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} t SET {sets} FROM unnest({arrays}) v({', '.join(named.values())}) "  # noqa: S608 - names of columns, quoted
            f"WHERE t.{keys} = v.{keys}",
            values,
        )


def _stamp(rows: Iterable[Recorded], actor: str, revision: int | None) -> None:
    if not actor:
        raise ActorMissing("a recorded row needs `actor`: say who writes it")
    for row in rows:
        row.actor = actor
        row._history_date = now()  # noqa: SLF001 - where django-simple-history looks for it
        if revision is not None:
            row.revision = revision


def versions(table: str, *, excluded: Iterable[str] = ()) -> HistoricalRecords:
    """The history of a recorded table, in a table of its own; `excluded` columns are not copied."""
    return HistoricalRecords(
        table_name=table,
        excluded_fields=sorted(excluded),
        history_id_field=models.BigAutoField(),
        user_db_constraint=False,
    )
