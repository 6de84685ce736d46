"""Documents and bundles."""

from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from policies.identity.history import Recorded, versions


class Document(Recorded):
    """The head row of one published document: (kind, tenant, name), tenant "" for the organisation's own.

    `body` is its canonical JSON, `source` the YAML as its author wrote it, `origin` what brought it (`git` for `policy apply`,
    `console` for everything else), `place` where that keeps it (`policies.bundles.ownership`), `revision` the bundle that last
    changed it.
    """

    id = models.BigAutoField(primary_key=True)
    kind = models.TextField()
    tenant = models.TextField(default="", blank=True)
    name = models.TextField()
    body = models.TextField()
    source = models.TextField()
    origin = models.TextField()
    place = models.TextField(default="", blank=True)
    history: ClassVar[Any] = versions("policies_document_history")

    class Meta:
        db_table = "policies_document"
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "tenant", "name"], name="policies_document_identity"
            ),
            models.CheckConstraint(
                condition=models.Q(origin__in=("git", "console")), name="policies_document_origin"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.tenant + '/' if self.tenant else ''}{self.name}"


class Bundle(models.Model):
    """One published revision: immutable, content-addressed.

    `text` is the RFC 8785 JSON of `{engine, documents}` and `digest` its SHA-256; `checked` are the checked forms of its
    conditions, which only the process that publishes can make, and `checked_sha256` pins them. `flagged` says that one person
    published alone.
    """

    revision = models.BigIntegerField(primary_key=True)
    digest = models.BinaryField()
    engine = models.IntegerField()
    text = models.BinaryField()
    checked = models.BinaryField()
    checked_sha256 = models.BinaryField()
    actor = models.TextField()
    flagged = models.BooleanField()
    published_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "policies_bundle"
        indexes = [models.Index(fields=["digest"], name="policies_bundle_digest")]
