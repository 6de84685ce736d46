"""The one story of the demo: what people did in these weeks, through the same commands as the console."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from controlplane.kernel.errors import Conflict
from policies.changes import commands, publishing, replays
from policies.documents.document import Document
from policies.documents.parse import parse_text
from routing.demo import inspections, letters, wild
from routing.demo.acting import person
from routing.demo.books import Books
from routing.demo.history import Event
from routing.demo.letters import Letters
from routing.demo.plan import Asked, last_tuesday
from routing.reviews import commands as reviews
from routing.reviews.models import ReviewCase
from routing.validation.edits import problems

RULE = ("Permission", "", "eu-data-stays-in-eu")
TITLE = "Personal data of EU tenants stays in the EU"
REASON = "The advisory shows claims of EU customers going to gpt-mini in the US; from now on it is a hard rule"
_NOW, _BEFORE = "  level: hard\n", "  level: advisory\n"


def before(document: Document) -> Document:
    """The document as it stood before the story began: the residency rule was only recorded."""
    if document.identity != RULE:
        return document
    return parse_text(document.source.replace(_NOW, _BEFORE), document.file)[0]


ROUTE = ("Route", "insurance", "extraction")
PROPOSED = "Extraction asks our own model first"
_WHY = (
    "Seven of ten letters go to the dearest model; ours reads them as well in 1,200 checked fields"
)
_WEIGHTS = (
    ("{model: claude-large, weight: 70}", "{model: claude-large, weight: 20}"),
    ("{model: llama-large, weight: 30}", "{model: llama-large, weight: 80}"),
)

_CLAIM = "A warehouse roof came down under snow; the policyholder asks for the whole damage. "
_BAKERY = "A fire in a bakery's kitchen; oven, counter and stock are lost. "
_ROOF = """{"line": "household", "payout": 48200.0}"""
_ROOF_EDITED = """{"line": "household", "payout": 45000.0}"""
_OVEN = """{"line": "household", "payout": 15400.0}"""
EDITED_BECAUSE = "The deductible of 3,200 was not taken off"
_WAITING = timedelta(minutes=8)
_READS = 260.0
"""Seconds that Rui takes over the large payout."""


class Story:
    """Tuesday's change: Ada writes it, Cleo approves it, and models outside the EU are dropped from then on.

    On Wednesday a large payout is held, and Rui edits it; one more is waiting for whoever looks now. On Friday Tariq hands in a
    change of his own, which waits for Cleo. Finance closed a month (`books`), Rui labelled a backlog of letters (`letters`),
    reports are sorted by two models at once (`inspections`), and a job runs wild just now (`wild`). `wait` lets seconds of
    the story pass.
    """

    def __init__(self, documents: Iterable[Document], wait: Callable[[float], None]) -> None:
        known = {document.identity: document.source for document in documents}
        self._rule, self._route = known[RULE], known[ROUTE]
        self._change: UUID | None = None
        self._wait, self._letters = wait, Letters(wait)

    def events(self, now: datetime, zone: ZoneInfo) -> Iterator[Event]:
        """Part by part; whoever lives them puts them in order."""
        yield from self._changes(now, zone)
        yield from Books().events(now, zone)
        yield from self._letters.events(now, zone)
        yield from inspections.events(now, zone)
        yield from wild.events(now)

    def _changes(self, now: datetime, zone: ZoneInfo) -> Iterator[Event]:
        tuesday = last_tuesday(now, zone)
        drafted = datetime.combine(tuesday, time(10, 14), tzinfo=zone)
        approved = datetime.combine(tuesday, time(11, 2), tzinfo=zone)
        yield Event(drafted, "Ada asks for the residency rule to be hard", self._draft)
        yield Event(approved, "Cleo approves it, and it is published", self._approve)
        edited = _days_after(now, zone, 1, time(9, 41))
        yield Event(edited, "Rui edits a large payout that was held", self._edit)
        proposed = min(_days_after(now, zone, 3, time(16, 25)), now - _WAITING * 2)
        yield Event(proposed, "Tariq proposes another model for extraction", self._propose)

    def calls(self, now: datetime, zone: ZoneInfo) -> Iterator[Asked]:
        """The two payouts that are held, Wednesday's and one a few minutes ago; the letters and reports; what runs wild."""
        yield _payout(_days_after(now, zone, 1, time(9, 20)), _CLAIM, _ROOF)
        yield _payout(now - _WAITING, _BAKERY, _OVEN)
        yield from self._letters.calls(now, zone)
        yield from inspections.calls(now, zone)
        yield from wild.calls(now)

    def around(self, planned: Iterable[Asked], now: datetime, zone: ZoneInfo) -> Iterator[Asked]:
        """The everyday calls, without those that would be checked among Saturday's letters."""
        return (one for one in planned if not letters.is_disturbed(one, now, zone))

    def _edit(self) -> None:
        rui = person("rui")
        case = ReviewCase.objects.filter(closed_at=None, stage="response").order_by("pk").first()
        if case is None:
            raise Conflict("no payout is held")
        reviews.claim(rui, case.pk)
        reviews.look(rui, case.pk)
        self._wait(_READS)
        reviews.edit(rui, case.pk, _ROOF_EDITED, EDITED_BECAUSE, problems)

    def _draft(self) -> None:
        ada = person("ada")
        change = commands.draft(ada, commands.NewChange(title=TITLE, reason=REASON))
        commands.put_texts(ada, change.pk, self._rule)
        self._change = publishing.submit(ada, change.pk).pk

    def _propose(self) -> None:
        tariq, text = person("tariq"), self._route
        for was, now in _WEIGHTS:
            text = text.replace(was, now)
        wanted = commands.NewChange(title=PROPOSED, reason=_WHY, tenant="insurance")
        change = commands.draft(tariq, wanted)
        commands.put_texts(tariq, change.pk, text)
        publishing.submit(tariq, change.pk)
        replays.begin(tariq, change.pk)

    def _approve(self) -> None:
        if self._change is None:
            raise Conflict("there is no change request to approve")
        publishing.approve(person("cleo"), self._change)


def _days_after(now: datetime, zone: ZoneInfo, days: int, at: time) -> datetime:
    """So many days after the change, which may be still to come."""
    return datetime.combine(last_tuesday(now, zone) + timedelta(days=days), at, tzinfo=zone)


def _payout(at: datetime, claim: str, answer: str) -> Asked:
    body = {
        "model": "payouts",
        "messages": [{"role": "user", "content": f"{claim}[[sandbox say='{answer}']]"}],
        "user": "person-7",
    }
    return Asked(at, "insurance/claims", body, {})
