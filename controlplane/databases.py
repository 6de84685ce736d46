"""Which database role does what: the application reads and writes, the owner migrates."""

from typing import Any


class Router:
    """Everything runs as the application role; migrations run with `migrate --database owner`."""

    def db_for_read(self, model: Any, **hints: Any) -> str:  # noqa: ANN401, ARG002 - Django's own signature
        """Always the application role."""
        return "default"

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:  # noqa: ANN401, ARG002 - Django's own signature
        """Only the owner may change the schema."""
        return db == "owner"
