"""The tables of calls, as Django reads them. Nothing is ever written through these: `commands.py` writes, by SQL functions."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class Call(models.Model):
    """One request of a caller. Money is in nano units; `moved_at` is when it last changed hands; `run` may be null."""

    id = models.UUIDField(primary_key=True)
    worker = models.UUIDField(null=True)
    reply_to = models.UUIDField(null=True)
    revision = models.BigIntegerField()
    stop_epoch = models.BigIntegerField()
    cost_nano = models.BigIntegerField()
    admitted_at = models.DateTimeField()
    deadline_at = models.DateTimeField()
    reserved_at = models.DateTimeField(null=True)
    moved_at = models.DateTimeField()
    cancel_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    attempt_count = models.SmallIntegerField(db_column="attempts")
    lost_retries = models.SmallIntegerField()
    stream = models.BooleanField()
    relayed = models.BooleanField()
    released = models.BooleanField()
    state = models.TextField()
    code = models.TextField()
    tenant = models.TextField()
    team = models.TextField()
    key = models.TextField()
    route = models.TextField()
    dialect = models.TextField()
    user_ref = models.TextField()
    run = models.TextField(null=True)

    class Meta:
        """Its table."""

        db_table = "routing_call"
        indexes = [
            models.Index(
                fields=["id"], name="routing_call_open", condition=Q(finished_at__isnull=True)
            ),
            models.Index(fields=["tenant", "id"], name="routing_call_tenant"),
            models.Index(
                fields=["run", "id"], name="routing_call_run", condition=Q(run__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"call_{self.id.hex}"


class Attempt(models.Model):
    """One try at one model, and the money held for it: pending while reserved, started or unknown, then posted."""

    pk = models.CompositePrimaryKey("call_id", "no")
    call = models.ForeignKey(
        Call,
        models.DO_NOTHING,
        db_column="call",
        db_constraint=False,
        db_index=False,
        related_name="attempts",
    )
    revision = models.BigIntegerField()
    reserved_nano = models.BigIntegerField()
    posted_nano = models.BigIntegerField()
    overrun_nano = models.BigIntegerField()
    started_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    unknown_at = models.DateTimeField(null=True)
    tokens_input = models.IntegerField(null=True)
    tokens_cached = models.IntegerField(null=True)
    tokens_cache_write = models.IntegerField(null=True)
    tokens_output = models.IntegerField(null=True)
    no = models.SmallIntegerField()
    state = models.TextField()
    model = models.TextField()
    model_tenant = models.TextField()
    provider = models.TextField()
    basis = models.TextField()
    error_class = models.TextField()
    service_tier = models.TextField(default="")
    windows = ArrayField(models.BigIntegerField())

    class Meta:
        """Its table."""

        db_table = "routing_attempt"
        indexes = [
            models.Index(
                fields=["unknown_at"],
                name="routing_attempt_unknown",
                condition=Q(unknown_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"call_{self.call_id.hex}/{self.no}"


class Idempotency(models.Model):
    """What an Idempotency-Key (its hash) of an API key means until `expires_at`; `digest` is the body's."""

    pk = models.CompositePrimaryKey("key", "hash")
    call = models.UUIDField()
    expires_at = models.DateTimeField()
    key = models.TextField()
    hash = models.BinaryField()
    digest = models.BinaryField()

    class Meta:
        """Its table."""

        db_table = "routing_idempotency"
        indexes = [models.Index(fields=["expires_at"], name="routing_idempotency_expiry")]

    def __str__(self) -> str:
        return f"{self.key} {self.call.hex}"


class WorkerLease(models.Model):
    """One process that is alive until `expires_at`, or was declared lost at `lost_at`."""

    worker = models.UUIDField(primary_key=True)
    started_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    lost_at = models.DateTimeField(null=True)
    pid = models.IntegerField()
    kind = models.TextField()
    host = models.TextField()

    class Meta:
        """Its table."""

        db_table = "routing_worker_lease"

    def __str__(self) -> str:
        return f"{self.kind} {self.host}/{self.pid}"
