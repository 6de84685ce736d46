"""What lies beside the entries of a bundle: the ledger's postings, the documents in force, and content that was opened."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from audit.evidence import Settled
from audit.merkle import canonical
from policies.bundles.published import at_revision
from policies.bundles.snapshot import stored_at
from routing.evidence.access import shows
from routing.ledger.models import Posting

Opening = tuple[str, bytes]


class Facts:
    """`audit.evidence.Beside` for a tenant's entries, or (None) for the organisation's."""

    def __init__(self, tenant: str | None, opened: Sequence[Opening] = ()) -> None:
        self._tenant = tenant
        self._opened = opened

    def postings(self, settled: Sequence[Settled]) -> Iterator[Mapping[str, Any]]:
        """One line for each attempt that the ledger has."""
        calls = {each.call for each in settled}
        rows = {(row.call, row.attempt): row for row in Posting.objects.filter(call__in=calls)}
        for each in settled:
            row = rows.get(each)
            if row is not None:
                yield {
                    "call": row.call.hex,
                    "attempt": row.attempt,
                    "kind": row.kind,
                    "basis": row.basis,
                    "posted": str(row.posted_nano),
                    "overrun": str(row.overrun_nano),
                }

    def policy(self, revision: int) -> bytes:
        """The exact bytes whose digest `bundle.activated` names; for a tenant, the documents that its own people see.

        Raises Unavailable, BundleRefused.
        """
        text = stored_at(revision).text
        if self._tenant is None:
            return text
        published = at_revision(revision)
        shown = [one for one in json.loads(text)["documents"] if shows(self._tenant, one)]
        said = {
            "revision": revision,
            "digest": published.digest if published else "",
            "tenant": self._tenant,
            "documents": shown,
        }
        return canonical.transform(json.dumps(said).encode())

    def openings(self) -> Iterable[Opening]:
        """What was opened before the bundle was begun."""
        return self._opened
