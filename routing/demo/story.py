"""The one story of the demo: what people did in these two weeks, through the same commands as the console."""

from collections.abc import Iterator
from datetime import datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from controlplane.kernel.errors import Conflict
from controlplane.kernel.principal import Principal
from policies.bundles.principals import principal_for
from policies.bundles.published import published
from policies.changes import commands, publishing
from policies.documents.document import Document
from policies.documents.parse import parse_text
from policies.identity.models import User
from routing.demo.history import Event
from routing.demo.plan import last_tuesday

RULE = ("Permission", "", "eu-data-stays-in-eu")
TITLE = "Personal data of EU tenants stays in the EU"
REASON = "The advisory shows claims of EU customers going to gpt-mini in the US; from now on it is a hard rule"
_NOW, _BEFORE = "  level: hard\n", "  level: advisory\n"


def before(document: Document) -> Document:
    """The document as it stood before the story began: the residency rule was only recorded."""
    if document.identity != RULE:
        return document
    return parse_text(document.source.replace(_NOW, _BEFORE), document.file)[0]


class Story:
    """Tuesday's change: Ada writes it, Cleo approves it, and models outside the EU are dropped from then on."""

    def __init__(self, rule: Document) -> None:
        self._rule = rule
        self._change: UUID | None = None

    def events(self, now: datetime, zone: ZoneInfo) -> Iterator[Event]:
        """In the order of time."""
        tuesday = last_tuesday(now, zone)
        drafted = datetime.combine(tuesday, time(10, 14), tzinfo=zone)
        approved = datetime.combine(tuesday, time(11, 2), tzinfo=zone)
        yield Event(drafted, "Ada asks for the residency rule to be hard", self._draft)
        yield Event(approved, "Cleo approves it, and it is published", self._approve)

    def _draft(self) -> None:
        ada = _person("ada@acme.example")
        change = commands.draft(ada, commands.NewChange(title=TITLE, reason=REASON))
        commands.put_texts(ada, change.pk, self._rule.source)
        self._change = publishing.submit(ada, change.pk).pk

    def _approve(self) -> None:
        if self._change is None:
            raise Conflict("there is no change request to approve")
        publishing.approve(_person("cleo@acme.example"), self._change)


def _person(email: str) -> Principal:
    return principal_for(User.objects.get(email=email), published())
