"""Records what came of comparing a shadow run's answer: once, with its entry."""

from typing import Final

from django.db import IntegrityError, transaction

from audit.log import append
from audit.log.entry import build
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.beside.models import Beside, BesideVerdict, Word

ACTOR: Final = "job:beside"


def record(run: Beside, word: Word) -> bool:
    """False where it was recorded before: then nothing is written."""
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
    try:
        with transaction.atomic():
            BesideVerdict.objects.create(
                call=run.call, entry=entry.id, compared_at=at, verdict=word
            )
            append.append(entry)
    except IntegrityError:
        return False
    return True
