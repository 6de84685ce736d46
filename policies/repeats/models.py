"""What was answered to a request that carried a key."""

from django.db import models
from django.db.models.functions import Now


class Repeat(models.Model):
    """One key of one asker, for a day. `status` is null while the first request is still being answered."""

    id = models.BigAutoField(primary_key=True)
    actor = models.TextField()
    key = models.TextField()
    request = models.TextField()
    status = models.IntegerField(null=True)
    answer = models.JSONField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "policies_repeat"
        constraints = [
            models.UniqueConstraint(fields=["actor", "key"], name="policies_repeat_once")
        ]
