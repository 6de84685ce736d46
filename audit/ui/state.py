"""The state of the log on one page, and the acknowledgement of what its checks found."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from audit.log import access, commands, read
from audit.log.models import Acknowledged, SequencerSeen, Verified
from audit.log.signing import NoLogKey, trusted_key
from audit.merkle.checkpoint import Checkpoint
from audit.merkle.note import BadKey
from audit.publication import read as publication
from audit.retention import read as retention
from audit.retention.models import Erasure
from audit.ui.request import principal_of
from controlplane.kernel.errors import Conflict, InvalidRequest


@require_safe
def state(request: HttpRequest) -> HttpResponse:
    """`/log/state/`, for who may read the whole log."""
    principal = principal_of(request)
    access.require_everything(principal)
    context = _facts() | {
        "standing": request.console.log,  # type: ignore[attr-defined]  # the middleware puts it there
        "may_acknowledge": access.may_acknowledge(principal),
    }
    return render(request, "audit/state.html", context)


@require_POST
def acknowledge(request: HttpRequest) -> HttpResponse:
    """`/log/state/acknowledge/`."""
    principal = principal_of(request)
    finding, reason = request.POST.get("finding", ""), request.POST.get("reason", "")
    try:
        commands.acknowledge(principal, finding, reason)
    except (Conflict, InvalidRequest) as error:
        messages.error(request, f"{error.message[:1].upper()}{error.message[1:]}.")
        return redirect("log-state")
    messages.success(request, "Acknowledged. It stays named wherever the log is verified.")
    return redirect("log-state")


def _facts() -> dict[str, Any]:
    log = read.state()
    head = Checkpoint.parse(log.checkpoint.partition("\n\n")[0] + "\n") if log.checkpoint else None
    checks = {row.scope: row for row in Verified.objects.filter(log=read.LOG)}
    return {
        "log": log,
        "root": head.root.hex() if head else "",
        "origin": head.origin if head else "",
        "recent": checks.get("recent"),
        "whole": checks.get("whole"),
        "sequencer": SequencerSeen.objects.filter(log=read.LOG).first(),
        "acknowledged": list(Acknowledged.objects.filter(log=read.LOG).order_by("at")),
        "key": _key(),
        "published": publication.standing(),
        "holds": list(retention.standing()),
        "erasures": Erasure.objects.exclude(erased_at=None).count(),
    }


def _key() -> Mapping[str, str] | None:
    """The log's public key, to be kept where we cannot reach it; None before the sequencer made it."""
    try:
        key = trusted_key(settings.MANDATE_KEYS_DIR)
    except (NoLogKey, BadKey):
        return None
    return {"name": key.name, "text": str(key)}
