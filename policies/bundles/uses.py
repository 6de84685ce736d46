"""PURE: where a document is used: which others refer to it."""

from collections.abc import Iterable
from dataclasses import dataclass

from policies.documents.document import Document, Identity
from policies.documents.whole import resolve


@dataclass(frozen=True, slots=True)
class Use:
    """A document that refers to another, and where in it."""

    identity: Identity
    path: str
    line: int


def uses(documents: Iterable[Document], wanted: Identity) -> list[Use]:
    """Every reference to one document, by the documents' identity and line. A tenant is used by what belongs to it."""
    every = {d.identity: d for d in documents}
    kind, _, name = wanted
    found = []
    for identity, document in sorted(every.items()):
        for reference in document.references:
            target = resolve(every, reference.kind, document.tenant, reference.name)
            if target == wanted and identity != wanted:
                found.append(_use(document, reference.path, reference.position.line))
        if kind == "Tenant" and document.tenant == name:
            place = document.position("metadata.tenant")
            found.append(_use(document, "metadata.tenant", place.line))
    return found


def _use(document: Document, path: str, line: int) -> Use:
    return Use(document.identity, path, line - document.first_line + 1)
