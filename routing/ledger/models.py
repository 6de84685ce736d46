"""The tables of money, as Django reads them. Nothing is ever written through these: SQL functions write."""

from django.db import models


class LedgerWindow(models.Model):
    """One budget (tenant, budget, subject) in one period. Left = limit - posted - pending - overrun, all in nano units."""

    id = models.BigIntegerField(primary_key=True)
    starts = models.DateTimeField()
    ends = models.DateTimeField()
    limit_nano = models.BigIntegerField()
    limit_revision = models.BigIntegerField()
    posted_nano = models.BigIntegerField()
    pending_nano = models.BigIntegerField()
    overrun_nano = models.BigIntegerField()
    rank = models.SmallIntegerField()
    hard = models.BooleanField()
    tenant = models.TextField()
    budget = models.TextField()
    subject = models.TextField()

    class Meta:
        """Its table."""

        db_table = "routing_ledger_window"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "budget", "subject", "starts", "ends"],
                name="routing_ledger_window_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.tenant}/{self.budget}/{self.subject} from {self.starts.isoformat()}"


class Posting(models.Model):
    """What one attempt cost in the end. Its primary key is "charged exactly once"."""

    pk = models.CompositePrimaryKey("call", "attempt")
    call = models.UUIDField()
    posted_at = models.DateTimeField()
    posted_nano = models.BigIntegerField()
    overrun_nano = models.BigIntegerField()
    attempt = models.SmallIntegerField()
    kind = models.TextField()
    basis = models.TextField()

    class Meta:
        """Its table."""

        db_table = "routing_posting"

    def __str__(self) -> str:
        return f"call_{self.call.hex}/{self.attempt}"
