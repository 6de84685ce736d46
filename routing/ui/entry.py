"""One entry's page: what it is about, before and after, and its proof; beside the list it was found in."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_safe

from audit.log import access
from audit.log.read import Line
from audit.ui.request import principal_of
from audit.ui.views import explorer, opened
from controlplane.kernel.principal import Principal
from policies.bundles import access as documents
from policies.bundles.past import sources_at
from policies.bundles.published import at_revision
from policies.changes import access as changes
from policies.changes import compare
from policies.changes.models import ChangeRequest
from policies.changes.read import edits_of
from policies.changes.texts import named
from policies.documents.document import Identity
from policies.ui.documents import NO_TENANT

_SHOWN = 4
_LONGEST = 300


class EntryId:
    """An entry's id in an address: 32 hex digits, or with hyphens."""

    regex = "[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

    def to_python(self, value: str) -> str:
        """As it stands."""
        return value

    def to_url(self, value: object) -> str:
        """As it stands."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Link:
    """Where one goes on from here."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Text:
    """One document, before and after."""

    name: str
    lines: Sequence[compare.Line]


@dataclass(frozen=True, slots=True)
class About:
    """What the page says beyond the entry's own bytes. `note` tells what is not shown."""

    links: tuple[Link, ...]
    texts: tuple[Text, ...]
    fields: tuple[tuple[str, str], ...]
    note: str = ""


@require_safe
def entry(request: HttpRequest, identity: str) -> HttpResponse:
    """`/log/<id>/`: the list with one entry open beside it."""
    principal = principal_of(request)
    proven = access.proven(principal, identity)
    return explorer(request, principal, **opened(proven), about=about(principal, proven.line))


def about(principal: Principal, line: Line) -> About:
    """What an entry is about, for a reader of it."""
    links, texts, note = list(_links(line)), list[Text](), ""
    kind, _, rest = line.subject.partition(":")
    revision = line.data.get("revision")
    if line.kind.name == "bundle.activated" and isinstance(revision, int):
        texts, note = _published(principal, revision)
    elif kind == "change":
        change = changes.visible(principal).filter(pk=rest).first()
        if change is not None:
            links.insert(0, Link(change.title, reverse("change", args=[change.pk])))
            texts, note = _drafted(change, line.data)
    return About(tuple(links), tuple(texts), tuple(_fields(line.data)), note)


def _published(principal: Principal, revision: int) -> tuple[list[Text], str]:
    """What a revision changed, as far as the reader may see it."""
    found, before = at_revision(revision), at_revision(revision - 1)
    seen = {
        (d.kind, d.tenant, d.name)
        for bundle in (found, before)
        if bundle is not None
        for d in documents.documents(principal, bundle)
    }
    old, new = sources_at(revision - 1), sources_at(revision)
    changed = [i for i in sorted(seen) if old.get(i) != new.get(i)]
    texts = [_text(i, old.get(i), new.get(i)) for i in changed[:_SHOWN]]
    more = len(changed) - len(texts)
    return texts, f"{more} more documents changed; the revision shows them all." if more else ""


def _drafted(change: ChangeRequest, data: Mapping[str, Any]) -> tuple[list[Text], str]:
    """What a change request says, where it still says what it said when the entry was made."""
    if "digest" not in data:
        return [], ""
    if data["digest"] != change.digest:
        return [], "It was edited after this; what it came to is on its page."
    edits = edits_of(change)
    texts = [_text(e.identity, e.before, None if e.deletes else e.source) for e in edits[:_SHOWN]]
    more = len(edits) - len(texts)
    return texts, f"{more} more documents; the change request shows them all." if more else ""


def _text(identity: Identity, old: str | None, new: str | None) -> Text:
    return Text(named(identity), compare.lines(old, new))


def _links(line: Line) -> Iterator[Link]:
    """From the subject and the data to the pages that show more."""
    kind, _, rest = line.subject.partition(":")
    found = _page_of(kind, rest)
    if found is not None:
        yield found
    revision = line.data.get("revision")
    if isinstance(revision, int) and revision > 0:
        yield Link(f"Revision {revision}", reverse("revision", args=[revision]))
    change = line.data.get("change")
    if isinstance(change, str) and re.fullmatch("[0-9a-f]{32}", change):
        yield Link("The change request", reverse("change", args=[UUID(change)]))


def _page_of(kind: str, rest: str) -> Link | None:
    pages = {
        "member": ("The member", "member"),
        "key": ("The API key", "key"),
        "review": ("The review case", "review"),
        "drill": ("The exit drill", "exit-drill"),
        "view": ("The saved view", "log-view"),
    }
    try:
        if kind in pages:
            text, name = pages[kind]
            one = UUID(rest) if name not in ("member", "key") else rest
            return Link(text, reverse(name, args=[one]))
        if kind == "stop":
            return Link("The stops", reverse("stops"))
        if kind in ("document", "use-case"):
            return _document(kind, rest)
    except (NoReverseMatch, ValueError):
        return None
    return None


def _document(kind: str, rest: str) -> Link:
    """`Permission insurance/claims-may-call`, or a use case as `insurance/claims-triage`."""
    what, _, place = rest.rpartition(" ")
    tenant, _, name = place.rpartition("/")
    if kind == "use-case":
        return Link("The dossier", reverse("dossier", args=[tenant or NO_TENANT, name]))
    return Link("The document", reverse("document", args=[what, tenant or NO_TENANT, name]))


def _fields(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The entry's data as a list; old and new side by side where it says both."""
    for name, value in data.items():
        if isinstance(value, dict) and set(value) in (
            {"from", "to"},
            {"before", "after"},
            {"was", "is"},
        ):
            old, new = value.values()
            yield name, f"{_said(old)} → {_said(new)}"
        else:
            yield name, _said(value)


def _said(value: Any) -> str:  # noqa: ANN401 - JSON of any shape
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        text = ", ".join(value)
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text or "nothing"
