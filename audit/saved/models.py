"""The table of saved views."""

from django.db import models


class SavedView(models.Model):
    """One filter with a name. `owner` is the actor that saved it, `query` the address's part, without its question mark."""

    id = models.UUIDField(primary_key=True)
    owner = models.TextField()
    name = models.TextField()
    query = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        """Its table."""

        db_table = "audit_saved_view"
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="audit_saved_view_name")
        ]

    def __str__(self) -> str:
        return self.name
