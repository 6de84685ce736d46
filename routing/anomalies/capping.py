"""One click: a Budget on one key, published at once, which goes at its time. Nothing else is published, and nothing else goes.

It is judged as what one person alone may publish in an emergency is: it only tightens. What its end brings back is what two had
agreed on before.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import Conflict, InvalidRequest
from controlplane.kernel.money import format_nano, parse_nano
from controlplane.kernel.principal import Principal
from policies.bundles.publish import Candidate, Edits, publish
from policies.bundles.read import Published
from policies.bundles.rules import Touched
from policies.changes.publishing import roles_of
from policies.changes.tightening import loosens
from policies.documents.document import Document, Identity
from policies.documents.parse import parse_text
from policies.order.entries import append_entry
from policies.order.lock import mandate_now
from routing.anomalies import access
from routing.anomalies.models import Anomaly

MOST_HOURS = 72
_ACTOR = "job:anomalies"
_TEXT = """\
# Set by one click on an anomaly, until {until}; it goes by itself.
apiVersion: mandate/v1
kind: Budget
metadata: {{name: {name}, tenant: {tenant}}}
spec:
  scope: {{key: "{key}"}}
  period: once
  limit: "{limit}"
  hard: true
  onExhausted: deny
"""


@dataclass(frozen=True, slots=True)
class _Setting:
    """Consent to one cap, judged and written under the order lock."""

    principal: Principal
    row: Anomaly
    document: Document
    until: datetime

    def __call__(self, candidate: Candidate, revision: int, at: datetime) -> None:
        """Raises Forbidden, Conflict when another capped it meanwhile."""
        access.require_still(
            roles_of(self.principal, candidate.base, self.row.tenant), self.principal
        )
        # INVARIANT: alone one may only tighten, and here by this one document
        access.require_only_a_cap(_more_than(candidate, self.document))
        name, digest = self.document.name, _digest(self.document)
        done = Anomaly.objects.filter(pk=self.row.pk, cap="").update(
            cap=name, cap_digest=digest, cap_by=self.principal.actor, cap_until=self.until
        )
        if not done:
            raise Conflict("somebody capped this key meanwhile")
        data = {
            "key": self.row.key,
            "budget": name,
            "limit": self.document.spec["limit"],
            "until": to_text(self.until),
            "revision": revision,
            "flagged": True,
        }
        _entry("anomaly.capped", self.row, self.principal.actor, at, data)


@dataclass(frozen=True, slots=True)
class _Ending:
    """Consent to the end of one cap."""

    row: Anomaly

    def __call__(self, candidate: Candidate, revision: int, at: datetime) -> None:
        """Raises Conflict when it is not due, or when more than the cap would go."""
        # INVARIANT: a machine takes back only what one click set, unchanged, when its time is over
        due = self.row.cap_until is not None and self.row.cap_until <= at
        only = candidate.difference.deleted == (_identity(self.row),) and not (
            candidate.difference.created or candidate.difference.changed
        )
        if not (due and only and _is_there(candidate.base, self.row)):
            raise Conflict("this cap is not over, or is not the one that was set")
        _ended(self.row, at, {"key": self.row.key, "budget": self.row.cap, "revision": revision})


def cap(principal: Principal, anomaly: UUID, limit: str, hours: int) -> Anomaly:
    """Let the anomaly's key spend `limit` more, for so many hours. Binds at once.

    Raises NotFound, Forbidden, InvalidRequest for a limit or hours that cannot be, Conflict where it is capped already.
    """
    row = access.require_cap(principal, anomaly)
    if row.cap:
        raise Conflict(f"this key was capped already, by {row.cap_by}")
    if not 1 <= hours <= MOST_HOURS:
        raise InvalidRequest(f'a cap lasts 1 to {MOST_HOURS} hours, not "{hours}"')
    until = mandate_now() + timedelta(hours=hours)
    document = _document(row, _limit(limit), until)
    publish(
        Edits(actor=principal.actor, origin="console", alone=True, put=[document]),
        _Setting(principal, row, document, until),
    )
    row.refresh_from_db()
    return row


def lift_due() -> int:
    """Take away every cap whose time is over; how many. One that people changed since is theirs and stays."""
    now = mandate_now()
    rows = Anomaly.objects.exclude(cap="").filter(cap_until__lte=now, cap_ended_at=None)
    return sum(_lift(row) for row in rows.order_by("id"))


def _lift(row: Anomaly) -> bool:
    outcome = publish(lambda base: _removal(base, row), _Ending(row))
    if outcome.difference:
        return True
    # changed or deleted by people: there is nothing of ours to take away
    Anomaly.objects.filter(pk=row.pk, cap_ended_at=None).update(cap_ended_at=mandate_now())
    return False


def _removal(base: Published, row: Anomaly) -> Edits:
    gone = [_identity(row)] if _is_there(base, row) else []
    return Edits(actor=_ACTOR, origin="console", delete=gone)


def _is_there(base: Published, row: Anomaly) -> bool:
    return any(
        d.identity == _identity(row) and _digest(d) == row.cap_digest for d in base.documents
    )


def _ended(row: Anomaly, at: datetime, data: dict[str, object]) -> None:
    if not Anomaly.objects.filter(pk=row.pk, cap_ended_at=None).update(cap_ended_at=at):
        raise Conflict("this cap ended meanwhile")
    _entry("anomaly.uncapped", row, _ACTOR, at, data)


def _more_than(candidate: Candidate, document: Document) -> list[str]:
    """What the candidate does beside putting this one new document."""
    found = candidate.difference
    if found.changed or found.deleted or [d.identity for d in found.created] != [document.identity]:
        return ["it is more than one new budget"]
    return loosens([Touched(document.identity, None, found.created[0])])


def _document(row: Anomaly, limit_nano: int, until: datetime) -> Document:
    text = _TEXT.format(
        name=f"cap-{row.key.lower()}-{row.id.hex[-8:]}",
        tenant=row.tenant,
        key=row.key,
        limit=format_nano(limit_nano),
        until=to_text(until),
    )
    return parse_text(text, "cap.yaml")[0]


def _limit(text: str) -> int:
    try:
        nano = parse_nano(text.strip())
    except ValueError:
        raise InvalidRequest(f'"{text[:40]}" is no amount; write it as 10.00') from None
    if nano <= 0:
        raise InvalidRequest("a cap is more than nothing; to let nothing through, set a stop")
    return nano


def _identity(row: Anomaly) -> Identity:
    return "Budget", row.tenant, row.cap


def _digest(document: Document) -> str:
    return sha256(document.source.encode()).hexdigest()


def _entry(kind: str, row: Anomaly, actor: str, at: datetime, data: dict[str, object]) -> None:
    append_entry(
        kind, actor=actor, at=at, tenant=row.tenant, subject=f"anomaly:{row.id.hex}", data=data
    )
