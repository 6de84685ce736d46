"""Legal holds and erasures."""

from django.db import models

HOLDS = ("organisation", "tenant", "use-case", "call", "subject")
TENANT_KEY = "tenant-key"
ERASURES = ("user", "team", "month", TENANT_KEY)


def own_key(tenant: str) -> str:
    """How an erasure names a tenant's own key in the key service, which no folder holds."""
    return f"service/{tenant}"


class Hold(models.Model):
    """One legal hold, on until the commit that lifted it. `name` is a use case's, or the name of a subject's key."""

    id = models.UUIDField(primary_key=True)
    call = models.UUIDField(null=True)
    set_at = models.DateTimeField()
    lift_asked_at = models.DateTimeField(null=True)
    lifted_at = models.DateTimeField(null=True)
    kind = models.TextField()
    tenant = models.TextField()
    name = models.TextField()
    reason = models.TextField()
    set_by = models.TextField()
    lift_asked_by = models.TextField(default="")
    lifted_by = models.TextField(default="")

    class Meta:
        """Its table."""

        db_table = "audit_hold"

    def __str__(self) -> str:
        return f"{self.kind} {self.tenant or 'organisation'} {self.name}".strip()


class Erasure(models.Model):
    """One key that is to be destroyed, or was: `key` is its name in the key store, which tells a subject by a pseudonym."""

    id = models.UUIDField(primary_key=True)
    asked_at = models.DateTimeField()
    erased_at = models.DateTimeField(null=True)
    kind = models.TextField()
    tenant = models.TextField()
    key = models.TextField()
    fingerprint = models.TextField(default="")
    basis = models.TextField()
    asked_by = models.TextField()
    erased_by = models.TextField(default="")

    class Meta:
        """Its table."""

        db_table = "audit_erasure"

    def __str__(self) -> str:
        return self.key
