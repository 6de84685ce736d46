"""What was answered to a request that carried a key."""

from django.db import models
from django.db.models.functions import Now


class Repeat(models.Model):
    """One key of one asker, for a day. `status` is null while the first request is still being answered.

    `key` is the SHA-256 of what the asker sent. Where the answer has a secret, `secret` names its member, which `answer` lacks
    and `sealed` holds (docs/adr/0026).
    """

    id = models.BigAutoField(primary_key=True)
    actor = models.TextField()
    key = models.TextField()
    request = models.TextField()
    status = models.IntegerField(null=True)
    answer = models.JSONField(null=True)
    secret = models.TextField(default="")
    sealed = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "policies_repeat"
        constraints = [
            models.UniqueConstraint(fields=["actor", "key"], name="policies_repeat_once")
        ]
        indexes = [models.Index(fields=["created_at"], name="policies_repeat_age")]
