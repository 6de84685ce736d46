"""What is published, with its text and who keeps it: for a folder to be written or compared."""

from typing import Any

from controlplane.kernel.principal import Principal
from policies.bundles import ownership
from policies.bundles.access import documents
from policies.bundles.models import Document
from policies.bundles.published import published
from policies.bundles.read import published_documents

Json = dict[str, Any]


def _place(row: Document) -> Json:
    place = ownership.place_of(row.place)
    return {
        "repository": place.repository,
        "commit": place.commit,
        "path": place.path,
        "line": place.line,
    }


def published_folder(principal: Principal, tenant: str = "") -> Json:
    """Every document that this principal may read, or those of one tenant."""
    seen = {(d.kind, d.tenant, d.name) for d in documents(principal, published())}
    base = published_documents()
    items = [
        {
            "kind": row.kind,
            "tenant": row.tenant,
            "name": row.name,
            "source": row.source,
            "origin": row.origin,
            "revision": row.revision,
            "drift": ownership.drifted(row),
            **_place(row),
        }
        for identity, row in sorted(base.rows.items())
        if identity in seen and (not tenant or row.tenant == tenant)
    ]
    return {"revision": base.revision, "items": items}
