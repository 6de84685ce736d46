"""What may be done to a change request from its page: one step each, then the page again."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from audit.ui.request import principal_of
from controlplane.kernel.errors import Conflict, InvalidRequest, MandateError, NotFound
from controlplane.kernel.principal import Principal
from policies.changes import access, commands, glass, publishing, rebasing, scheduling, shadows
from policies.changes.bound import Seen
from policies.changes.models import PUBLISHED, ChangeRequest
from policies.documents.document import Identity
from policies.documents.problems import InvalidDocuments
from policies.ui.people import sentence

Posted = Any
"""A QueryDict."""
Work = Callable[[Principal, ChangeRequest, Posted], ChangeRequest]


@require_POST
def act(request: HttpRequest, change: UUID, what: str) -> HttpResponse:
    """`/change-requests/<id>/<what>/`: one step, then the page again."""
    principal = principal_of(request)
    row = access.get(principal, change)
    step = _STEPS.get(what)
    if step is None:
        raise NotFound("there is no such step")
    work, said = step
    try:
        now = work(principal, row, request.POST)
    except InvalidDocuments as error:
        messages.error(request, sentence(str(error.problems[0])))
    except MandateError as error:
        messages.error(request, sentence(error.message))
    else:
        fresh = now.published_revision and not row.published_revision
        told = f"Revision {now.published_revision} is in force." if fresh else said
        messages.success(request, told)
    return redirect("change", change)


def _seen(posted: Posted) -> Seen:
    """What stood on the page that was posted."""
    base = _text(posted, "base")
    if base and not (base.isascii() and base.isdigit() and len(base) < 18):
        raise InvalidRequest("load the page again, then approve what it shows")
    return Seen(int(base) if base else None, _text(posted, "digest"), posted.get("replay"))


def _text(posted: Posted, name: str) -> str:
    return str(posted.get(name, ""))


def _approve(principal: Principal, row: ChangeRequest, posted: Posted) -> ChangeRequest:
    reason = _text(posted, "reason")
    return publishing.approve(principal, row.id, reason=reason, seen=_seen(posted))


def _rebase(principal: Principal, row: ChangeRequest, posted: Posted) -> ChangeRequest:
    mine = [_identity(value) for value in posted.getlist("mine")]
    asked = []
    for name, side in posted.items():
        if name.startswith("side|"):
            *of, path = name.removeprefix("side|").split("|", 3)
            asked.append((_identity("|".join(of)), path, str(side)))
    return rebasing.rebase(principal, row.id, mine, rebasing.choices_of(asked))


def _identity(value: str) -> Identity:
    parts = value.split("|")
    if len(parts) != 3:
        raise InvalidRequest("choose from the list")
    return parts[0], parts[1], parts[2]


def _schedule(principal: Principal, row: ChangeRequest, posted: Posted) -> ChangeRequest:
    try:
        typed = datetime.strptime(_text(posted, "publish_at"), "%Y-%m-%dT%H:%M")  # noqa: DTZ007 - made aware below
    except ValueError as error:
        raise InvalidRequest("choose a day and a time") from error
    return scheduling.schedule(principal, row.id, timezone.make_aware(typed))


def _shadow(principal: Principal, row: ChangeRequest, posted: Posted) -> ChangeRequest:
    hours = _text(posted, "hours")
    if not (hours.isascii() and hours.isdigit() and len(hours) < 4):
        raise InvalidRequest("say for how many hours")
    shadows.start(principal, row.id, int(hours))
    return row


def _stop_shadow(principal: Principal, row: ChangeRequest, _: Posted) -> ChangeRequest:
    shadows.stop(principal, row.id)
    return row


def _break(principal: Principal, row: ChangeRequest, posted: Posted) -> ChangeRequest:
    return glass.break_glass(principal, row.id, _text(posted, "reason"), _seen(posted))


def _review(verdict: glass.Verdict) -> Work:
    def work(principal: Principal, row: ChangeRequest, posted: Posted) -> ChangeRequest:
        glass.review(principal, row.id, verdict, _text(posted, "reason"))
        return row

    return work


def _revert(principal: Principal, row: ChangeRequest, posted: Posted) -> ChangeRequest:
    _, back, waits = glass.revert(principal, row.id, _text(posted, "reason"))
    if back.state != PUBLISHED:
        why = waits.message if waits else "another must approve it too"
        raise Conflict(f"the change request that takes it back is handed in, and waits: {why}")
    return row


_STEPS: Mapping[str, tuple[Work, str]] = {
    "submit": (
        lambda principal, row, _: publishing.submit(principal, row.id),
        "Handed in. What was found stands below.",
    ),
    "check": (lambda principal, row, _: publishing.check(principal, row.id), "Checked again."),
    "approve": (_approve, "Your approval is given."),
    "request-changes": (
        lambda principal, row, posted: publishing.request_changes(
            principal, row.id, _text(posted, "reason")
        ),
        "It is a draft again, with your reason.",
    ),
    "withdraw": (
        lambda principal, row, posted: commands.withdraw(
            principal, row.id, _text(posted, "reason")
        ),
        "Withdrawn. Nothing of it took effect.",
    ),
    "publish": (
        lambda principal, row, _: publishing.publish_change(principal, row.id),
        "Published.",
    ),
    "rebase": (_rebase, "It is written against the bundle in force now."),
    "schedule": (_schedule, "It is published at this time, once approved."),
    "unschedule": (
        lambda principal, row, posted: scheduling.unschedule(
            principal, row.id, _text(posted, "reason")
        ),
        "The time is taken away. Approvals begin anew.",
    ),
    "shadow": (_shadow, "It decides beside the bundle in force from now on. No caller notices."),
    "stop-shadow": (_stop_shadow, "Stopped. What it found stays."),
    "break-glass": (_break, "Published by you alone."),
    "confirm-glass": (_review("confirmed"), "Confirmed. The flag is off."),
    "revert-glass": (_revert, "Reverted: what stood there before is in force again."),
    "take-back": (_review("taken back"), "A change request that takes it back is handed in."),
}
