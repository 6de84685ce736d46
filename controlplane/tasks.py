"""Jobs of the shell."""

from celery import shared_task
from django.db import connection


@shared_task(name="controlplane.months_ahead", ignore_result=True)
def months_ahead() -> None:
    """See that the tables which grow by the month have theirs, three ahead."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT make_months()")
