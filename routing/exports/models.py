"""The tables of exports: what was asked for and how far it is, and the file's pieces until it expires."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

WAITING, RUNNING, READY, FAILED, EXPIRED = "waiting", "running", "ready", "failed", "expired"
STATES = (WAITING, RUNNING, READY, FAILED, EXPIRED)


class Export(models.Model):
    """One file that somebody (`actor`) asked for: `done` of about `rows` rows are in; `told` says why it failed.

    `worker` is whose turn it is, while `beat_at` is fresh.
    """

    id = models.UUIDField(primary_key=True)
    worker = models.UUIDField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    beat_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    size_bytes = models.BigIntegerField(default=0)
    rows = models.BigIntegerField(default=0)
    done = models.BigIntegerField(default=0)
    parts = models.IntegerField(default=0)
    tries = models.SmallIntegerField(default=0)
    tenant = models.TextField()
    actor = models.TextField()
    state = models.TextField(default=WAITING)
    sha256 = models.TextField(default="")
    told = models.TextField(default="")
    ask = models.JSONField()
    principal = models.JSONField()

    class Meta:
        """Its table."""

        db_table = "routing_export"
        constraints = [
            models.CheckConstraint(condition=Q(state__in=STATES), name="routing_export_state")
        ]
        indexes = [
            models.Index(
                fields=["id"],
                name="routing_export_open",
                condition=Q(state__in=(WAITING, RUNNING)),
            ),
            models.Index(fields=["actor", "id"], name="routing_export_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.id.hex} {self.state}"


class ExportPart(models.Model):
    """A piece of a file's bytes, in the order of `no`."""

    pk = models.CompositePrimaryKey("export", "no")
    export = models.UUIDField()
    no = models.IntegerField()
    data = models.BinaryField()

    class Meta:
        """Its table."""

        db_table = "routing_export_part"

    def __str__(self) -> str:
        return f"{self.export.hex}/{self.no}"
