"""`/healthz`: this process answers. `/readyz`: the installation can take calls, and if not, why.

`controlplane/middleware.py` answers both before anything else looks at the request, whatever Host it names; every answer
of `/readyz` is JSON, since machines read it.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import redis
from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.defaults import server_error

from audit.publication import read as publication

LEAST_MONTHS_AHEAD = 1
MOST_SKEW_SECONDS = 5.0
MOST_SWEEP_SECONDS = 15.0
MOST_SEQUENCER_SECONDS = 60.0
MOST_UNVERIFIED_SECONDS = 180.0
draining = False
"""Set when this process has begun to end: it takes nothing new."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. One that is not `needed` may be wrong while calls still go through."""

    name: str
    ok: bool
    detail: str
    needed: bool = True


def healthz(_request: HttpRequest) -> HttpResponse:
    """Alive, whatever else is away."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(_request: HttpRequest) -> JsonResponse:
    """200 when everything needed is there, else 503; the body lists every check."""
    checks = [Check("draining", ok=not draining, detail="shutting down" if draining else "no")]
    try:
        checks += [*database_checks(), redis_check()]
    except Error as away:
        checks += [Check("postgresql", ok=False, detail=type(away).__name__), redis_check()]
    ready = all(check.ok for check in checks if check.needed)
    return _told(checks, 200 if ready else 503)


def broken(request: HttpRequest) -> HttpResponse:
    """What is answered where we broke (`handler500`): a page for people; for who asks whether we are ready, still a report."""
    if request.path != "/readyz":
        return server_error(request)
    return _told([Check("readiness", ok=False, detail="it broke; the log says how")], 500)


def _told(checks: list[Check], status: int) -> JsonResponse:
    ready = all(check.ok for check in checks if check.needed)
    body = {"ready": ready, "healthy": all(check.ok for check in checks)}
    answer = JsonResponse({**body, "checks": [asdict(check) for check in checks]}, status=status)
    # who polls this reads it: Django would log every 503 as an error of its own
    answer._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001 - Django's mark
    return answer


def database_checks() -> list[Check]:
    """What PostgreSQL knows. Raises django.db.Error when it is away or has no schema yet."""
    looks: tuple[Callable[[], Check], ...] = (
        *(_months, _bundle, _skew, _workers, _swept, _sequenced, _published, _verified),
    )
    return [Check("postgresql", ok=True, detail="answers"), *(look() for look in looks)]


def _row(statement: str) -> tuple[object, ...]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        found: tuple[object, ...] = cursor.fetchone()
        return found


def _months() -> Check:
    """How many months ahead every growing table has its partition; at least one, or the turn of the month stops calls."""
    (least,) = _row(_MONTHS_AHEAD)
    ahead = -1 if least is None else int(str(least))
    return Check("months_ahead", ok=ahead >= LEAST_MONTHS_AHEAD, detail=f"{ahead}")


def _bundle() -> Check:
    (revision,) = _row("SELECT coalesce(max(revision), 0) FROM policies_control")
    return Check("bundle", ok=int(str(revision)) > 0, detail=f"revision {revision}")


def _skew() -> Check:
    """How far our clock is from PostgreSQL's: `now` is a fact of every decision."""
    before = datetime.now(tz=UTC)
    (theirs,) = _row("SELECT clock_timestamp()")
    assert isinstance(theirs, datetime)  # noqa: S101 - PostgreSQL's type
    skew = abs((theirs - before).total_seconds())
    return Check("clock", ok=skew <= MOST_SKEW_SECONDS, detail=f"{skew:.3f} s apart", needed=False)


def _workers() -> Check:
    (alive,) = _row(
        "SELECT count(*) FROM routing_worker_lease WHERE kind = 'calls' AND lost_at IS NULL "
        "AND expires_at > clock_timestamp()"
    )
    return Check("calls_workers", ok=int(str(alive)) > 0, detail=f"{alive} alive", needed=False)


