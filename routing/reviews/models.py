"""The tables of reviews, as Django reads them. The SQL functions of this room write them."""

from datetime import datetime

from django.db import models
from django.db.models import Q


class ReviewCase(models.Model):
    """One held call (or a delivered one, stage `sample`) that a person looks at; open until `outcome` says how it closed.

    `version` is the draft in force: 0 the model's, each edit the next. `round` grows when the case moves to another queue.
    `rules` are those that held the call: kind, tenant, name, line. A claim stands until `claimed_until`.
    """

    id = models.UUIDField(primary_key=True)
    call = models.UUIDField()
    revision = models.BigIntegerField()
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    claimed_until = models.DateTimeField(null=True)
    approvals = models.SmallIntegerField()
    version = models.SmallIntegerField()
    round = models.SmallIntegerField()
    stage = models.TextField()
    outcome = models.TextField()
    on_overdue = models.TextField()
    tenant = models.TextField()
    team = models.TextField()
    key = models.TextField()
    route = models.TextField()
    queue = models.TextField()
    queue_tenant = models.TextField()
    escalate_to = models.TextField()
    came_from = models.TextField()
    claimed_by = models.TextField()
    message = models.TextField()
    rules = models.JSONField()

    read_at: datetime | None = None
    own: bool | None = None
    dialect: str | None = None
    """What `access.get` reads with the case: when, whether the reader's own key made the call, and what it speaks."""

    class Meta:
        """Its table."""

        db_table = "routing_review_case"
        constraints = [
            models.UniqueConstraint(
                fields=["call"],
                name="routing_review_case_held",
                condition=Q(closed_at__isnull=True) & ~Q(stage="sample"),
            ),
            models.UniqueConstraint(
                fields=["call", "queue_tenant", "queue"],
                name="routing_review_case_sample",
                condition=Q(stage="sample"),
            ),
        ]
        indexes = [
            models.Index(fields=["call"], name="routing_review_case_call"),
            models.Index(
                fields=["due_at"],
                name="routing_review_case_due",
                condition=Q(closed_at__isnull=True),
            ),
            models.Index(fields=["tenant", "id"], name="routing_review_case_tenant"),
        ]

    def __str__(self) -> str:
        return f"{self.queue} call_{self.call.hex}"


class ReviewDecision(models.Model):
    """What one person decided about one version of the draft. Never changed."""

    pk = models.CompositePrimaryKey("review_id", "no")
    review = models.ForeignKey(
        ReviewCase, models.PROTECT, db_column="review", db_index=False, related_name="decisions"
    )
    decided_at = models.DateTimeField()
    no = models.SmallIntegerField()
    version = models.SmallIntegerField()
    round = models.SmallIntegerField()
    verdict = models.TextField()
    actor = models.TextField()
    reason = models.TextField()

    class Meta:
        """Its table."""

        db_table = "routing_review_decision"

    def __str__(self) -> str:
        return f"{self.actor}: {self.verdict}"
