"""A data subject: what the committed id of a user touches, as a list, as a file, and erased. The id itself is stored nowhere."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse

from audit.export import in_pieces
from audit.log.append import append
from audit.log.entry import build
from audit.log.models import Entry
from audit.retention.commands import NewErasure
from audit.retention.models import Erasure
from audit.retention.read import erased_on
from audit.vault.keys import find_user
from controlplane.kernel.clock import system_clock, to_text
from controlplane.kernel.errors import NotFound
from controlplane.kernel.ids import call_name, uuid7_time
from controlplane.kernel.principal import Principal
from policies.order.ids import new_id
from routing.calls.models import Call
from routing.reports.content import Opened, opened, store
from routing.retention import access
from routing.reviews.models import ReviewCase

_CHUNK = 200


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known of one user of a tenant: `key` is a pseudonym, the name of the key that content of these calls needs."""

    tenant: str
    key: str
    stands: bool
    calls: int
    entries: int
    cases: int
    first: datetime | None
    last: datetime | None
    erased_on: datetime | None
    waiting: Erasure | None

    def as_dict(self) -> dict[str, object]:
        """For JSON, by page, API and command."""
        return {
            "tenant": self.tenant,
            "key": self.key,
            "contentStands": self.stands,
            "calls": self.calls,
            "entries": self.entries,
            "cases": self.cases,
            "first": to_text(self.first) if self.first else None,
            "last": to_text(self.last) if self.last else None,
            "erasedOn": to_text(self.erased_on) if self.erased_on else None,
            "erasureAsked": str(self.waiting.id) if self.waiting else None,
        }


def find(principal: Principal, tenant: str, user: str) -> Subject:
    """Look a user up. Raises Forbidden, and NotFound where no call of the tenant ever named this user."""
    access.require_look(principal, tenant)
    key, calls = _calls(tenant, user)
    ids = calls.values("pk")
    first, last = calls.order_by("pk").first(), calls.order_by("-pk").first()
    gone = erased_on([key])
    if first is None and gone is None:
        raise NotFound(f'no call of "{tenant}" names this user')
    return Subject(
        tenant=tenant,
        key=key,
        stands=store().get(key) is not None,
        calls=calls.count(),
        entries=Entry.objects.filter(call__in=ids).count(),
        cases=ReviewCase.objects.filter(call__in=ids).count(),
        first=uuid7_time(first.pk) if first else None,
        last=uuid7_time(last.pk) if last else None,
        erased_on=gone,
        waiting=Erasure.objects.filter(key=key, erased_at=None).first(),
    )


def wanted(subject: Subject, basis: str) -> NewErasure:
    """What `audit.retention.commands.ask_erasure` takes to erase this user's content."""
    return NewErasure(kind="user", tenant=subject.tenant, key=subject.key, basis=basis)


def export(principal: Principal, tenant: str, user: str, reason: str) -> Iterator[bytes]:
    """One JSON object a line, each ending in one: the subject, then each call with its content, entries and cases.

    Raises Forbidden, InvalidRequest, NotFound before anything is read; the entry is committed before the first line.
    """
    access.require_export(principal, tenant, reason)
    subject = find(principal, tenant, user)
    with transaction.atomic():
        append(
            build(
                "export.created",
                id=new_id(),
                at=system_clock(),
                actor=principal.actor,
                tenant=tenant,
                subject=subject.key,
                data={"what": "subject", "calls": subject.calls, "reason": reason.strip()},
            )
        )
    return _lines(subject, _calls(tenant, user)[1])


def as_file(request: HttpRequest, lines: Iterator[bytes]) -> StreamingHttpResponse:
    """An export as an answer, to page and API alike."""
    answer = StreamingHttpResponse(in_pieces(request, lines), content_type="application/jsonl")
    answer["content-disposition"] = 'attachment; filename="subject.jsonl"'
    return answer


def _lines(subject: Subject, calls: "QuerySet[Call]") -> Iterator[bytes]:
    yield _json_line(subject.as_dict())
    for call in calls.order_by("pk").iterator(_CHUNK):
        yield _json_line(_line(call))


def _json_line(said: dict[str, object]) -> bytes:
    """Half of a pair that some client sent stays as the escape that it was."""
    return f"{json.dumps(said, ensure_ascii=False)}\n".encode(errors="backslashreplace")


def _line(call: Call) -> dict[str, object]:
    entries = Entry.objects.filter(call=call.pk).order_by("id").values_list("id", "kind")
    cases = ReviewCase.objects.filter(call=call.pk).order_by("pk").values_list("stage", "outcome")
    return {
        "call": call_name(call.pk),
        "at": to_text(uuid7_time(call.pk)),
        "team": call.team,
        "route": call.route,
        "state": call.state,
        "content": {one.name.lower(): _told(one) for one in opened(call)},
        "entries": [{"id": identity.hex, "kind": kind} for identity, kind in entries],
        "cases": [{"stage": stage, "outcome": outcome} for stage, outcome in cases],
    }


def _told(one: Opened) -> dict[str, str]:
    return {"text": one.text} if one.text else {"text": "", "note": one.note}


def _calls(tenant: str, user: str) -> "tuple[str, QuerySet[Call]]":
    """The name of the user's key, and the calls sealed under it."""
    key = find_user(store(), tenant, user)
    if not key:
        raise NotFound(f'no call of "{tenant}" names this user')
    return key, Call.objects.filter(tenant=tenant, user_ref=key)
