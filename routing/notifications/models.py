"""The tables of notifications. Jobs write them; pages and the API read."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

WAITING, SENT, FAILED = "waiting", "sent", "failed"
STATES = (WAITING, SENT, FAILED)


class Delivery(models.Model):
    """One event for one Notification document: where it goes, how often it was tried, and why it failed last.

    `tenant` and `document` name the document; without one it goes to the owner of what it is about. `occurrence` makes the
    same happening the same delivery, however often it is found. While a sender has it, `next_at` lies a lease ahead.
    """

    id = models.UUIDField(primary_key=True)
    made_at = models.DateTimeField(db_default=Now())
    next_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    tries = models.SmallIntegerField(default=0)
    tenant = models.TextField()
    document = models.TextField()
    event = models.TextField()
    occurrence = models.TextField()
    way = models.TextField()
    target = models.TextField()
    credential = models.TextField(default="")
    state = models.TextField(default=WAITING)
    error = models.TextField(default="")
    told = models.JSONField()

    class Meta:
        """Its table."""

        db_table = "routing_delivery"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "document", "event", "occurrence"], name="routing_delivery_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["next_at"], name="routing_delivery_due", condition=Q(state=WAITING)
            ),
            models.Index(fields=["tenant", "id"], name="routing_delivery_tenant"),
        ]

    def __str__(self) -> str:
        return f"{self.event} for {self.tenant}/{self.document}: {self.state}"


class Notified(models.Model):
    """How far the log was read: everything before (xid, id) has become deliveries, or was nobody's affair. One row."""

    id = models.SmallIntegerField(primary_key=True)
    xid = models.BigIntegerField()
    entry = models.UUIDField()

    class Meta:
        """Its table."""

        db_table = "routing_notified"

    def __str__(self) -> str:
        return f"{self.xid} {self.entry}"


class BudgetMark(models.Model):
    """One window that passed one of its budget's marks; told once."""

    pk = models.CompositePrimaryKey("window", "percent")
    window = models.BigIntegerField()
    percent = models.SmallIntegerField()
    passed_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Its table."""

        db_table = "routing_budget_mark"

    def __str__(self) -> str:
        return f"{self.window} at {self.percent} %"


class ForecastMark(models.Model):
    """One window that was forecast to pass one of its budget's marks; told once, whatever later forecasts say."""

    pk = models.CompositePrimaryKey("window", "percent")
    window = models.BigIntegerField()
    percent = models.SmallIntegerField()
    passed_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Its table."""

        db_table = "routing_forecast_mark"

    def __str__(self) -> str:
        return f"{self.window} forecast at {self.percent} %"
