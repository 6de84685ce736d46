"""The card of a replay: how far it is, what would be different, at what cost, and samples to open."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST, require_safe

from audit.ui.filters import page_of, read_filters
from audit.ui.request import principal_of
from controlplane.kernel.errors import MandateError
from controlplane.kernel.ids import call_name
from controlplane.kernel.principal import Principal
from policies.bundles.read import published_documents
from policies.changes import access, replays
from policies.changes.models import ChangeRequest
from policies.changes.read import edits_of, standing
from policies.replay import access as seen
from policies.replay import told
from policies.replay.models import BROKEN, CANCELLED, DONE, Replay, ReplaySample
from policies.replay.results import Part, part_of
from policies.replay.values import SHOWN, Counts
from policies.ui.people import person, sentence

TONES = {
    "denied": ("bad", "cross-circle"),
    "held": ("warn", "hand"),
    "permitted": ("ok", "check"),
    "rerouted": ("info", "route"),
    "altered": ("", "document"),
    "undecidable": ("", "alert"),
}
_EACH = 2
_BAR = 160


@dataclass(frozen=True, slots=True)
class Bar:
    """One kind of difference, as long as its share of the largest."""

    kind: str
    word: str
    tone: str
    symbol: str
    count: int
    width: float


@dataclass(frozen=True, slots=True)
class Line:
    """The sums of one tenant, or of all."""

    name: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class SampleShown:
    """One call that would fare otherwise."""

    sample: ReplaySample
    word: str
    tone: str
    symbol: str
    call: str


@dataclass(frozen=True, slots=True)
class Found:
    """What one viewer sees of a finished replay."""

    replay: Replay
    stale: bool
    part: Part
    said: str
    notes: tuple[str, ...]
    bars: Sequence[Bar]
    lines: Sequence[Line]
    samples: Sequence[SampleShown]


@dataclass(frozen=True, slots=True)
class Card:
    """Everything on the card of a change request's replay."""

    running: Replay | None
    broken: Replay | None
    found: Found | None
    may_begin: bool
    by: str = ""

    @property
    def digest(self) -> str:
        """What an approval binds of it; empty where there is nothing."""
        return self.found.replay.digest if self.found else ""


def card(principal: Principal, row: ChangeRequest, base: int, *, may: bool) -> Card:
    """The card, over the base in force. `may`: whether this principal may begin one."""
    newest = replays.newest(row)
    current = _finished(row, newest, base)
    running = newest if newest is not None and newest.open else None
    ended = newest if newest is not None and newest.state in (BROKEN, CANCELLED) else None
    return Card(
        running=running,
        broken=ended,
        found=found_in(principal, current.replay, stale=current.stale) if current else None,
        may_begin=may and row.open and running is None,
        by=person(running.actor) if running else "",
    )


def _finished(row: ChangeRequest, newest: Replay | None, base: int) -> replays.Current | None:
    """The newest that has ended well, asked for only where it is not the newest of all."""
    if newest is None or newest.state != DONE:
        return replays.current(row) if newest is not None else None
    return replays.Current(newest, replays.stale(row, newest, base))


def found_in(principal: Principal, replay: Replay, *, stale: bool = False) -> Found:
    """What a principal sees of a finished replay."""
    part = part_of(replay.result, seen.tenants_seen(principal))
    counts = part.counts
    lines = [Line(name, part.tenants[name]) for name in sorted(part.tenants)]
    return Found(
        replay=replay,
        stale=stale,
        part=part,
        said=told.sentence(counts),
        notes=tuple(filter(None, (told.undecidable(counts), told.unknown(counts)))),
        bars=bars(counts),
        lines=[*lines, *([Line("All", counts)] if len(lines) != 1 else [])],
        samples=_some(seen.samples(principal, replay)),
    )


def bars(counts: Counts) -> list[Bar]:
    """A bar for each kind that happens."""
    numbers = [(kind, getattr(counts, kind)) for kind in SHOWN]
    most = max((number for _, number in numbers), default=0)
    return [
        Bar(kind, told.WORDS[kind], *TONES[kind], number, round(max(2.0, _BAR * number / most), 2))
        for kind, number in numbers
        if number
    ]


def shown(sample: ReplaySample) -> SampleShown:
    """A sample in words."""
    word, (tone, symbol) = told.WORDS[sample.kind], TONES[sample.kind]
    return SampleShown(sample, word, tone, symbol, call_name(sample.call))


def _some(rows: Any) -> list[SampleShown]:  # noqa: ANN401 - a queryset
    """A few of each kind; the rest stands on a page of its own."""
    kept: list[SampleShown] = []
    for sample in rows.order_by("id"):
        if sum(one.sample.kind == sample.kind for one in kept) < _EACH:
            kept.append(shown(sample))
    return sorted(kept, key=lambda one: SHOWN.index(one.sample.kind))


@require_safe
def replay(request: HttpRequest, change: UUID) -> HttpResponse:
    """`/change-requests/<id>/replay/`: the card alone, which asks for itself while it runs."""
    principal = principal_of(request)
    row = access.get(principal, change)
    if not request.headers.get("hx-request"):
        return redirect("change", change)
    base = published_documents()
    may = replays.may_begin(principal, row, standing(base, row, edits_of(row)), base)
    found = card(principal, row, base.revision, may=may)
    return render(request, "policies/replay.html", {"change": row, "replay": found})


@require_POST
def begin(request: HttpRequest, change: UUID) -> HttpResponse:
    """`/change-requests/<id>/replay/begin/`: put one in the queue."""
    try:
        replays.begin(principal_of(request), change)
    except MandateError as error:
        if error.status in (403, 404):
            raise
        messages.error(request, sentence(error.message))
    return redirect("change", change)


@require_POST
def cancel(request: HttpRequest, change: UUID) -> HttpResponse:
    """`/change-requests/<id>/replay/cancel/`: end the one that runs."""
    try:
        replays.cancel(principal_of(request), change)
    except MandateError as error:
        if error.status in (403, 404):
            raise
        messages.error(request, sentence(error.message))
    return redirect("change", change)


@require_GET
def samples(request: HttpRequest, change: UUID) -> HttpResponse:
    """`/change-requests/<id>/replay/samples/`: every sample that one may open, by kind."""
    principal = principal_of(request)
    row = access.get(principal, change)
    found = replays.current(row)
    choices = [(kind, told.WORDS[kind]) for kind in SHOWN]
    filters = read_filters(request, [("class", "Difference", "any", choices)])
    rows = seen.samples(principal, found.replay) if found else ReplaySample.objects.none()
    if filters.values.get("class"):
        rows = rows.filter(kind=filters.values["class"])
    page = page_of(request, rows, lambda some: [shown(one) for one in some])
    context = {"change": row, "page": page, "filters": filters, "found": found, "state": DONE}
    if found:
        context["currency"] = part_of(found.replay.result, frozenset()).currency
    return render(request, "policies/replay_samples.html", context)
