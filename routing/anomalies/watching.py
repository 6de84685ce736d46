"""The job, each minute: the last ten minutes by tenant, team, key and route, each against its own days before."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction

from controlplane.kernel.ids import call_name
from controlplane.kernel.money import format_nano
from policies.bundles.published import Governed, Published
from policies.identity.models import ApiKey
from policies.order.entries import append_entry
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.anomalies.models import Anomaly
from routing.anomalies.pattern import QUIET, WINDOW, Limits, Usual, spans, usual
from routing.anomalies.sums import Pattern, Spent, before, cost_since, is_young, spent

_ACTOR = "job:anomalies"


def watch(found: Published, now: datetime) -> int:
    """Find what broke its pattern, bring the open ones up to date, end those that hold again; how many are new."""
    now_spent = spent(now, Limits.of(found.organisation).floor_nano)
    made = 0
    known = {pattern_of(row): row for row in Anomaly.objects.filter(ended_at=None)}
    for pattern, row in known.items():
        _follow(row, pattern, now_spent.get(pattern), now)
    for pattern, one in sorted(now_spent.items()):
        if pattern not in known:
            usually = usual_of(found, pattern, now)
            if one.nano > usually.threshold_nano:
                made += _raise(found, pattern, one, usually, now)
    return made


def usual_of(found: Published, pattern: Pattern, now: datetime) -> Usual:
    """What these ten minutes cost as a rule."""
    days = spans(now, zone_of(found, pattern[0]))
    young = is_young(pattern, now, days[-1].starts)
    limits = Limits.of(found.organisation)
    return usual({} if young else before(pattern, days), young=young, limits=limits)


def zone_of(found: Published, tenant: str) -> ZoneInfo:
    """The tenant's time zone, else the organisation's."""
    own = found.find("Tenant", "", tenant)
    return ZoneInfo(str(own.spec["timeZone"])) if own and own.spec.get("timeZone") else found.zone


def pattern_of(row: Anomaly) -> Pattern:
    """Whose pattern it is."""
    return row.tenant, row.team, row.key, row.route


def _follow(row: Anomaly, pattern: Pattern, one: Spent | None, now: datetime) -> None:
    """What it cost so far; over when it was no more above its threshold for a while."""
    row.cost_nano, row.calls = cost_since(pattern, row.since, now)
    if one is not None and one.nano > row.threshold_nano:
        row.last_at = now
    over = now - row.last_at >= QUIET
    with transaction.atomic():
        changed = Anomaly.objects.filter(pk=row.pk, ended_at=None).update(
            cost_nano=row.cost_nano,
            calls=row.calls,
            last_at=row.last_at,
            ended_at=now if over else None,
        )
        if over and changed:
            _entry("anomaly.ended", row, {"cost": format_nano(row.cost_nano), "calls": row.calls})


def _raise(found: Published, pattern: Pattern, one: Spent, usually: Usual, now: datetime) -> int:
    tenant, team, key, route = pattern
    row = Anomaly(
        id=new_id(),
        tenant=tenant,
        team=team,
        key=key,
        route=route,
        since=now - WINDOW,
        found_at=now,
        last_at=now,
        first_call=one.first,
        calls=one.calls,
        spent_nano=one.nano,
        usual_nano=usually.median_nano,
        threshold_nano=usually.threshold_nano,
        cost_nano=one.nano,
        owner=owner_of(found, pattern),
    )
    data = {
        "team": team,
        "key": key,
        "route": route,
        "spent": format_nano(one.nano),
        "usual": format_nano(usually.median_nano),
        "threshold": format_nano(usually.threshold_nano),
        "currency": found.currency,
        "calls": one.calls,
        "firstCall": call_name(one.first),
        "owner": row.owner,
    }
    try:
        with transaction.atomic():
            # INVARIANT: one alert for each pattern until it ends; the table's own constraint says so
            row.save(force_insert=True)
            _entry("anomaly.found", row, data)
    except IntegrityError:
        return 0  # another job was first
    return 1


def _entry(kind: str, row: Anomaly, data: dict[str, object]) -> None:
    append_entry(
        kind,
        actor=_ACTOR,
        at=mandate_now(),
        tenant=row.tenant,
        subject=f"anomaly:{row.id.hex}",
        data=data,
    )


def owner_of(found: Published, pattern: Pattern) -> str:
    """Who answers for the money: the owner of the narrowest budget that binds these calls, of the use case, of the route.

    Where none is named, it is whoever made the key.
    """
    budgets = [one for one in found.of("Budget") if one.spec.get("owner") and _binds(one, pattern)]
    if budgets:
        return str(max(budgets, key=lambda one: (len(_scope(one)), one.title)).spec["owner"])
    route = found.find("Route", pattern[0], pattern[3])
    case = route and found.find("UseCase", pattern[0], str(route.spec.get("useCase", "")))
    named = (case and case.spec.get("owner")) or (route and route.metadata.get("owner"))
    return str(named or _maker(pattern[2]))


def _maker(key: str) -> str:
    """The member who made a key; "" for one that a job or the command line made."""
    row = ApiKey.objects.filter(pk=key).first()
    kind, _, who = (row.created_by if row else "").partition(":")
    return who if kind == "member" else ""


def _binds(budget: Governed, pattern: Pattern) -> bool:
    place = {"tenant": pattern[0], "team": pattern[1], "key": pattern[2], "route": pattern[3]}
    ours = budget.tenant in ("", pattern[0])
    return ours and all(place.get(name) == value for name, value in _scope(budget).items())


def _scope(budget: Governed) -> dict[str, object]:
    own = {"tenant": budget.tenant} if budget.tenant else {}
    return own | {name: value for name, value in budget.spec["scope"].items() if value}
