"""What past calls used and what their answers said, for replays: read from attempts and the vault, shown to nobody."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec
from django.db import connection

from audit.vault.keys import Erased
from audit.vault.read import open_content
from audit.vault.seal import Tampered
from policies.engine.bundle import label
from policies.replay.answers import Spoken
from policies.replay.values import Attempted
from routing.calls.models import Attempt, Call
from routing.dialects.registry import dialect
from routing.relay import unpack_outcome
from routing.reports.content import store, weighed_text
from routing.reviews import drafts

OK = 200
_USED = (
    "call_id",
    "model_tenant",
    "model",
    "tokens_input",
    "tokens_cached",
    "tokens_cache_write",
    "tokens_output",
)


class Past:
    """`policies.replay.records.World` as it was."""

    def attempts(self, calls: Sequence[UUID]) -> Mapping[UUID, Sequence[Attempted]]:
        """What each attempt of these calls used, where it is known."""
        found: dict[UUID, list[Attempted]] = {}
        # the calls as one array: thousands of parameters took longer to plan than to answer
        rows = Attempt.objects.filter(tokens_output__isnull=False).extra(
            where=["call = ANY(%s)"], params=[list(calls)]
        )
        for call, tenant, model, *tokens in rows.order_by("call_id", "no").values_list(*_USED):
            one = Attempted(label((tenant, model)), *(number or 0 for number in tokens))
            found.setdefault(call, []).append(one)
        return found

    def said(self, call: UUID, no: int) -> Spoken | None:
        """What the answer weighed under a number said; 0: what the caller got. None where it is gone."""
        if no:
            text = weighed_text(call, no)
            return None if text is None else Spoken(text)
        return _delivered(call)


def _delivered(call: UUID) -> Spoken | None:
    row = Call.objects.filter(pk=call).first()
    if row is None:
        return None
    try:
        with connection.cursor() as cursor:
            found = open_content(store(), cursor, call, "answer")
    except (Erased, Tampered):
        return None
    if found is None:
        return None
    try:
        outcome = unpack_outcome(found)
    except (msgspec.MsgspecError, ValueError):
        return None
    answer = drafts.answer_of(dialect(row.dialect), outcome) if outcome.status == OK else None
    if answer is None or not answer.choices:
        return None
    used = answer.usage.output if answer.usage else 0
    return Spoken(drafts.text_of(answer.choices[0]), answer.choices[0].finish, used)
