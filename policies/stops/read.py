"""The stops that are on, and those that were."""

from django.db.models import QuerySet

from policies.stops.models import Stop


def active() -> QuerySet[Stop]:
    """Every stop that is on, in the order they were set; also those whose `until` has passed and nobody lifted yet."""
    return Stop.objects.filter(lifted_at=None).order_by("set_epoch")


def past() -> QuerySet[Stop]:
    """Every stop that was lifted, latest first."""
    return Stop.objects.filter(lifted_at__isnull=False).order_by("-lifted_epoch")
