"""The page of AI models: where they run, what they cost today, how they did in the last hour, what ends soon."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from audit.ui.request import principal_of
from audit.ui.words import listed
from policies.bundles.access import documents
from policies.bundles.published import Governed, Published, moment, published
from policies.stops.read import active
from policies.stops.visible import visible
from policies.ui.documents import document_url
from routing.calls.models import Attempt, Call
from routing.reports.spend import since

_SOON_DAYS = 90
_TROUBLED_PERCENT = 95


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One AI model."""

    name: str
    url: str
    provider: str
    upstream: str
    tier: str
    health: str
    health_note: str
    health_icon: str
    health_tone: str
    price_in: str
    price_out: str
    at_tiers: str
    clearance: str
    regions: str
    routes: int
    lifecycle: str
    sunset: str
    stopped: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """A sunset as a sentence with its consequence."""

    lead: str
    rest: str


@require_safe
def models(request: HttpRequest) -> HttpResponse:
    """`/models/`."""
    principal = principal_of(request)
    found, now = published(), moment()
    seen = list(documents(principal, found))
    stops = list(active().filter(visible(principal)))
    stopped = {(s.scope["kind"], s.scope["tenant"], s.scope["name"]) for s in stops}
    routes = [d for d in seen if d.kind == "Route"]
    health = _health(now)
    rows = [
        _row(d, found, _Around(now, stopped, routes, health)) for d in seen if d.kind == "Model"
    ]
    context = {
        "now": now,
        "rows": rows,
        "currency": found.currency,
        "provider_count": len({row.provider for row in rows}),
        "stops_line": f"{len(stops)} stop{'s' if len(stops) != 1 else ''} on"
        if stops
        else "no stop is on",
        "notices": [n for d in seen if d.kind == "Model" for n in _notice(d, routes, now)],
    }
    return render(request, "routing/models.html", context)


@dataclass(frozen=True, slots=True)
class _Around:
    now: datetime
    stopped: set[tuple[str, str, str]]
    routes: Sequence[Governed]
    health: Mapping[tuple[str, str], tuple[int, int]]


def _row(model: Governed, found: Published, around: _Around) -> ModelRow:
    spec = model.spec
    done, well = around.health.get((model.tenant, model.name), (0, 0))
    words, icon, tone = _condition(done, well)
    price = _price(spec, around.now.date())
    lifecycle = spec.get("lifecycle") or {}
    return ModelRow(
        name=model.name,
        url=document_url("Model", model.tenant, model.name),
        provider=str(spec.get("provider", "")),
        upstream=str(spec.get("upstreamName") or ""),
        tier=str(spec.get("tier", "")),
        health=words,
        health_note=f"{well} of {done} attempts" if done else "last hour",
        health_icon=icon,
        health_tone=tone,
        price_in=_in_currency(price, "inputPerMillion", found),
        price_out=_in_currency(price, "outputPerMillion", found),
        at_tiers=at_tiers(price),
        clearance=", ".join(spec.get("clearance", [])),
        regions=", ".join(spec.get("regions", [])),
        routes=sum(model.name in models_of(route.spec) for route in around.routes),
        lifecycle=str(lifecycle.get("state", "active")),
        sunset=f"ends {lifecycle['sunsetOn']}" if lifecycle.get("sunsetOn") else "",
        stopped=("model", model.tenant, model.name) in around.stopped,
    )


def models_of(route_spec: Mapping[str, Any]) -> set[str]:
    """Every model that a route names."""
    names: set[str] = set()
    pending: list[Any] = [route_spec.get("strategy", {})]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            names.add(value)
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, dict):
            pending += [value[key] for key in ("model", "models", "tiers") if key in value]
    return names


def _health(now: datetime) -> dict[tuple[str, str], tuple[int, int]]:
    """Attempts that ended in the last hour, and those that went well; everybody's, since a model's health is no secret."""
    calls = since(Call.objects.all(), now - timedelta(hours=1))
    rows = (
        Attempt.objects.filter(call__in=calls, state__in=("succeeded", "failed", "unknown"))
        .values("model_tenant", "model")
        .annotate(done=Count("no"), well=Count("no", filter=Q(state="succeeded")))
    )
    return {(row["model_tenant"], row["model"]): (row["done"], row["well"]) for row in rows}


def _condition(done: int, well: int) -> tuple[str, str, str]:
    if not done:
        return "not called", "dashed", ""
    percent = well * 100 // done
    if percent >= _TROUBLED_PERCENT:
        return f"healthy, {percent} %", "check-circle", "ok"
    return (
        (f"troubled, {percent} %", "alert", "warn") if well else ("failing", "cross-circle", "bad")
    )


def _price(spec: Mapping[str, Any], today: date) -> Mapping[str, Any]:
    begun = [p for p in spec.get("prices", []) if date.fromisoformat(str(p["from"])) <= today]
    return max(begun, key=lambda p: str(p["from"]), default={})


def at_tiers(price: Mapping[str, Any]) -> str:
    """What other service tiers cost of that: flex where it is cheaper, priority where it has a price."""
    flex, priority = str(price.get("batchFactor") or "1"), price.get("priorityFactor")
    told = [f"× {flex} at service tier flex"] if Decimal(flex) < 1 else []
    return ", ".join(told + ([f"× {priority} at priority"] if priority else []))


def _in_currency(price: Mapping[str, Any], field: str, found: Published) -> str:
    if field not in price:
        return "no price"
    rate = _rate(found, str(price.get("currency", found.currency)))
    if rate is None:
        return f"{price[field]} {price['currency']}"
    return f"{(Decimal(str(price[field])) * rate).quantize(Decimal('0.01'))}"


def _rate(found: Published, currency: str) -> Decimal | None:
    if currency == found.currency:
        return Decimal(1)
    rates = [r for r in found.organisation.get("exchangeRates", []) if currency in r]
    newest = max(rates, key=lambda r: str(r["from"]), default=None)
    return Decimal(str(newest[currency])) if newest else None


def _notice(model: Governed, routes: Sequence[Governed], now: datetime) -> list[Notice]:
    lifecycle = model.spec.get("lifecycle") or {}
    if not lifecycle.get("sunsetOn"):
        return []
    ends = date.fromisoformat(str(lifecycle["sunsetOn"]))
    days = (ends - timezone.localtime(now).date()).days
    if not 0 <= days <= _SOON_DAYS:
        return []
    named = sorted(route.name for route in routes if model.name in models_of(route.spec))
    then = lifecycle.get("replacement")
    consequence = (
        f"from then on they go to {then}."
        if then
        else "there is no replacement: calls to it are then denied."
    )
    rest = f"{listed(named)} name it; {consequence}" if named else "No route names it."
    return [Notice(f"{model.name} ends in {days} days, on {ends.day} {ends:%B %Y}.", rest)]
