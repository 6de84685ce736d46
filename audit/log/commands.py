"""Acknowledge a finding of the log's own checks: somebody has looked at it, and says why it is no longer an alarm."""

from typing import Final

from django.db import transaction

from audit.log import access, append, read
from audit.log.entry import build
from audit.log.models import Acknowledged
from controlplane.kernel.clock import system_clock
from controlplane.kernel.errors import Conflict, InvalidRequest
from controlplane.kernel.ids import IdSource
from controlplane.kernel.principal import Principal

LONGEST_REASON: Final = 500
_ids = IdSource()


def acknowledge(principal: Principal, finding: str, reason: str) -> None:
    """Say that a finding was looked at. It stays named wherever the log is verified; the alarm falls silent, the checks go on.

    Raises Forbidden, InvalidRequest without a reason, Conflict for what no check has found or somebody acknowledged before.
    """
    access.require_acknowledge(principal)
    reason = " ".join(reason.split())
    if not 1 <= len(reason) <= LONGEST_REASON or "\x00" in reason:
        raise InvalidRequest(f"say why, in at most {LONGEST_REASON} characters")
    found, _ = read.checked()
    if found is None or finding not in found.findings:
        raise Conflict("no check says this, or somebody has acknowledged it already")
    at = system_clock()
    row = Acknowledged(at=at, log=read.LOG, finding=finding, actor=principal.actor, reason=reason)
    with transaction.atomic():
        row.save(force_insert=True)
        append.append(
            build(
                "finding.acknowledged",
                id=_ids.new(),
                at=at,
                actor=principal.actor,
                subject="log",
                data={"finding": finding, "reason": reason},
            )
        )
