"""What is published, for Django code; it never loads the CEL checker."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from django.db.models import Subquery

from controlplane.kernel.errors import Unavailable
from policies.bundles import models
from policies.documents.document import Document, Identity
from policies.documents.parse import parse_text
from policies.engine.bundle import Bundle
from policies.identity.models import ApiKey
from policies.order.lock import control
from policies.order.models import Control

KEPT = 2_048
"""Parsed documents that a process keeps."""


@dataclass(frozen=True, slots=True)
class Published:
    """The documents in force, their rows by identity, and the revision that they are of."""

    revision: int
    documents: tuple[Document, ...]
    rows: Mapping[Identity, models.Document]


def file_of(identity: Identity) -> str:
    """What stands for the file of a published document: `published/insurance/Route/claims-triage.yaml`."""
    kind, tenant, name = identity
    return "/".join(part for part in ("published", tenant, kind, f"{name}.yaml") if part)


def published_documents() -> Published:
    """Every published document, parsed from the text that its author wrote; line 1 is its first."""
    # one statement sees one moment: revision and rows are of the same bundle
    in_force = Control.objects.filter(pk=1).values("revision")[:1]
    found = models.Document.objects.annotate(in_force=Subquery(in_force))
    rows = {(row.kind, row.tenant, row.name): row for row in found}
    first = next(iter(rows.values()), None)
    revision = int(first.in_force) if first is not None else control().revision
    documents = tuple(
        _parsed(rows[identity].source, file_of(identity)) for identity in sorted(rows)
    )
    return Published(revision, documents, rows)


def heads(wanted: Collection[Identity]) -> list[tuple[Identity, models.Document]]:
    """The head rows of those among these that are published."""
    names = {name for _, _, name in wanted}
    rows = models.Document.objects.filter(name__in=sorted(names))
    found = [((row.kind, row.tenant, row.name), row) for row in rows]
    return [(identity, row) for identity, row in found if identity in wanted]


@lru_cache(maxsize=KEPT)
def _parsed(source: str, file: str) -> Document:
    """Kept by its text, so that a page parses only what was published since the last one."""
    return parse_text(source, file)[0]


def stoppable(bundle: Bundle, kind: str, tenant: str, name: str) -> bool:
    """Whether there is what a stop would stop."""
    if kind == "everything":
        return True
    if kind == "key":
        return ApiKey.objects.filter(pk=name, tenant=tenant).exists()
    if kind == "tenant":
        return name in bundle.tenants
    found = {"model": "Model", "provider": "Provider", "route": "Route"}.get(kind)
    return found is not None and (found, tenant, name) in bundle.documents


def require_published() -> int:
    """The revision in force. Raises Unavailable before `manage.py init`."""
    revision = control().revision
    if not revision:
        raise Unavailable("nothing is published yet; run `manage.py init`")
    return revision
