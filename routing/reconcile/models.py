"""The tables of reconciling, as Django reads and fills them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Standing(models.Model):
    """What one check last said: `ledger`, `prices`, `hours` or `tiers`.

    `seen` is what it was about, where a check looks only at what changed.
    """

    check_name = models.TextField(primary_key=True)
    checked_at = models.DateTimeField()
    held_at = models.DateTimeField(null=True)
    seen = models.TextField(default="")
    findings = ArrayField(models.TextField(), default=list)

    class Meta:
        """Its table."""

        db_table = "routing_standing"

    def __str__(self) -> str:
        return f"{self.check_name}: {len(self.findings)} findings"


class Invoice(models.Model):
    """One import of what a provider counted or billed, beside the ledger as it stood then. It never changes.

    `lines` are those of `routing.reconcile.classing.Compared`, one for each day and model; amounts in the organisation's money.
    """

    id = models.UUIDField(primary_key=True)
    entry = models.UUIDField()
    imported_at = models.DateTimeField()
    first = models.DateField()
    last = models.DateField()
    billed_nano = models.BigIntegerField()
    ledger_nano = models.BigIntegerField()
    tenant = models.TextField()
    provider = models.TextField()
    form = models.TextField()
    name = models.TextField()
    digest = models.TextField()
    imported_by = models.TextField()
    lines = models.JSONField()

    class Meta:
        """Its table."""

        db_table = "routing_invoice"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "provider", "digest"], name="routing_invoice_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.first.isoformat()} to {self.last.isoformat()}"

    @property
    def difference_nano(self) -> int:
        """What was billed above the ledger; below zero for less."""
        return self.billed_nano - self.ledger_nano
