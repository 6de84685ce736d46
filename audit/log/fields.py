"""Column types that Django does not know."""

from typing import Any

from django.db import models


class TransactionId(models.BigIntegerField):  # type: ignore[type-arg]  # the class takes no parameters at run time
    """PostgreSQL's xid8 as an `int`: orders transactions. In SQL compare `%s::text::xid8`."""

    def db_type(self, connection: Any) -> str:  # noqa: ANN401, ARG002 - Django's own signature
        """The column's type."""
        return "xid8"

    def from_db_value(self, value: str | int | None, *args: object) -> int | None:  # noqa: ARG002 - Django's own signature
        """Psycopg hands an xid8 over as text."""
        return None if value is None else int(value)
