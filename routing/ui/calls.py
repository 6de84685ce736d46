"""The list of calls: filters in the address, pages by key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from audit.ui.filters import Filters, page_of, read_filters
from audit.ui.request import principal_of
from audit.ui.words import count, lasting, money
from controlplane.kernel.ids import call_name, parse_call_name, uuid7_floor
from controlplane.kernel.principal import Principal
from policies.bundles.access import documents
from policies.bundles.published import Published, moment, published
from routing.beside.read import OF_A_CALL, of_callers, runs_among
from routing.calls.access import reading_tenants, visible
from routing.calls.models import Attempt, Call
from routing.reports.dimensions import STANDARD
from routing.reports.runs import of_run
from routing.reports.spans import Span, between
from routing.reports.spend import since
from routing.reports.sums import CLOCKS

STATES = ("admitted", "running", "held", "completed", "failed", "cancelled", "denied")
_SPANS = {
    "hour": ("the last hour", 1),
    "day": ("the last 24 hours", 24),
    "week": ("the last 7 days", 168),
}


_KEPT = ("team", "key", "run", "provider", "serviceTier", "user", "from", "to")
"""What only links say; the form hands it on."""


@dataclass(frozen=True, slots=True)
class CallRow:
    """One line of the list."""

    name: str
    url: str
    at: datetime
    route: str
    state: str
    code: str
    tenant: str
    team: str
    model: str
    tries: int
    beside: str
    took: str
    tokens: str
    cost: str


@require_safe
def calls(request: HttpRequest) -> HttpResponse:
    """`/calls/`: what this member may see, newest first. A whole call id in `q` opens that call."""
    principal = principal_of(request)
    found = published()
    filters = read_filters(request, _choices(principal, found))
    only = only_of(request.GET.dict(), found)
    rows = visible(principal).filter(only.condition)
    exact = call_id(filters.q)
    if exact is not None and rows.filter(pk=exact).exists():
        return redirect("call", call_name(exact))
    page = page_of(request, _narrowed(rows, filters), lambda part: rows_of(part, found.currency))
    context = {
        "filters": filters,
        "only": only.words,
        "kept": [(name, request.GET[name]) for name in _KEPT if request.GET.get(name)],
        "page": page,
        "scope": scope_in_words(principal),
        "zone": f"{timezone.localtime():%Z}",
        "curl": first_call(request, principal, found),
    }
    return render(request, "routing/calls.html", context)


def rows_of(calls: Sequence[Call], currency: str) -> list[CallRow]:
    """The lines for these calls; their attempts are read in one query."""
    attempts: dict[UUID, list[Attempt]] = {}
    for attempt in Attempt.objects.filter(call__in=[c.id for c in calls]).order_by("no"):
        attempts.setdefault(attempt.call_id, []).append(attempt)
    runs = runs_among([c.id for c in calls])
    return [_row(call, attempts.get(call.id, []), currency, runs.get(call.id)) for call in calls]


def scope_in_words(principal: Principal) -> str:
    """Whose calls this member sees."""
    tenants = reading_tenants(principal)
    if tenants is None:
        return "all tenants"
    names = sorted({*tenants, *(f"{tenant} / {team}" for tenant, team in principal.teams)})
    return ", ".join(names) or "no tenant yet"


def first_call(request: HttpRequest, principal: Principal, found: Published) -> str:
    """The curl line that makes a first call, with a route this member's team may use."""
    tenants = {tenant for tenant, _ in principal.teams}
    seen = [d for d in documents(principal, found) if d.kind == "Route"]
    usable = [d.name for d in seen if not tenants or not d.tenant or d.tenant in tenants]
    route = usable[0] if usable else "your-route"
    body = f'{{"model": "{route}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    return (
        f"curl {request.scheme}://{request.get_host()}/v1/chat/completions \\\n"
        '  -H "Authorization: Bearer $MANDATE_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d '{body}'"
    )


def _choices(
    principal: Principal, found: Published
) -> list[tuple[str, str, str, list[tuple[str, str]]]]:
    seen = list(documents(principal, found))
    tenants = [d.name for d in seen if d.kind == "Tenant"]
    routes = sorted({d.name for d in seen if d.kind == "Route"})
    models = sorted({d.name for d in seen if d.kind == "Model"})
    offered = [
        ("time", "Time", "all", [(key, label) for key, (label, _) in _SPANS.items()]),
        ("tenant", "Tenant", "all", _same(tenants)),
        ("route", "Route", "all", _same(routes)),
        ("state", "State", "any", _same(STATES)),
        ("model", "Model", "any", _same(models)),
        ("shadow", "Shadow runs", "too", [("only", "alone"), ("without", "left out")]),
    ]
    return [field for field in offered if len(field[3]) > 1 or field[0] != "tenant"]


