"""Records what came of comparing a shadow run's answer: once, with its entry."""

from typing import Final

from django.db import transaction

from audit.log import append
from audit.log.entry import build
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.beside.models import Beside, BesideVerdict, Word

ACTOR: Final = "job:beside"


def record(run: Beside, word: Word) -> bool:
    """False where it was recorded before, by whomever: then nothing is written."""
    with transaction.atomic():
        if BesideVerdict.objects.filter(call=run.call).exists():
            return False
        at = mandate_now()
        entry = build(
            "beside.compared",
            id=new_id(),
            at=at,
            actor=ACTOR,
            tenant=run.tenant,
            call=run.call,
            subject=run.route,
            data={"of": run.of.hex, "model": run.model, "verdict": word},
        )
        told = {"entry": entry.id, "compared_at": at, "verdict": word}
        # two at once: the second finds the first's row in its way
        if not BesideVerdict.objects.get_or_create(call=run.call, defaults=told)[1]:
            return False
        append.append(entry)
    return True
