"""What happens to cases that nobody decided in time, as their queue says; and which delivered calls are looked at afterwards.

Both are jobs that may run twice, or beside a person: the SQL functions compare everything again and leave a decision alone.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from uuid import UUID

import structlog
from django.db import connection
from django.db.models import Q, QuerySet

from audit.log.entry import Entry, build
from controlplane.kernel.errors import Conflict
from controlplane.kernel.ids import uuid7_floor
from policies.bundles.published import Governed, Published, published
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.beside.read import of_callers
from routing.calls.models import Call
from routing.calls.steps import Sealed
from routing.reviews import drafts, questions
from routing.reviews.asking import ask, of_entry, of_sealed
from routing.reviews.content import Material
from routing.reviews.models import ReviewCase
from routing.reviews.steps import ANSWERED, OVERDUE, Opening, Overdue, Terms

log = structlog.get_logger(__name__)

ACTOR = "job:reviews"
BATCH = 200
SAMPLE_AFTER = timedelta(seconds=610)
"""A call's longest deadline and a little: by then it has ended, or is held."""
SAMPLE_SPAN = timedelta(seconds=180)
"""The job comes each minute: every call is looked at about three times, and sampled once."""
_WHOLE = 1 << 64
_ALONE = "SELECT pg_try_advisory_xact_lock_shared(7001, 4)"
"""Whether no demo's history is being made: its cases are due in another time, and judged there."""


def act_on_overdue() -> int:
    """Escalate, reject or release what is overdue and that no person has claimed; how many."""
    if not _is_alone():
        return 0
    found, at = published(), mandate_now()
    free = Q(claimed_until=None) | Q(claimed_until__lte=at)
    late = ReviewCase.objects.filter(free, closed_at=None, due_at__lte=at).order_by("due_at")
    return sum(_act(found, case) for case in late[:BATCH])


def _is_alone() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_ALONE)
        return bool(cursor.fetchone()[0])


def _act(found: Published, case: ReviewCase) -> bool:
    verdict, moved = case.on_overdue, None
    if verdict == "escalate":
        moved = _next(found, case)
        verdict = "escalate" if moved else "reject"
    try:
        answer = _answer(case, verdict)
    except Conflict:
        answer = None
        log.warning("reviews.erased", review=case.id.hex)
    wanted = Overdue(
        review=case.id,
        call=case.call,
        due_at=case.due_at,
        version=case.version,
        verdict="reject" if verdict == "release" and _has_nothing(case, answer) else verdict,
    )
    kind = "review.escalated" if verdict == "escalate" else "review.overdue"
    told = {"verdict": verdict, "queue": case.queue, **({"to": moved.queue} if moved else {})}
    ends = "failed" if wanted.verdict == "reject" else "completed"
    entries = [
        _entry(case, kind, told),
        _entry(case, "call.released", {}),
        _entry(case, f"call.{ends}", {"code": OVERDUE if ends == "failed" else ""}),
    ]
    opened = questions.NO_REVIEW if moved is None else moved.row()
    told_with = (value for entry in entries for value in of_entry(entry))
    params = (*wanted.row(), *opened, *of_sealed(answer), *told_with)
    return bool(ask(questions.OVERDUE, params) == ("done",))


def _has_nothing(case: ReviewCase, answer: Sealed | None) -> bool:
    """A call that no model answered cannot be released with an answer."""
    return case.stage in ANSWERED and answer is None


def _next(found: Published, case: ReviewCase) -> Opening | None:
    """The case as its next queue opens it; None where that queue is gone."""
    queue = found.find("ReviewQueue", case.queue_tenant, case.escalate_to)
    if queue is None:
        return None
    return _opening(queue, found.revision, case.id, case)


def _opening(queue: Governed, revision: int, review: UUID, call: ReviewCase | Call) -> Opening:
    terms = Terms.of(queue.spec)
    return Opening(
        review=review,
        call=call.call if isinstance(call, ReviewCase) else call.id,
        revision=revision,
        stage="sample",
        tenant=call.tenant,
        team=call.team,
        key=call.key,
        route=call.route,
        queue=queue.name,
        queue_tenant=queue.tenant,
        message="sampled after delivery",
        rules=[],
        due=terms.due,
        approvals=terms.approvals,
        on_overdue=terms.on_overdue,
        escalate_to=terms.escalate_to,
    )


def _answer(case: ReviewCase, verdict: str) -> Sealed | None:
    """What the caller gets: the draft in force, a person's where one wrote it; or why not."""
    if case.stage == "sample" or verdict == "escalate":
        return None
    if verdict == "reject":
        material = Material.of(case)
        words = f'nobody decided about this call in time; its queue "{case.queue}" turns such calls down'
        return material.sealed("answer", material.refusal(words, OVERDUE))
    if case.stage == "request":
        return None
    material = Material.of(case)
    outcome = material.outcome(case.version)
    if outcome is None or not drafts.read(material.codec, outcome).answered:
        return None
    return material.sealed("answer", outcome)


def sample() -> int:
    """Open a case for the share of delivered calls that each queue wants to see, by the call's draw; how many."""
    found, before = published(), mandate_now() - SAMPLE_AFTER
    span = Q(pk__gte=uuid7_floor(before - SAMPLE_SPAN), pk__lt=uuid7_floor(before))
    return sum(
        _sample(queue, found.revision, call)
        for queue, per_whole in _sampling(found)
        for call in _delivered(queue, span).iterator()
        if _draw(call.id) < per_whole
    )


def _sampling(found: Published) -> Iterator[tuple[Governed, int]]:
    """The queues that sample, with the draw below which a call is theirs."""
    for queue in found.of("ReviewQueue"):
        share = (queue.spec.get("sample") or {}).get("percent") or "0"
        ten_thousandths = round(float(share) * 100)
        if ten_thousandths:
            yield queue, _WHOLE * ten_thousandths // 10_000


def _delivered(queue: Governed, span: Q) -> QuerySet[Call]:
    """A tenant's queue looks at the tenant's calls, the organisation's at all. What a person saw already is left out.

    So are shadow runs, whose answers nobody got.
    """
    rows = Call.objects.filter(span, state="completed")
    rows = of_callers(rows.exclude(pk__in=ReviewCase.objects.values("call")))
    return rows.filter(tenant=queue.tenant) if queue.tenant else rows


def _draw(call: UUID) -> int:
    """The fact `draw` of the call."""
    return int.from_bytes(hashlib.sha256(call.bytes).digest()[:8])


def _sample(queue: Governed, revision: int, call: Call) -> bool:
    case = _opening(queue, revision, new_id(), call)
    entry = build(
        "review.sampled",
        id=new_id(),
        at=mandate_now(),
        actor=ACTOR,
        tenant=call.tenant,
        call=call.id,
        subject=f"review:{case.review.hex}",
        data={"queue": queue.name},
    )
    return bool(ask(questions.SAMPLE, (*case.row(), *of_entry(entry))) == (True,))


def _entry(case: ReviewCase, kind: str, data: Mapping[str, object]) -> Entry:
    return build(
        kind,
        id=new_id(),
        at=mandate_now(),
        actor=ACTOR,
        tenant=case.tenant,
        call=case.call,
        subject=f"review:{case.id.hex}",
        data=data,
    )
