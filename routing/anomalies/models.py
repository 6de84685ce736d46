"""The table of anomalies. The job and whoever caps write it; pages read."""

from django.db import models
from django.db.models import Q


class Anomaly(models.Model):
    """One pattern that broke: from the ten minutes in which it was found until it held again. Money in nano units.

    `spent_nano` is what those ten minutes cost, `cost_nano` everything since `since`. `cap` names the Budget that one click
    published, which goes at `cap_until`; `cap_digest` is its text's SHA-256.
    """

    id = models.UUIDField(primary_key=True)
    tenant = models.TextField()
    team = models.TextField()
    key = models.TextField()
    route = models.TextField()
    since = models.DateTimeField()
    found_at = models.DateTimeField()
    last_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    first_call = models.UUIDField()
    calls = models.IntegerField()
    spent_nano = models.BigIntegerField()
    usual_nano = models.BigIntegerField()
    threshold_nano = models.BigIntegerField()
    cost_nano = models.BigIntegerField()
    owner = models.TextField(default="")
    cap = models.TextField(default="")
    cap_digest = models.TextField(default="")
    cap_by = models.TextField(default="")
    cap_until = models.DateTimeField(null=True)
    cap_ended_at = models.DateTimeField(null=True)

    class Meta:
        """Its table."""

        db_table = "routing_anomaly"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "team", "key", "route"],
                name="routing_anomaly_once",
                condition=Q(ended_at__isnull=True),
            )
        ]
        indexes = [models.Index(fields=["tenant", "id"], name="routing_anomaly_tenant")]

    def __str__(self) -> str:
        return f"{self.tenant}/{self.team} {self.key} at {self.route}"
