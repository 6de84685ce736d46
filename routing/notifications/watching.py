"""What no entry tells: budgets at a mark, spent or forecast (these become entries); keys that end soon; models away."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
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
from routing.forecasts.models import Forecast
from routing.ledger.models import LedgerWindow
from routing.limits.breakers import KEY as BREAKERS
from routing.notifications.deriving import put
from routing.notifications.events import Event
from routing.notifications.models import BudgetMark, ForecastMark
from routing.notifications.overruns import mark_overruns

SUNSET = timedelta(days=30)
FRESH = timedelta(hours=1)
"""An older forecast is of a job that is away: it tells nobody anything."""


def watch() -> None:
    """Look once, and tell of what is new: every occurrence is told once, however often it is looked at."""
    found, now = published(), mandate_now()
    mark_budgets(found, now)
    mark_overruns(found, now)
    if not any(found.of("Notification")):
        return
    for event in (*_keys(now), *_sunsets(found, now), *_open_models(now)):
        put(found, event, now)


@dataclass(frozen=True, slots=True)
class _Passed:
    """A window at one of its budget's marks: by what was spent, or by a forecast."""

    document: Governed
    window: LedgerWindow
    percent: int
    forecast: Forecast | None = None


def mark_budgets(found: Published, now: datetime) -> None:
    """An entry `budget.alert` for each mark that a window passed, once by what was spent and once by a forecast before that."""
    marked = {document.title: document for document in found.of("Budget") if _marks(document)}
    rows = LedgerWindow.objects.filter(starts__lte=now, ends__gt=now, limit_nano__gt=0)
    rows = rows.filter(budget__in={document.name for document in marked.values()})
    windows = {row.id: row for row in rows.order_by("id")}
    said = Forecast.objects.filter(window__in=windows, made_at__gte=now - FRESH)
    forecasts = {row.window: row for row in said.exclude(method="none")}
    told, foretold = _told(BudgetMark, windows), _told(ForecastMark, windows)
    for window in windows.values():
        document = marked.get(_title(window))
        if document is None:
            continue
        for percent in _marks(document):
            spent = window.posted_nano + window.overrun_nano
            # a mark is passed when as much is spent
            if _reaches(spent, percent, window):
                if (window.id, percent) not in told:
                    _mark(found, _Passed(document, window, percent))
                continue
            forecast = forecasts.get(window.id)
            ahead = forecast is not None and _reaches(forecast.expected_nano, percent, window)
            if ahead and (window.id, percent) not in foretold:
                _mark(found, _Passed(document, window, percent, forecast))


def _told(
    marks: type[BudgetMark] | type[ForecastMark], windows: Iterable[int]
) -> set[tuple[int, int]]:
    return set(marks.objects.filter(window__in=windows).values_list("window", "percent"))


def _title(window: LedgerWindow) -> str:
    return f"{window.tenant} / {window.budget}" if window.tenant else window.budget


def _reaches(amount_nano: int, percent: int, window: LedgerWindow) -> bool:
    return amount_nano * 100 >= percent * window.limit_nano


def _marks(document: Governed) -> list[int]:
    return sorted(document.spec.get("alerts") or ())


def _mark(found: Published, at: _Passed) -> None:
    marks = BudgetMark if at.forecast is None else ForecastMark
    document, window = at.document, at.window
    try:
        with transaction.atomic():
            marks.objects.create(window=window.id, percent=at.percent)
            append_entry(
                "budget.alert",
                actor="job:budgets",
                at=mandate_now(),
                tenant=str(document.spec["scope"].get("tenant") or document.tenant),
                subject=f"budget:{document.title.replace(' / ', '/')}",
                data={
                    "budget": document.name,
                    "percent": at.percent,
                    "spent": format_nano(window.posted_nano + window.overrun_nano),
                    "limit": format_nano(window.limit_nano),
                    "currency": found.currency,
                    "window": window.id,
                    **_ahead(at.forecast),
                    **({"owner": document.spec["owner"]} if document.spec.get("owner") else {}),
                },
            )
    except IntegrityError:
        return  # another job was first


def _ahead(forecast: Forecast | None) -> Mapping[str, str]:
    """What the entry says of a forecast; nothing of what was spent."""
    if forecast is None:
        return {}
    return {
        "forecast": format_nano(forecast.expected_nano),
        "low": format_nano(forecast.low_nano),
        "high": format_nano(forecast.high_nano),
        "method": forecast.method,
    }


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
