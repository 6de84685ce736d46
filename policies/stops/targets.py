"""What there is to stop: what is published, the keys in use, and everything."""

from collections.abc import Iterator

from controlplane.kernel.principal import ORGANISATION
from policies.bundles.published import published
from policies.identity.models import ApiKey

_PUBLISHED = (
    ("route", "Route"),
    ("model", "Model"),
    ("provider", "Provider"),
    ("tenant", "Tenant"),
)


def targets() -> Iterator[tuple[str, str, str]]:
    """(kind, tenant, name) of everything that a stop can name, `everything` last."""
    found = published()
    for kind, document_kind in _PUBLISHED:
        for document in found.of(document_kind):
            yield kind, document.tenant, document.name
    for key in ApiKey.objects.filter(revoked_at=None).order_by("tenant", "team", "id"):
        yield "key", key.tenant, key.id
    yield "everything", ORGANISATION, ""


def exists(kind: str, tenant: str, name: str) -> bool:
    """Whether a stop of this would stop anything."""
    return (kind, tenant, name) in set(targets())
