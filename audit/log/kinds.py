"""Every kind of entry: its name, the group it is found under, what it means, and whether it belongs to a call."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Group(StrEnum):
    """How the explorer sorts kinds."""

    CALLS = "calls"
    ATTEMPTS = "attempts"
    POLICY = "policy"
    STOPS = "stops"
    IDENTITY = "identity"
    MONEY = "money"
    REVIEWS = "reviews"
    ACCESS = "access"
    LOG = "log"


class OfCall(StrEnum):
    """Whether an entry of this kind carries a call's id."""

    ALWAYS = "always"
    MAYBE = "maybe"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class EntryKind:
    """One kind. `title` completes the sentence that a page shows: "call admitted"."""

    name: str
    group: Group
    title: str
    of_call: OfCall


_TABLE: tuple[tuple[Group, OfCall, tuple[tuple[str, str], ...]], ...] = (
    (
        Group.CALLS,
        OfCall.ALWAYS,
        (
            ("call.denied", "call denied"),
            ("call.admitted", "call admitted"),
            ("call.held", "call held for review"),
            ("call.released", "held call released"),
            ("call.completed", "call completed"),
            ("call.failed", "call failed"),
            ("call.cancelled", "call cancelled"),
        ),
    ),
    (
        Group.ATTEMPTS,
        OfCall.ALWAYS,
        (
            ("attempt.started", "attempt started"),
            ("attempt.succeeded", "attempt succeeded"),
            ("attempt.failed", "attempt failed"),
            ("attempt.unknown", "attempt lost; its cost is unknown"),
            ("attempt.reconciled", "unknown attempt reconciled"),
            ("attempt.voided", "attempt voided before it started"),
        ),
    ),
    (
        Group.POLICY,
        OfCall.NEVER,
        (
            ("bundle.activated", "bundle activated"),
            ("document.created", "document created"),
            ("document.changed", "document changed"),
            ("document.deleted", "document deleted"),
            ("document.taken-over", "document taken over from Git"),
            ("document.handed-over", "document handed over to Git"),
            ("change.opened", "change request opened"),
            ("change.edited", "change request edited"),
            ("change.submitted", "change request handed in"),
            ("change.rebased", "change request moved to a newer base"),
            ("change.checked", "change request checked"),
            ("change.approved", "change request approved"),
            ("change.returned", "changes requested"),
            ("change.scheduled", "change request approved, to be published later"),
            ("change.timed", "change request given a time"),
            ("change.unscheduled", "time of a change request taken away"),
            ("change.held-back", "scheduled change request not published"),
            ("change.withdrawn", "change request withdrawn"),
            ("change.published", "change request published"),
            ("change.glass-broken", "change request published by one person alone"),
            ("change.glass-reviewed", "emergency publishing reviewed"),
            ("shadow.started", "shadow of a change request begun"),
            ("shadow.ended", "shadow of a change request ended"),
            ("replay.started", "replay begun"),
            ("replay.finished", "replay finished"),
            ("replay.cancelled", "replay cancelled"),
            ("replay.broken", "replay broken off"),
        ),
    ),
    (
        Group.STOPS,
        OfCall.NEVER,
        (
            ("stop.set", "stop set"),
            ("stop.lift-asked", "lifting a stop asked for"),
            ("stop.lifted", "stop lifted"),
        ),
    ),
    (
        Group.IDENTITY,
        OfCall.NEVER,
        (
            ("organisation.initialised", "organisation initialised"),
            ("key.created", "API key created"),
            ("key.rotated", "API key rotated"),
            ("key.revoked", "API key revoked"),
            ("team.created", "team created"),
            ("team.archived", "team archived"),
            ("tenant.created", "tenant created"),
            ("tenant.archived", "tenant archived"),
            ("member.invited", "member invited"),
            ("member.added", "member added"),
            ("member.changed", "member changed"),
            ("member.removed", "member removed"),
            ("token.created", "personal token created"),
            ("token.revoked", "personal token revoked"),
        ),
    ),
    (
        Group.MONEY,
        OfCall.NEVER,
        (
            ("budget.alert", "budget passed a mark"),
            ("adjustment.proposed", "adjustments proposed"),
            ("adjustment.accepted", "adjustment accepted"),
            ("adjustment.rejected", "adjustment rejected"),
            ("period.prepared", "statement of a month prepared"),
            ("period.closed", "month closed"),
            ("capacity.split", "hours of models split over tenants for a month"),
            (
                "capacity.corrected",
                "hours of a month that was split fall otherwise: adjustments proposed",
            ),
            ("budget.overrun", "billed above what was reserved"),
            ("ledger.checked", "ledger compared with its attempts and entries"),
            ("price.missing", "served at a service tier that no document prices"),
            ("invoice.imported", "provider's usage or invoice compared with the ledger"),
            ("anomaly.found", "spend broke its pattern"),
            ("anomaly.ended", "spend holds its pattern again"),
            ("anomaly.capped", "cap set on a key"),
            ("anomaly.uncapped", "cap on a key ended"),
        ),
    ),
    (
        Group.REVIEWS,
        OfCall.ALWAYS,
        (
            ("review.claimed", "review claimed"),
            ("review.returned", "claimed review given back"),
            ("review.approved", "review approved"),
            ("review.edited", "answer edited in review"),
            ("review.redacted", "answer redacted in review"),
            ("review.rejected", "review rejected"),
            ("review.escalated", "review moved on"),
            ("review.overdue", "review overdue, ended by its queue"),
            ("review.sampled", "delivered call sampled for review"),
            ("beside.compared", "answer of a shadow run compared"),
        ),
    ),
    (
        Group.ACCESS,
        OfCall.MAYBE,
        (
            ("signin.succeeded", "signed in"),
            ("signin.failed", "sign-in failed"),
            ("signin.failed-more", "more sign-ins failed than have an entry each"),
            ("content.viewed", "content viewed"),
            ("content.erased", "content erased"),
            ("erasure.asked", "erasure asked for"),
            ("erasure.repeated", "erasures repeated after a restore"),
            ("hold.set", "legal hold set"),
            ("hold.lift-asked", "lifting a legal hold asked for"),
            ("hold.lifted", "legal hold lifted"),
            ("tenant.key-retired", "deletion of a tenant's key in the key service scheduled"),
            ("export.created", "export created"),
        ),
    ),
    (
        Group.LOG,
        OfCall.NEVER,
        (
            ("log.verified", "log verified"),
            ("log.pruned", "old entries pruned"),
            ("log.key-rotated", "log key rotated"),
            ("finding.acknowledged", "finding of a check acknowledged"),
            ("delivery.repeated", "given-up delivery sent again"),
            ("view.saved", "view of the log saved"),
            ("view.removed", "saved view of the log removed"),
            ("demo.tampered", "row changed behind the log's back, in a demo"),
            ("demo.restored", "changed row put back, in a demo"),
            ("log.unsealed", "log unsealed for an upgrade"),
            ("log.sealed", "log sealed again"),
        ),
    ),
)

KINDS: Mapping[str, EntryKind] = MappingProxyType(
    {
        name: EntryKind(name, group, title, of_call)
        for group, of_call, rows in _TABLE
        for name, title in rows
    }
)
"""By name."""


def of_group(group: Group) -> tuple[str, ...]:
    """The names of a group's kinds."""
    return tuple(kind.name for kind in KINDS.values() if kind.group is group)
