"""Publishing at a time: what was approved for it is published then, once, if it still may; else it stays and says why."""

import logging
from datetime import datetime
from uuid import UUID

from django.db import transaction

from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import Conflict, InvalidRequest, MandateError, Unavailable
from controlplane.kernel.principal import Principal
from policies.bundles.read import published_documents
from policies.changes import access
from policies.changes.commands import (
    content_digest,
    dismiss,
    entry,
    locked,
    require_state,
    run_checks,
)
from policies.changes.models import CHECKS, DRAFT, OPEN, SCHEDULED, ChangeRequest
from policies.changes.publishing import SYSTEM, publish_approved, roles_of
from policies.changes.read import edits_of, standing
from policies.order.lock import mandate_now

_logger = logging.getLogger(__name__)


def schedule(principal: Principal, change: UUID, publish_at: datetime) -> ChangeRequest:
    """Let it be published at a time, once approved. When is part of what is approved: approvals are dismissed.

    Raises NotFound, Forbidden for who may not write it, InvalidRequest for a time that has passed, Conflict at its end.
    """
    row = access.editable(principal, change)
    if publish_at <= mandate_now():
        raise InvalidRequest(
            f'"{to_text(publish_at)}" has passed; choose a time that is still to come'
        )
    if publish_at == row.publish_at:
        require_state(row, OPEN)
        return row
    return _set(principal, row, publish_at, "change.timed", {"publishAt": to_text(publish_at)})


def unschedule(principal: Principal, change: UUID, reason: str = "") -> ChangeRequest:
    """Take the time away: it is published by its last approval, which is asked for again. For who could write or approve it.

    Raises NotFound, Forbidden, Conflict where it has no time.
    """
    row = access.get(principal, change)
    base = published_documents()
    found = standing(base, row, edits_of(row))
    access.require_part(principal, row, found, roles_of(principal, base, row.tenant))
    if row.publish_at is None:
        raise Conflict("this change request has no time to be published at")
    return _set(principal, row, None, "change.unscheduled", {"reason": reason.strip()[:2000]})


def publish_due() -> list[UUID]:
    """Publish every scheduled change whose time has come; one that no longer can goes back to its checks, and says why."""
    done = []
    for row in ChangeRequest.objects.filter(state=SCHEDULED, publish_at__lte=mandate_now()):
        try:
            publish_approved(row, SYSTEM)
        except Unavailable:
            _logger.warning("a scheduled change waits: the order lock or the checker is away")
        except MandateError as error:
            _hold_back(row, error)
        else:
            done.append(row.id)
    return done


def _set(
    principal: Principal,
    row: ChangeRequest,
    publish_at: datetime | None,
    kind: str,
    data: dict[str, object],
) -> ChangeRequest:
    require_state(row, OPEN)
    at = mandate_now()
    with transaction.atomic():
        now = locked(row, OPEN)
        # INVARIANT: an approval is of what takes effect and of when
        dismiss(now, at)
        now.publish_at, now.held_back, now.updated_at = publish_at, "", at
        now.digest = content_digest(now, edits_of(now))
        handed_in = now.state != DRAFT
        now.state = CHECKS if handed_in else DRAFT
        now.save(update_fields=["publish_at", "held_back", "digest", "state", "updated_at"])
        entry(kind, now, principal, at, {"digest": now.digest, **data})
    return run_checks(principal, now) if handed_in else now


def _hold_back(row: ChangeRequest, error: MandateError) -> None:
    """It stays, with the reason on it and in the log; who published it first meanwhile wins."""
    at = mandate_now()
    with transaction.atomic():
        now = ChangeRequest.objects.select_for_update().get(pk=row.pk)
        if now.state != SCHEDULED:
            return
        now.state, now.held_back, now.updated_at = CHECKS, error.message[:2000], at
        now.save(update_fields=["state", "held_back", "updated_at"])
        data: dict[str, object] = {"reason": now.held_back, "code": error.code}
        entry("change.held-back", now, SYSTEM, at, data)
    run_checks(SYSTEM, now)
