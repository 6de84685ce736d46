"""The room's table, as Django reads it; `telling.py` writes it."""

from django.db import models


class Publication(models.Model):
    """How publishing stands: folder, register and witnesses. A view, never evidence."""

    told_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    cosigned_at = models.DateTimeField(null=True)
    size = models.BigIntegerField()
    register_size = models.BigIntegerField()
    cosigned_size = models.BigIntegerField()
    failures = models.BigIntegerField()
    quorum = models.SmallIntegerField()
    log = models.SmallIntegerField(primary_key=True)
    checkpoint = models.TextField()
    folder = models.TextField()
    register = models.TextField()
    failure = models.TextField()
    witnesses = models.JSONField()

    class Meta:
        """Its table."""

        db_table = "audit_publication"

    def __str__(self) -> str:
        return f"{self.log} size {self.size}"
