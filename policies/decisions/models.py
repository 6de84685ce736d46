"""Decision records."""

from django.db import models


class Decision(models.Model):
    """One stage of one call: the facts and the revision that give the decision again, and the digest it must have.

    `facts` are the canonical bytes of `policies.engine.facts.Facts` (content-free, at most 16 KiB); `digest` is SHA-256
    of the canonical decision. Partitioned by month on the call's id; nothing updates or deletes a row.
    """

    pk = models.CompositePrimaryKey("call", "no")
    call = models.UUIDField()
    revision = models.BigIntegerField()
    no = models.SmallIntegerField()
    stage = models.TextField()
    tenant = models.TextField()
    effect = models.TextField()
    digest = models.BinaryField()
    facts = models.BinaryField()

    class Meta:
        db_table = "policies_decision"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(stage__in=("request", "tool", "response", "failure")),
                name="policies_decision_stage",
            ),
            models.CheckConstraint(
                condition=models.Q(effect__in=("permit", "deny", "escalate")),
                name="policies_decision_effect",
            ),
        ]
