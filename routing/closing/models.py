"""The tables of closing, as Django reads and fills them. A trigger refuses every change of a row."""

from django.db import models
from django.db.models import Q


class Adjustment(models.Model):
    """What became known about a month: `amount_nano` may be below zero. `corrects` is the month that it is about, `2026-10`."""

    id = models.UUIDField(primary_key=True)
    call = models.UUIDField(null=True)
    entry = models.UUIDField()
    amount_nano = models.BigIntegerField()
    microhours = models.BigIntegerField(default=0)
    proposed_at = models.DateTimeField()
    attempt = models.SmallIntegerField(default=0)
    kind = models.TextField()
    tenant = models.TextField()
    corrects = models.TextField()
    occurrence = models.TextField()
    team = models.TextField(default="")
    route = models.TextField(default="")
    model = models.TextField(default="")
    provider = models.TextField(default="")
    note = models.TextField(default="")
    proposed_by = models.TextField()

    class Meta:
        """Its table."""

        db_table = "routing_adjustment"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "occurrence"], name="routing_adjustment_once")
        ]
        indexes = [models.Index(fields=["tenant", "id"], name="routing_adjustment_tenant")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.tenant} {self.corrects}"


class Verdict(models.Model):
    """What finance said to one adjustment; `period` is the month that it belongs to where it was accepted."""

    adjustment = models.OneToOneField(
        Adjustment,
        models.DO_NOTHING,
        primary_key=True,
        db_column="adjustment",
        db_constraint=False,
        related_name="verdict",
    )
    entry = models.UUIDField()
    decided_at = models.DateTimeField()
    accepted = models.BooleanField()
    period = models.TextField(default="")
    reason = models.TextField(default="")
    decided_by = models.TextField()

    class Meta:
        """Its table."""

        db_table = "routing_adjustment_verdict"
        indexes = [
            models.Index(
                fields=["period"], name="routing_adjustment_period", condition=Q(accepted=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.adjustment_id.hex}: {'accepted' if self.accepted else 'rejected'}"


class Statement(models.Model):
    """One month of one tenant as it was prepared: `body` is canonical JSON and never changes, `digest` its SHA-256."""

    id = models.UUIDField(primary_key=True)
    cut_off_at = models.DateTimeField()
    spent_nano = models.BigIntegerField()
    accrued_nano = models.BigIntegerField()
    adjusted_nano = models.BigIntegerField()
    capacity_nano = models.BigIntegerField(default=0)
    tenant = models.TextField()
    period = models.TextField()
    digest = models.TextField()
    prepared_by = models.TextField()
    entry = models.UUIDField()
    body = models.BinaryField()

    class Meta:
        """Its table."""

        db_table = "routing_statement"
        indexes = [models.Index(fields=["tenant", "period", "id"], name="routing_statement_period")]

    def __str__(self) -> str:
        return f"{self.tenant} {self.period} {self.digest[:12]}"

    @property
    def total_nano(self) -> int:
        """What the month's calls come to; `capacity_nano`, of models bought by the hour, is beside it."""
        return self.spent_nano + self.accrued_nano + self.adjusted_nano


class Period(models.Model):
    """One month that is closed, and by which statement."""

    pk = models.CompositePrimaryKey("tenant", "period")
    statement = models.OneToOneField(
        Statement,
        models.DO_NOTHING,
        db_column="statement",
        db_constraint=False,
        related_name="closed",
    )
    entry = models.UUIDField()
    closed_at = models.DateTimeField()
    tenant = models.TextField()
    period = models.TextField()
    closed_by = models.TextField()

    class Meta:
        """Its table."""

        db_table = "routing_period"

    def __str__(self) -> str:
        return f"{self.tenant} {self.period}"


class CapacityShare(models.Model):
    """What falls to one team of a month's hours of one model; without tenant and team what nobody used. Written once a month."""

    pk = models.CompositePrimaryKey("period", "model", "tenant", "team")
    tokens = models.BigIntegerField()
    microhours = models.BigIntegerField()
    cost_nano = models.BigIntegerField()
    frozen_at = models.DateTimeField()
    entry = models.UUIDField()
    period = models.TextField()
    model = models.TextField()
    tenant = models.TextField()
    team = models.TextField()

    class Meta:
        """Its table."""

        db_table = "routing_capacity_share"

    def __str__(self) -> str:
        return f"{self.period} {self.model} {self.tenant}/{self.team}"
