"""The vault's table, as Django reads it. `vault_put` writes it."""

from django.db import models


class Content(models.Model):
    """One sealed piece of content: `field` of a call, in parts `no` = 0, 1, …; the two names say which keys open it."""

    pk = models.CompositePrimaryKey("call", "field", "no")
    call = models.UUIDField()
    no = models.SmallIntegerField()
    field = models.TextField()
    tenant_key = models.TextField()
    subject_key = models.TextField()
    nonce = models.BinaryField()
    ciphertext = models.BinaryField()

    class Meta:
        """Its table."""

        db_table = "vault_content"

    def __str__(self) -> str:
        return f"{self.call} {self.field} {self.no}"
