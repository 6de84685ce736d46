"""Celery's entry points of the log: its own checks, kept by beat."""

from celery import shared_task

from audit.log.signing import NoLogKey
from audit.watch import Scope, check_log


@shared_task(name="audit.verify_recent", ignore_result=True)
def verify_recent() -> None:
    """From the last checkpoint that held to the newest; every minute."""
    _check(Scope.RECENT)


@shared_task(name="audit.verify_whole", ignore_result=True)
def verify_whole() -> None:
    """All of it; every night."""
    _check(Scope.WHOLE)


def _check(scope: Scope) -> None:
    try:
        check_log(scope)
    except NoLogKey:
        return  # nothing was ever signed; /readyz says so
