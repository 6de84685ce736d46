"""Whether this installation is a demo: only its owner can make the database say so, before the first entry."""

from django.db import connection

_IS_DEMO = "SELECT EXISTS (SELECT FROM demo_installation)"


def is_demo() -> bool:
    """Whether it is."""
    with connection.cursor() as cursor:
        cursor.execute(_IS_DEMO)
        return bool(cursor.fetchone()[0])
