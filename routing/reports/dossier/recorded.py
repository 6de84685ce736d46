"""Put a dossier on record: an entry with the digest of what it said, before anybody takes it along."""

from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from audit.log import append
from audit.log.entry import build
from audit.merkle import canonical
from controlplane.kernel.clock import system_clock
from controlplane.kernel.ids import IdSource
from controlplane.kernel.principal import Principal
from routing.reports import access
from routing.reports.dossier.values import Dossier, plain

_ids: Final = IdSource()


def digest_of(found: Dossier) -> str:
    """SHA-256 (hex) of its canonical JSON: what the entry names."""
    return sha256(canonical.dumps(plain(found))).hexdigest()


def put_on_record(principal: Principal, found: Dossier) -> tuple[UUID, str]:
    """Append `export.created`; the entry and the digest. Raises Forbidden."""
    head = found.head
    access.require_dossier(principal, head.tenant)
    identity, digest = _ids.new(), digest_of(found)
    data: dict[str, Any] = {
        "format": "dossier",
        "filter": {
            "useCase": head.name,
            "tenant": head.tenant,
            "from": head.first.isoformat(),
            "to": head.last.isoformat(),
        },
        "revision": head.revision,
        "calls": found.figures.calls,
        "digest": digest,
    }
    with transaction.atomic():
        append.append(
            build(
                "export.created",
                id=identity,
                at=system_clock(),
                actor=principal.actor,
                tenant=head.tenant,
                subject=f"use-case:{f'{head.tenant}/' if head.tenant else ''}{head.name}",
                data=data,
            )
        )
    return identity, digest
