"""What differs from a snapshot, handed in as change requests: one for the organisation's Models, one for each tenant's."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from controlplane.kernel.principal import Principal
from policies.bundles import ownership
from policies.bundles.read import published_documents
from policies.changes import publishing
from policies.changes.commands import NewChange, draft, put_texts
from policies.changes.models import OPEN, ChangeRequest
from policies.folders.pricebook.comparing import New, Source

_KINDS: Final = ("Model", "Provider")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One change request to come."""

    tenant: str
    title: str
    reason: str
    documents: str


def sources_here() -> Iterator[Source]:
    """Every published Model and Provider of this installation."""
    for (kind, tenant, name), row in published_documents().rows.items():
        if kind in _KINDS:
            kept = ownership.place_of(row.place).short if ownership.locked(row) else ""
            yield Source(kind, tenant, name, row.source, kept)


def sources_of(items: Sequence[Mapping[str, Any]]) -> Iterator[Source]:
    """The same of what a server's folder says."""
    for item in items:
        if item["kind"] in _KINDS:
            kept = (
                f"{item['path']}:{item['line']}"
                if item["origin"] == "git" and item["commit"]
                else ""
            )
            yield Source(item["kind"], item["tenant"], item["name"], item["source"], kept)


def wanted(new: Sequence[New], snapshot: str, day: str) -> list[Wanted]:
    """What is to be handed in, by tenant."""
    by_tenant: dict[str, list[New]] = defaultdict(list)
    for one in new:
        by_tenant[one.tenant].append(one)
    return [
        Wanted(
            tenant=tenant,
            title=f"Prices of {len(found)} model{'s' * (len(found) != 1)} from {day}",
            reason=f"from the snapshot {snapshot}",
            documents="---\n".join(one.text for one in found),
        )
        for tenant, found in sorted(by_tenant.items())
    ]


def hand_in(principal: Principal, asked: Wanted) -> ChangeRequest:
    """Hand it in and do no more; the same again, while it is open, is the same change request. Raises Forbidden, Conflict."""
    same = ChangeRequest.objects.filter(
        state__in=OPEN,
        tenant=asked.tenant,
        title=asked.title,
        reason=asked.reason,
        base=published_documents().revision,
        author=principal.actor,
    ).first()
    if same is not None:
        return same
    change = NewChange(title=asked.title, reason=asked.reason, tenant=asked.tenant)
    row = draft(principal, change)
    put_texts(principal, row.id, asked.documents)
    return publishing.submit(principal, row.id)
