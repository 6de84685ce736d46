"""Verify the whole log in front of the user, and write that it was done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from audit import verify
from audit.log import access, append, read
from audit.log.entry import build
from audit.log.signing import NoLogKey
from audit.ui.words import count, lasting
from controlplane.kernel.clock import system_clock
from controlplane.kernel.errors import Unavailable
from controlplane.kernel.ids import IdSource
from controlplane.kernel.principal import Principal

_ids = IdSource()
_FINDINGS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification came to, in words."""

    holds: bool
    headline: str
    detail: str
    findings: tuple[str, ...] = ()


def run_verification(principal: Principal) -> Verified:
    """Check every entry, leaf, tile and checkpoint, and append `log.verified`.

    Raises Forbidden for whoever may not read the whole log, Unavailable before the sequencer has made the log's key.
    """
    access.require_everything(principal)
    try:
        found = verify.verify()
    except NoLogKey as error:
        raise Unavailable(str(error)) from error
    with transaction.atomic():
        append.append(
            build(
                "log.verified",
                id=_ids.new(),
                at=system_clock(),
                actor=principal.actor,
                data={
                    "ok": found.ok,
                    "size": found.size,
                    "root": found.root,
                    "findings": len(found.findings),
                },
            )
        )
    checked, _ = read.checked()
    return _in_words(found, checked.acknowledged if checked else ())


def _in_words(found: verify.Verification, known: Sequence[str]) -> Verified:
    took = lasting(timedelta(seconds=found.seconds))
    work = (
        f"{count(found.size)} entries hashed again, {count(found.checkpoints)} signed checkpoints checked, "
        f"root {found.root[:12]}…"
    )
    if found.ok:
        return Verified(
            holds=True,
            headline=f"Verified in {took}: nothing is wrong",
            detail=f"{work}. This check is an entry itself.",
        )
    things = len(found.findings)
    return Verified(
        holds=False,
        headline=f"{things} thing{'s are' if things > 1 else ' is'} wrong with the log",
        detail=f"{work}, in {took}. Keep this installation as it is, and compare it with an older checkpoint.",
        findings=tuple(_finding(one, known) for one in found.findings[:_FINDINGS_SHOWN]),
    )


def _finding(finding: verify.Finding, known: Sequence[str]) -> str:
    """`entry 812: …`, with a word where somebody has acknowledged it."""
    place = "" if finding.index is None else f" {finding.index}"
    words = f"{finding.what}{place}: {finding.message}"
    return f"{words} (acknowledged)" if words in known else words
