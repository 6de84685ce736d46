"""The log checks itself: every minute from the last checkpoint that held to the newest, every night all of it.

1. Nobody else is checking the same. 2. Remember the newest checkpoint. 3. Verify up to it: signatures, seals, tree,
completeness. 4. Fold the order of effect below its horizon. 5. Write the outcome to its one row, and append
`log.verified`: nightly, and whenever the verdict changes. A check that fails moves nothing: the next one begins at the
same place, so that what is wrong stays said until it is right, or until a person has acknowledged all of it. What was
acknowledged stays so until a check of all no longer finds it.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice

import structlog
from django.conf import settings
from django.db import connection

from audit.log import signing
from audit.log.effect import Effects, out_of_order
from audit.log.entry import Entry, build
from audit.verify import MOST_FINDINGS, Finding, Source, Verification, verify
from controlplane.kernel.clock import system_clock
from controlplane.kernel.ids import IdSource

log = structlog.get_logger(__name__)

ACTOR = "job:verify"
_ids = IdSource()
_LOCK = 200
_FINDINGS_LOGGED = 5


_KEPT = """
SELECT seq, size, horizon::text::bigint, revision, epoch, held_at, cardinality(findings) = 0 FROM audit_verified
WHERE log = %s AND scope = %s
"""
_PUT = """
INSERT INTO audit_verified (log, scope, checked_at, held_at, seq, size, horizon, revision, epoch, seconds, findings)
VALUES (%(log)s, %(scope)s, statement_timestamp(), CASE WHEN %(ok)s THEN statement_timestamp() ELSE %(held_at)s::timestamptz END,
        %(seq)s, %(size)s, %(horizon)s::text::xid8, %(revision)s, %(epoch)s, %(seconds)s, %(findings)s)
ON CONFLICT (log, scope) DO UPDATE SET checked_at = excluded.checked_at, held_at = excluded.held_at, seq = excluded.seq,
  size = excluded.size, horizon = excluded.horizon, revision = excluded.revision, epoch = excluded.epoch,
  seconds = excluded.seconds, findings = excluded.findings
"""
_KNOWN = "SELECT finding FROM audit_acknowledged WHERE log = %s"
_FORGET = "DELETE FROM audit_acknowledged WHERE log = %s AND NOT finding = ANY (%s)"
_PUT_AND_APPEND = f"WITH kept AS ({_PUT}) SELECT audit_append(%(id)s, %(kind)s, NULL, '', %(body)s)"
"""One statement, hence one transaction."""


class Scope(StrEnum):
    """How much is checked."""

    RECENT = "recent"
    WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Place:
    """A checkpoint that held: its number and size, its horizon, and what was in force below that."""

    seq: int = -1
    size: int = 0
    horizon: int = 0
    revision: int | None = None
    epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What an earlier check wrote down."""

    place: Place = Place()
    held_at: datetime | None = None
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check came to: from where, to where, and everything that is wrong."""

    scope: Scope
    reached: Place
    verified: Verification
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def in_words(self) -> list[str]:
        """The findings, one line each."""
        return [
            f"{found.what}{'' if found.index is None else f' {found.index}'}: {found.message}"
            for found in self.findings
        ]


def check_log(scope: Scope, source: Source | None = None) -> Outcome | None:
    """Check, write down what was found, and be loud when it is bad. None: another check runs. Raises signing.NoLogKey."""
    if source is not None:
        return _check_alone(scope, source)
    key, earlier = signing.key_and_earlier(settings.MANDATE_KEYS_DIR)
    with connection.cursor() as cursor:
        return _check_alone(scope, Source(cursor, key, earlier=earlier))


def _check_alone(scope: Scope, source: Source) -> Outcome | None:
    """Hold the session's lock for checks; no transaction, in which rows of the beginning would be seen to the end."""
    cursor, lock = source.cursor, _LOCK + source.log
    cursor.execute("SELECT pg_try_advisory_lock(7001, %s)", [lock])
    if not cursor.fetchone()[0]:
        return None
    try:
        kept = _kept(source, scope)
        outcome = _check(scope, source, kept.place)
        _keep(source, outcome, kept)
    finally:
        cursor.execute("SELECT pg_advisory_unlock(7001, %s)", [lock])
    return outcome


def _kept(source: Source, scope: Scope) -> Kept:
    source.cursor.execute(_KEPT, [source.log, scope.value])
    row = source.cursor.fetchone()
    return Kept(Place(*row[:5]), *row[5:]) if row else Kept()


def _check(scope: Scope, source: Source, held: Place) -> Outcome:
    start = held if scope is Scope.RECENT else Place()
    newest = _newest(source)
    found = verify(start.seq if start.seq >= 0 else None, source=source)
    effects = Effects(start.revision, start.epoch)
    span = (start.horizon, max(start.horizon, newest.horizon))
    wrong = islice(out_of_order(source.cursor, source.log, effects, span), MOST_FINDINGS)
    findings = (*found.findings, *(Finding("entry", None, message) for message in wrong))
    reached = Place(newest.seq, newest.size, newest.horizon, effects.revision, effects.epoch)
    return Outcome(scope, reached, found, findings)


def _newest(source: Source) -> Place:
    """The newest checkpoint now: `verify` reaches it or a later one."""
    source.cursor.execute(
        "SELECT seq, size, horizon::text::bigint FROM audit_checkpoint WHERE log = %s ORDER BY seq DESC LIMIT 1",
        [source.log],
    )
    row = source.cursor.fetchone()
    return Place(*row) if row else Place()


def _keep(source: Source, outcome: Outcome, kept: Kept) -> None:
    """One row per scope. INVARIANT: what nobody has acknowledged leaves the place of the last check that held."""
    settled = outcome.ok or _acknowledged(source, outcome)
    row: dict[str, object] = {
        **asdict(outcome.reached if settled else kept.place),
        "log": source.log,
        "scope": outcome.scope.value,
        "ok": outcome.ok,
        "held_at": kept.held_at,
        "seconds": outcome.verified.seconds,
        "findings": outcome.in_words(),
    }
    if outcome.scope is Scope.WHOLE or outcome.ok != kept.ok:
        entry = _entry(outcome)
        row |= {"id": entry.id, "kind": entry.kind, "body": entry.body}
        source.cursor.execute(_PUT_AND_APPEND, row)
    else:
        source.cursor.execute(_PUT, row)
    if outcome.scope is Scope.WHOLE:
        source.cursor.execute(_FORGET, [source.log, outcome.in_words()])
    if not settled:
        log.critical(
            "audit.log_does_not_hold",
            scope=outcome.scope.value,
            wrong=len(outcome.findings),
            findings=outcome.in_words()[:_FINDINGS_LOGGED],
        )


def _acknowledged(source: Source, outcome: Outcome) -> bool:
    """Whether a person has acknowledged all that is wrong; of more than is listed nobody has."""
    source.cursor.execute(_KNOWN, [source.log])
    known = {finding for (finding,) in source.cursor.fetchall()}
    return len(outcome.findings) < MOST_FINDINGS and known.issuperset(outcome.in_words())


def _entry(outcome: Outcome) -> Entry:
    return build(
        "log.verified",
        id=_ids.new(),
        at=system_clock(),
        actor=ACTOR,
        data={
            "ok": outcome.ok,
            "scope": outcome.scope.value,
            "size": outcome.verified.size,
            "root": outcome.verified.root,
            "findings": len(outcome.findings),
        },
    )
