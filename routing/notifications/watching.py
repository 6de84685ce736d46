"""What no entry tells: budgets that pass a mark (which become entries), keys that end soon, models at their sunset or away."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import redis
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from controlplane.kernel.money import format_nano
from policies.bundles.published import Governed, Published, published
from policies.identity.models import ApiKey
from policies.identity.read import in_state
from policies.order.entries import append_entry
from policies.order.lock import mandate_now
from routing.ledger.models import LedgerWindow
from routing.limits.breakers import KEY as BREAKERS
from routing.notifications.deriving import put
from routing.notifications.events import Event
from routing.notifications.models import BudgetMark

SUNSET = timedelta(days=30)


def watch() -> None:
    """Look once, and tell of what is new: every occurrence is told once, however often it is looked at."""
    found, now = published(), mandate_now()
    mark_budgets(found, now)
    if not any(found.of("Notification")):
        return
    for event in (*_keys(now), *_sunsets(found, now), *_open_models(now)):
        put(found, event, now)


def mark_budgets(found: Published, now: datetime) -> None:
    """An entry `budget.alert` for each mark that a window's actual spend has passed, once; forecasts are not looked at."""
    marked = {document.title: document for document in found.of("Budget") if _marks(document)}
    open_now = LedgerWindow.objects.filter(starts__lte=now, ends__gt=now, limit_nano__gt=0)
    open_now = open_now.filter(budget__in={document.name for document in marked.values()})
    told = set(
        BudgetMark.objects.filter(window__in=open_now.values("id")).values_list("window", "percent")
    )
    for window in open_now.order_by("id"):
        name = f"{window.tenant} / {window.budget}" if window.tenant else window.budget
        document = marked.get(name)
        spent = window.posted_nano + window.overrun_nano
        for percent in _marks(document) if document else ():
            # a mark is passed when as much is spent
            if (window.id, percent) not in told and spent * 100 >= percent * window.limit_nano:
                _mark(found, document, window, percent)


def _marks(document: Governed | None) -> list[int]:
    return sorted(document.spec.get("alerts") or ()) if document else []


def _mark(found: Published, document: Governed | None, window: LedgerWindow, percent: int) -> None:
    if document is None:
        return
    spent = window.posted_nano + window.overrun_nano
    try:
        with transaction.atomic():
            BudgetMark.objects.create(window=window.id, percent=percent)
            append_entry(
                "budget.alert",
                actor="job:budgets",
                at=mandate_now(),
                tenant=str(document.spec["scope"].get("tenant") or document.tenant),
                subject=f"budget:{document.title.replace(' / ', '/')}",
                data={
                    "budget": document.name,
                    "percent": percent,
                    "spent": format_nano(spent),
                    "limit": format_nano(window.limit_nano),
                    "currency": found.currency,
                    "window": window.id,
                },
            )
    except IntegrityError:
        return  # another job was first


def _keys(now: datetime) -> Iterator[Event]:
    for key in ApiKey.objects.filter(in_state("ends soon", now)):
        if key.created_by.startswith("job:") or key.expires_at is None:
            continue
        day = f"{timezone.localtime(key.expires_at):%Y-%m-%d}"
        yield Event(
            name="key.expiring",
            tenant=key.tenant,
            occurrence=f"{key.id}:{day}",
            at=now,
            title=f"The API key {key.id} of the team {key.team} ends on {day}",
            path=f"/keys/{key.id}/",
            facts={"key": key.id, "team": key.team, "endsOn": day},
        )


def _sunsets(found: Published, now: datetime) -> Iterator[Event]:
    today = now.astimezone(found.zone).date()
    for model in found.of("Model"):
        lifecycle = model.spec.get("lifecycle") or {}
        if lifecycle.get("state") == "retired" or not lifecycle.get("sunsetOn"):
            continue
        if not timedelta(0) <= date.fromisoformat(lifecycle["sunsetOn"]) - today <= SUNSET:
            continue
        instead = str(lifecycle.get("replacement") or "")
        then = f"then {instead} takes its calls" if instead else "nothing replaces it"
        yield Event(
            name="model.sunset",
            tenant=model.tenant,
            occurrence=f"{model.title}:{lifecycle['sunsetOn']}",
            at=now,
            title=f"The model {model.title} ends on {lifecycle['sunsetOn']}; {then}",
            path="/models/",
            facts={"model": model.title, "sunsetOn": lifecycle["sunsetOn"], "replacement": instead},
        )


def _open_models(now: datetime) -> Iterator[Event]:
    """Breakers that are open; the same model is told at most once an hour."""
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    try:
        found = client.zrangebyscore(BREAKERS, now.timestamp(), "+inf")
    except redis.RedisError:
        return
    finally:
        client.close()
    for name in sorted(raw.decode() if isinstance(raw, bytes) else str(raw) for raw in found):
        tenant, _, model = name.rpartition("/")
        yield Event(
            name="model.unavailable",
            tenant=tenant,
            occurrence=f"{name}:{now.astimezone(UTC):%Y-%m-%dT%H}",
            at=now,
            title=f"Calls keep away from the model {model}: it failed too often",
            path="/models/",
            facts={"model": model},
        )