def _same(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, name) for name in names]


def _narrowed(rows: QuerySet[Call], filters: Filters) -> QuerySet[Call]:
    values = filters.values
    for name in ("tenant", "route", "state"):
        if name in values:
            rows = rows.filter(**{name: values[name]})
    if "time" in values:
        rows = since(rows, moment() - timedelta(hours=_SPANS[values["time"]][1]))
    if "model" in values:
        rows = rows.filter(
            Exists(Attempt.objects.filter(call=OuterRef("pk"), model=values["model"]))
        )
    if "shadow" in values:
        only = values["shadow"] == "only"
        rows = rows.filter(OF_A_CALL) if only else of_callers(rows)
    if filters.q:
        rows = matching(rows, filters.q)
    return rows


@dataclass(frozen=True, slots=True)
class Only:
    """What a report's line narrows the list to, beside its filters; `words` say it."""

    condition: Q
    words: tuple[str, ...] = ()


def only_of(address: Mapping[str, str], found: Published) -> Only:
    """Days, team, key, provider, tier, user and run as reports' addresses have them; what cannot be read counts as nothing."""
    condition, words = Q(), []
    for name, word in (("team", "team"), ("key", "key"), ("run", "run")):
        if value := address.get(name, ""):
            condition &= Q(**{name: value})
            words.append(f"{word} {value[:40]}")
    if provider := address.get("provider", ""):
        tried = Attempt.objects.filter(call=OuterRef("pk"), provider=provider)
        condition &= Q(Exists(tried))
        words.append(f"provider {provider[:40]}")
    if tier := address.get("serviceTier", ""):
        named = "" if tier == STANDARD else tier
        condition &= Q(Exists(Attempt.objects.filter(call=OuterRef("pk"), service_tier=named)))
        words.append(f"service tier {tier[:40]}")
    if user := address.get("user", ""):
        condition &= Q(user_ref__endswith=f"/user/{user}")
        words.append(f"user committed {user[:12]}…")
    days = _days(address, found)
    if days is not None:
        condition &= Q(
            pk__gte=uuid7_floor(days.starts - CLOCKS),
            pk__lt=uuid7_floor(days.until + CLOCKS),
            admitted_at__gte=days.starts,
            admitted_at__lt=days.until,
        )
        words.append(f"{days.first} to {days.last}")
    return Only(condition, tuple(words))


def _days(address: Mapping[str, str], found: Published) -> Span | None:
    try:
        first, last = (date.fromisoformat(address.get(name, "")) for name in ("from", "to"))
        return between(first, last, moment(), found.zone)
    except ValueError:
        return None


def matching(rows: QuerySet[Call], q: str) -> QuerySet[Call]:
    """Those whose id begins so, or that have to do with it."""
    return rows.filter(_text(q))


def _text(q: str) -> Q:
    condition = of_run(q) | Q(key=q) | Q(code__icontains=q) | Q(team=q) | Q(route__icontains=q)
    condition |= Q(Exists(Attempt.objects.filter(call=OuterRef("pk"), model=q)))
    low, high = _prefix(q)
    return condition | Q(pk__gte=low, pk__lte=high) if low and high else condition


def _prefix(q: str) -> tuple[UUID | None, UUID | None]:
    """The ids that begin with these hex digits."""
    digits = q.lower().removeprefix("call_").replace("-", "")
    if not 6 <= len(digits) <= 32 or not set(digits) <= set("0123456789abcdef"):
        return None, None
    return UUID(hex=digits.ljust(32, "0")), UUID(hex=digits.ljust(32, "f"))


def call_id(q: str) -> UUID | None:
    """The call that this text names, if it names one."""
    try:
        return parse_call_name(q)
    except ValueError:
        return None


def _row(call: Call, attempts: Sequence[Attempt], currency: str, of: UUID | None) -> CallRow:
    last = attempts[-1] if attempts else None
    tokens = sum((a.tokens_input or 0) + (a.tokens_output or 0) for a in attempts)
    name = call_name(call.id)
    return CallRow(
        name=name,
        url=reverse("call", args=[name]),
        at=call.admitted_at,
        route=call.route,
        state=call.state,
        code=call.code,
        tenant=call.tenant,
        team=call.team,
        model=last.model if last else "",
        tries=len(attempts),
        beside=call_name(of) if of else "",
        took=lasting(call.finished_at - call.admitted_at) if call.finished_at and attempts else "",
        tokens=count(tokens) if tokens else "",
        cost=money(call.cost_nano, currency) if attempts else "",
    )
