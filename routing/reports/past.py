"""What past calls used and what their answers said, for replays: read from attempts and the vault, shown to nobody."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec
from django.db import connection

from audit.vault.keys import CallKeys, Erased, Sealed
from audit.vault.read import open_sealed
from audit.vault.seal import Tampered
from policies.engine.bundle import label
from policies.replay.answers import Spoken
from policies.replay.values import Attempted
from policies.replay.words import Asked
from routing.calls.models import Attempt
from routing.dialects import tool_calls
from routing.exchange import UnreadableAnswer, decode_request
from routing.relay import Outcome
from routing.reports.content import delivered, store, weighed_text
from routing.reviews import drafts

SMALL_BYTES: Final = 256 * 1024
"""A larger request is not opened for its labels: a few hundred are held at once."""
_SMALL: Final = """
SELECT call, field, no, tenant_key, subject_key, nonce, ciphertext FROM vault_content
WHERE call = ANY(%s) AND field = 'request' AND no = 0 AND octet_length(ciphertext) <= %s
"""
_USED = (
    "call_id",
    "model_tenant",
    "model",
    "tokens_input",
    "tokens_cached",
    "tokens_cache_write",
    "tokens_output",
    "service_tier",
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
        for call, tenant, model, *tokens, tier in rows.order_by("call_id", "no").values_list(
            *_USED
        ):
            used = [number or 0 for number in tokens]
            one = Attempted(label((tenant, model)), used[0], used[1], used[2], used[3], tier)
            found.setdefault(call, []).append(one)
        return found

    def said(self, call: UUID, no: int) -> Spoken | None:
        """What the answer weighed under a number said; 0: what the caller got. None where it is gone."""
        if no:
            text = weighed_text(call, no)
            return None if text is None else Spoken(text)
        return _delivered(call)

    def asked(self, calls: Sequence[UUID]) -> Mapping[UUID, Asked]:
        """What the requests of these calls named; without those that were denied, or erased."""
        found: dict[UUID, Asked] = {}
        with connection.cursor() as cursor:
            cursor.execute(_SMALL, [list(calls), SMALL_BYTES])
            rows = [Sealed(*row) for row in cursor.fetchall()]
        for row in rows:
            with contextlib.suppress(Erased, Tampered, msgspec.MsgspecError):
                keys = CallKeys.recall(store(), row.call, row.tenant_key, row.subject_key)
                outline = decode_request(open_sealed(store(), keys, row)).outline
                found[row.call] = Asked(outline.labels, outline.tools, keys.commit)
        return found


def _delivered(call: UUID) -> Spoken | None:
    found = delivered(call)
    if found is None:
        return None
    codec, outcome = found
    answer = drafts.answer_of(codec, outcome)
    if answer is None or not answer.choices:
        return None
    used = answer.usage.output if answer.usage else 0
    first, tools = answer.choices[0], _tools(outcome)
    return None if tools is None else Spoken(drafts.text_of(first), first.finish, used, tools)


def _tools(outcome: Outcome) -> tuple[str, ...] | None:
    """The tools that an answer asks for, as they would be sealed beside a decision; None where nobody can tell."""
    read = tool_calls.of_stream if drafts.is_stream(outcome) else tool_calls.of_body
    try:
        return tuple(wanted.text() for wanted in read(outcome.body))
    except UnreadableAnswer:
        return None
