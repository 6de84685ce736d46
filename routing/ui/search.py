"""One field for everything: calls, documents, change requests, keys and people, each as far as one may see it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from audit.ui.request import principal_of
from audit.ui.words import minute
from controlplane.kernel.ids import call_name
from controlplane.kernel.principal import Principal
from policies.bundles import access
from policies.bundles.people import visible as visible_people
from policies.bundles.published import Published, published
from policies.changes.access import visible as visible_changes
from policies.identity import read
from policies.ui.documents import document_url, summary_of
from routing.calls.access import visible as visible_calls
from routing.ui.calls import call_id, matching

_MOST = 8
_LONGEST = 120


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that was found."""

    title: str
    note: str
    url: str
    state: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of one noun; `more` leads to the rest, where there is a list that can show it."""

    name: str
    icon: str
    hits: tuple[Hit, ...]
    more: str = ""


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """`/search/?q=`; a whole call id opens that call."""
    principal = principal_of(request)
    q = request.GET.get("q", "").replace("\0", "").strip()[:_LONGEST]
    exact = call_id(q)
    if exact is not None and visible_calls(principal).filter(pk=exact).exists():
        return redirect("call", call_name(exact))
    groups = [group for group in _groups(principal, published(), q) if group.hits] if q else []
    return render(request, "routing/search.html", {"q": q, "groups": groups})


def _groups(principal: Principal, found: Published, q: str) -> Iterator[Found]:
    yield _some(
        "Documents", "document", _documents(principal, found, q), f"{reverse('documents')}?q={q}"
    )
    yield _some("Change requests", "revision", _changes(principal, q))
    yield _some("Calls", "calls", _calls(principal, q), f"{reverse('calls')}?q={q}")
    yield _some("API keys", "key", _keys(principal, q))
    yield _some("People", "person", _people(principal, found, q))


def _some(name: str, icon: str, hits: Iterable[Hit], more: str = "") -> Found:
    first = tuple(islice(hits, _MOST + 1))
    return Found(name, icon, first[:_MOST], more if len(first) > _MOST else "")


def _documents(principal: Principal, found: Published, q: str) -> Iterator[Hit]:
    wanted = q.lower()
    seen = list(access.documents(principal, found))
    named = [d for d in seen if wanted in d.name.lower() or wanted == d.kind.lower()]
    told = [d for d in seen if d not in named and wanted in str(dict(d.spec)).lower()]
    for d in (*named, *told):
        url = document_url(d.kind, d.tenant, d.name)
        yield Hit(f"{d.kind} {d.title}", summary_of(d), url)


def _changes(principal: Principal, q: str) -> Iterator[Hit]:
    rows = visible_changes(principal).filter(title__icontains=q).order_by("-pk")
    for row in rows[: _MOST + 1]:
        note = f"opened {minute(row.created_at)}"
        yield Hit(row.title, note, reverse("change", args=[row.pk]), row.state)


def _calls(principal: Principal, q: str) -> Iterator[Hit]:
    for call in matching(visible_calls(principal), q).order_by("-pk")[: _MOST + 1]:
        note = f"{call.tenant} / {call.team}, {minute(call.admitted_at)}"
        yield Hit(call.route, note, reverse("call", args=[call_name(call.pk)]), call.state)


def _keys(principal: Principal, q: str) -> Iterator[Hit]:
    rows = read.keys(principal)
    for key in (rows.filter(pk=q) | rows.filter(name__icontains=q)).order_by("-created_at")[:_MOST]:
        yield Hit(key.name or key.pk, f"{key.tenant} / {key.team}", reverse("key", args=[key.pk]))


def _people(principal: Principal, found: Published, q: str) -> Iterator[Hit]:
    rows = visible_people(principal, found)
    for one in (rows.filter(email__icontains=q) | rows.filter(name__icontains=q))[:_MOST]:
        yield Hit(one.name or one.email, one.email, reverse("member", args=[one.email]))
