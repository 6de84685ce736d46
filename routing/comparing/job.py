"""Compares the answers of shadow runs that have ended with those that callers got. Each minute, so many at a time.

Content is opened, compared and forgotten: what is kept is one word.
"""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from policies.bundles.snapshot import bundle_at
from policies.decisions.models import Decision
from policies.documents.routes import ERROR_CLASSES
from policies.engine import facts
from policies.engine.bundle import label
from policies.engine.decide import deliberate
from policies.order.lock import mandate_now
from routing.beside.commands import record
from routing.beside.models import Beside, BesideVerdict, Word
from routing.calls.models import Call
from routing.comparing.verdicts import Whole, verdict
from routing.dialects import tool_calls
from routing.exchange import UnreadableAnswer
from routing.reports.content import delivered
from routing.reviews import drafts
from routing.validation.registry import Result, results
from routing.validation.said import Said, read

MOST: Final = 200
"""Shadow runs in one turn."""
SPAN: Final = timedelta(days=3)
"""An older one is not looked for any more."""


def compare_ended() -> int:
    """How many were compared now."""
    return sum(record(run, word_on(run)) for run in _ended().iterator())


def _ended() -> "QuerySet[Any, Any]":
    call = Call.objects.filter(pk=OuterRef("call"))
    rows = Beside.objects.filter(
        ~Exists(BesideVerdict.objects.filter(call=OuterRef("call"))),
        asked_at__gte=mandate_now() - SPAN,
    ).annotate(state=Subquery(call.values("state")[:1]), code=Subquery(call.values("code")[:1]))
    # one that was denied or cancelled says nothing about its model
    return rows.filter(state__in=("completed", "failed")).order_by("asked_at", "call")[:MOST]


def word_on(run: Any) -> Word:  # noqa: ANN401  # a Beside with its call's state and code
    """The verdict on one that has ended."""
    if run.state == "failed":
        # what we cut off, and what a changed policy denied, is not the model's
        return "failed" if run.code in ERROR_CLASSES else "incomparable"
    given, beside = _whole(run.of), _whole(run.call)
    if given is None or beside is None:
        return "incomparable"
    return verdict(given, beside, _checked(run.call, beside.said))


def _whole(call: UUID) -> Whole | None:
    """What a call's answer says; None where it cannot be read (any more)."""
    found = delivered(call)
    if found is None:
        return None
    codec, outcome = found
    streamed = drafts.is_stream(outcome)
    tools = tool_calls.of_stream if streamed else tool_calls.of_body
    try:
        return Whole(read(codec, outcome.body, stream=streamed), tools(outcome.body))
    except UnreadableAnswer:
        return None


def _checked(call: UUID, answer: Said) -> list[Result]:
    """What the validators of its route say, in the bundle that it was decided by; none of them asks a model."""
    record_of = Decision.objects.filter(call=call, stage="request").order_by("-no").first()
    if record_of is None:
        return []
    bundle = bundle_at(record_of.revision)
    view = deliberate(bundle, facts.decode(bytes(record_of.facts))).view
    if view is None:
        return []
    names = tuple(label(key) for key in view.route.validators)
    return results(bundle, names, answer, view.environment)
