"""The tables of files: what was asked for and how far it is, and the pieces until they expire."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

WAITING, RUNNING, READY, FAILED, EXPIRED = "waiting", "running", "ready", "failed", "expired"
STATES = (WAITING, RUNNING, READY, FAILED, EXPIRED)


class File(models.Model):
    """One file that somebody (`actor`) asked for: `done` of about `rows` are in; `told` says why it failed.

    `kind` is the name of one of `kinds.py`; `worker` is whose turn it is, while `beat_at` is fresh.
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
    kind = models.TextField()
    tenant = models.TextField()
    actor = models.TextField()
    state = models.TextField(default=WAITING)
    sha256 = models.TextField(default="")
    told = models.TextField(default="")
    ask = models.JSONField()
    principal = models.JSONField()

    class Meta:
        """Its table."""

        db_table = "routing_file"
        constraints = [
            models.CheckConstraint(condition=Q(state__in=STATES), name="routing_file_state")
        ]
        indexes = [
            models.Index(
                fields=["kind", "id"],
                name="routing_file_open",
                condition=Q(state__in=(WAITING, RUNNING)),
            ),
            models.Index(fields=["actor", "kind", "id"], name="routing_file_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id.hex} {self.state}"


class FilePart(models.Model):
    """A piece of a file's bytes, in the order of `no`; sealed where it has a nonce."""

    pk = models.CompositePrimaryKey("file", "no")
    file = models.UUIDField()
    no = models.IntegerField()
    nonce = models.BinaryField(default=b"")
    data = models.BinaryField()

    class Meta:
        """Its table."""

        db_table = "routing_file_part"

    def __str__(self) -> str:
        return f"{self.file.hex}/{self.no}"