def _swept() -> Check:
    """How long ago anybody looked for calls that nobody carries."""
    (age,) = _row(
        "SELECT extract(epoch FROM clock_timestamp() - nullif(max(swept_at), '-infinity')) FROM routing_swept"
    )
    ok = age is not None and float(str(age)) <= MOST_SWEEP_SECONDS
    return Check("sweep", ok=ok, detail=_ago("swept", age), needed=False)


def _sequenced() -> Check:
    """How old the newest signed checkpoint is, and whether the sequencer lives: it signs only what is new."""
    signed, seen, refusal = _row(
        """
        SELECT (SELECT extract(epoch FROM clock_timestamp() - max(signed_at)) FROM audit_checkpoint),
               extract(epoch FROM clock_timestamp() - max(seen_at)), coalesce(max(refusal), '') FROM audit_sequencer
        """
    )
    alive = seen is not None and float(str(seen)) <= MOST_SEQUENCER_SECONDS
    detail = f"{_ago('signed', signed)}, sequencer {_ago('seen', seen)}"
    if refusal:
        detail = f"{detail}; it refuses to sign: {refusal}"
    return Check(
        "log", ok=signed is not None and alive and not refusal, detail=detail, needed=False
    )


def _published() -> Check:
    """Whether what is signed is published, held by the register and, where a quorum is asked for, cosigned."""
    found = publication.standing()
    if found is None:
        return Check("log_published", ok=False, detail="not published yet", needed=False)
    detail = f"size {found.size}, {_ago('told', found.age_seconds)}"
    if found.quorum:
        detail = f"{detail}, cosigned by {found.quorum} up to size {found.cosigned_size}"
    if found.failure:
        detail = f"{detail}; nothing new is published: {found.failure}"
    return Check("log_published", ok=found.ok, detail=detail, needed=False)


def _verified() -> Check:
    """When the log last checked itself. Wrong when something was found, or when a checkpoint waits too long for it."""
    age, whole, findings, waiting = _row(
        """
        SELECT extract(epoch FROM clock_timestamp() - max(checked_at) FILTER (WHERE scope = 'recent')),
               extract(epoch FROM clock_timestamp() - max(held_at) FILTER (WHERE scope = 'whole')),
               (SELECT coalesce(max(f), '') FROM audit_verified v, unnest(v.findings) f
                 WHERE NOT EXISTS (SELECT FROM audit_acknowledged a WHERE a.log = v.log AND a.finding = f)),
               (SELECT extract(epoch FROM clock_timestamp() - min(signed_at)) FROM audit_checkpoint
                 WHERE seq > (SELECT coalesce(max(seq), -1) FROM audit_verified WHERE scope = 'recent'))
        FROM audit_verified
        """
    )
    late = waiting is not None and float(str(waiting)) > MOST_UNVERIFIED_SECONDS
    detail = f"{_ago('verified', age)}, all of it {_ago('verified', whole)}"
    if findings:
        detail = f"the log does not hold: {findings}; {detail}"
    return Check("log_verified", ok=not findings and not late, detail=detail, needed=False)


def _ago(what: str, age: object) -> str:
    return f"not {what} yet" if age is None else f"{what} {float(str(age)):.0f} s ago"


def redis_check() -> Check:
    """Redis is a bell: without it calls are slow, not lost."""
    began = time.perf_counter()
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    try:
        client.ping()
    except (redis.RedisError, OSError) as away:
        return Check("redis", ok=False, detail=type(away).__name__, needed=False)
    finally:
        client.close()
    return Check(
        "redis", ok=True, detail=f"{(time.perf_counter() - began) * 1000:.1f} ms", needed=False
    )


_MONTHS_AHEAD = """
WITH last AS (
    SELECT t.name, max(to_date(right(c.relname, 6), 'YYYYMM')) AS month
    FROM partitioned_table t
    LEFT JOIN pg_inherits i ON i.inhparent = to_regclass(t.name)
    LEFT JOIN pg_class c ON c.oid = i.inhrelid
    GROUP BY t.name
)
SELECT min(coalesce(
    (extract(year FROM month) - extract(year FROM now())) * 12
    + extract(month FROM month) - extract(month FROM now()), -1))::int FROM last
"""
