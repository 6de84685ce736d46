"""What a call's page says of shadow runs: those that were made of it, or that it is one itself."""

from dataclasses import dataclass
from typing import Any, Final

from django.urls import reverse

from audit.ui.words import money
from controlplane.kernel.ids import call_name
from routing.beside.read import Run, runs_with
from routing.calls.models import Call

_WORDS: Final = {
    "": ("not compared yet", "", "dashed"),
    "agreed": ("agreed", "ok", "check"),
    "differed": ("differed", "warn", "alert"),
    "failed": ("failed", "bad", "cross-circle"),
    "incomparable": ("not comparable", "", "info"),
}


@dataclass(frozen=True, slots=True)
class BesideRow:
    """One shadow run as the table shows it."""

    model: str
    url: str
    name: str
    word: str
    tone: str
    symbol: str
    state: str
    cost: str


def beside_of(call: Call, currency: str) -> dict[str, Any]:
    """`beside`: its shadow runs; `shadow_of`: the call that it is a shadow run of. Of a call that was read by `with_runs`."""
    runs = runs_with(call)
    own = next((run for run in runs if run.call == call.id), None)
    if own is not None:
        of = call_name(own.of)
        word, _, _ = _WORDS[own.verdict]
        return {
            "shadow_of": {"name": of, "url": reverse("call", args=[of]), "word": word},
            "beside": [],
        }
    return {"shadow_of": None, "beside": [_row(run, currency) for run in runs]}


def _row(run: Run, currency: str) -> BesideRow:
    name = call_name(run.call)
    word, tone, symbol = _WORDS[run.verdict]
    return BesideRow(
        model=run.model,
        url=reverse("call", args=[name]),
        name=name,
        word=word,
        tone=tone,
        symbol=symbol,
        state=run.state,
        cost=money(run.cost_nano, currency),
    )
