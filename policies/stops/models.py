"""Kill switches."""

from django.db import models
from django.db.models.functions import Now

from policies.order.ids import new_id

KINDS = ("model", "provider", "route", "tenant", "key", "everything")


class Stop(models.Model):
    """One kill switch: on from the commit that set it to the commit that lifted it, also when `until` has passed.

    `scope` is `{"kind", "tenant", "name"}`; tenant "" is the organisation, and name is "" for `everything`. `set_epoch` and
    `lifted_epoch` are the control row's stop epochs that those commits made. Lifting is asked by one person
    (`lift_asked_by`) and confirmed by another (`lifted_by`).
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    scope = models.JSONField()
    reason = models.TextField()
    actor = models.TextField()
    set_at = models.DateTimeField(db_default=Now())
    set_epoch = models.BigIntegerField()
    until = models.DateTimeField(null=True)
    lift_asked_by = models.TextField(default="")
    lift_asked_at = models.DateTimeField(null=True)
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.TextField(default="")
    lifted_epoch = models.BigIntegerField(null=True)

    class Meta:
        db_table = "policies_stop"
        indexes = [
            models.Index(
                fields=["set_epoch"],
                condition=models.Q(lifted_at__isnull=True),
                name="policies_stop_active",
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(scope__kind__in=KINDS), name="policies_stop_kind"
            )
        ]
