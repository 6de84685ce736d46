"""Celery entry points of policies: jobs that ring a command."""

from celery import shared_task

from policies.changes.scheduling import publish_due
from policies.repeats.once import forget
from policies.stops.commands import lift_expired


@shared_task(name="policies.lift_expired", ignore_result=True)
def lift_expired_stops() -> None:
    """Lift the stops whose end has passed; every few seconds, since they stay on until then."""
    lift_expired()


@shared_task(name="policies.publish_due", ignore_result=True)
def publish_due_changes() -> None:
    """Publish the approved change requests whose time has come; every few seconds, as people expect of a time."""
    publish_due()


@shared_task(name="policies.forget_repeats", ignore_result=True)
def forget_repeats() -> int:
    """Forget what was answered to Idempotency-Keys of the API more than a day ago; how many."""
    return forget()
