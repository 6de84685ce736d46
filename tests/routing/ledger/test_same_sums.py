"""A thousand random small ledgers: overview, report, statement, exports, postings and entries say the same, to the nano."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from io import BytesIO, StringIO
from random import Random
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.db.models import Q

from audit.log.entry import build
from controlplane.kernel.ids import IdSource
from policies.bundles.published import Published
from routing.beside.models import Beside
from routing.calls.models import Call
from routing.closing import figures
from routing.closing.months import month_of
from routing.exports.asks import CALLS, Ask
from routing.exports.focus import V12, V14
from routing.exports.making import write_to
from routing.exports.writing import Form
from routing.ledger.models import Posting
from routing.reports.asking import csv_of
from routing.reports.report import Question, report
from routing.reports.spans import Span
from routing.reports.spend import daily, totals
from tests.policies.people import FINN
from tests.routing.closing.books import policy
from tests.routing.reports.made import Ledger, Tried

LEDGERS = 1_000
STATED = 4
"""Of every so many ledgers the statement is made: two queries each, for which a CI machine has no time a thousand times."""
FILED = 5
"""Of so many ledgers there are files."""
SHADOWED = 0.1
"""So many calls are shadow runs: in every sum, in no count of calls."""
MODELS = (("gpt-mini", "openai"), ("claude-large", "anthropic"), ("llama-small", "own"))
ENDED = ("succeeded", "failed", "reconciled")
AMOUNTS = (0, 1, 2, 999_999_999, 1_000_000_001, 7_000_000_000_000_003)
BERLIN = ZoneInfo("Europe/Berlin")
pytestmark = pytest.mark.django_db


@dataclass
class Sums:
    """What was written, added up by hand."""

    tenants: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    teams: Counter[tuple[str, str]] = field(default_factory=Counter)
    tiers: Counter[tuple[str, str]] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    shadow: Counter[str] = field(default_factory=Counter)


def tries(r: Random, tenant: str, team: str, sums: Sums) -> Iterator[Tried]:
    """None to three attempts; only the last one may still be unknown, and it has cost nothing yet."""
    for left in reversed(range(r.choice((0, 1, 1, 1, 2, 3)))):
        model, provider = r.choice(MODELS)
        if left == 0 and r.random() < 0.1:
            yield Tried(0, model, provider, state="unknown")
            sums.held[tenant] += 1
            continue
        nano, overrun = r.choice(AMOUNTS), r.choice((0, 0, 0, 1, 500_000_000))
        tier = r.choice(("", "", "flex", "priority"))
        yield Tried(nano, model, provider, overrun, r.choice(ENDED), tier)
        sums.tiers[tenant, tier] += nano + overrun
        sums.tenants[tenant] += nano + overrun
        sums.models[model] += nano + overrun
        sums.teams[tenant, team] += nano + overrun


def written(r: Random) -> tuple[Ledger, Sums]:
    """Every ledger is a tenant; each of its calls is admitted within five days of the base."""
    made, sums = Ledger(), Sums()
    shadows: list[Beside] = []
    for number in range(LEDGERS):
        tenant = f"same-{number:04}"
        for _ in range(r.randrange(1, 4)):
            team = r.choice(("claims", "underwriting"))
            tried = tuple(tries(r, tenant, team, sums))
            after = timedelta(seconds=r.randrange(5 * 86_400))
            call = made.call(*tried, after=after, tenant=tenant, team=team)
            if r.random() < SHADOWED:
                shadows.append(_link(call))
                sums.shadow[tenant] += call.cost_nano
    made.write()
    Beside.objects.bulk_create(shadows, batch_size=2000)
    _post(made)
    _append(made)
    return made, sums


def _link(call: Call) -> Beside:
    """It is a shadow run of some other."""
    return Beside(
        call=call.id, of=IdSource().new(), asked_at=call.admitted_at, tenant=call.tenant, team=call.team,
        route=call.route, model="gpt-mini",
    )  # fmt: skip


def _post(made: Ledger) -> None:
    """The posting of each ended attempt, as the ledger writes it in the same transaction."""
    rows = [
        Posting(
            call=one.call_id,
            attempt=one.no,
            posted_at=made.at,
            posted_nano=one.posted_nano,
            overrun_nano=one.overrun_nano,
            kind=one.state,
            basis="reported",
        )
        for one in made.attempts
        if one.state in ENDED
    ]
    Posting.objects.bulk_create(rows, batch_size=2000)


def _append(made: Ledger) -> None:
    """The entry of each ended attempt, with its amount as the worker says it."""
    by_call, ids = {call.id: call for call in made.calls}, IdSource()
    rows = []
    for one in made.attempts:
        if one.state not in ENDED:
            continue
        call = by_call[one.call_id]
        data = {"no": one.no, "amount": str(one.posted_nano + one.overrun_nano)}
        kind = f"attempt.{one.state}"
        entry = build(
            kind, id=ids.new(), at=made.at, actor="worker:x", tenant=call.tenant, call=call.id, data=data,
        )  # fmt: skip
        rows.append((entry.id, kind, call.id, call.tenant, entry.body))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(audit_append(t.id, t.kind, t.call, t.tenant, t.body)) FROM "
            "unnest(%s::uuid[], %s::text[], %s::uuid[], %s::text[], %s::bytea[]) AS t (id, kind, call, tenant, body)",
            [list(column) for column in zip(*rows, strict=True)],
        )


def entries() -> Counter[str]:
    """What the log says, by tenant."""
    found: Counter[str] = Counter()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tenant, body FROM audit_entry WHERE tenant LIKE 'same-%%' AND kind LIKE 'attempt.%%'"
        )
        for tenant, body in cursor.fetchall():
            found[tenant] += int(json.loads(bytes(body))["data"]["amount"])
    return found


def postings(calls: dict[UUID, str]) -> Counter[str]:
    """What the ledger posted, by tenant."""
    found: Counter[str] = Counter()
    rows = Posting.objects.filter(
        call__in=Call.objects.filter(tenant__startswith="same-").values("id")
    )
    for call, posted, overrun in rows.values_list("call", "posted_nano", "overrun_nano"):
        found[calls[call]] += posted + overrun
    return found


def reported(span: Span, by: str, shadow: str = "") -> Counter[str]:
    """What the report says, by one dimension."""
    told = report(Question(Q(tenant__startswith="same-"), span, None, by, shadow=shadow))
    found = Counter(
        {"/".join(line.name): line.spent_nano for line in told.lines if line.spent_nano}
    )
    assert told.total.spent_nano == sum(found.values())
    return found


def without_zero(sums: Counter[str]) -> Counter[str]:
    return +sums


def stated(month: figures.Month) -> tuple[int, int]:
    """What the statement of a tenant says: what was spent, and how many attempts are held."""
    at = figures.cut(month)
    return sum(line.spent_nano for line in figures.lines(month, at)), len(at.held)


def by_days(month: figures.Month) -> tuple[int, int]:
    """What it says day by day, and how many attempts are not posted as they say themselves."""
    told = figures.days(month, figures.cut(month), "Europe/Berlin")
    return sum(line.spent_nano for *_, line in told), figures.unposted(month)


def decimals(amounts: Iterable[str]) -> int:
    """Exact amounts of a file, added up in nano units."""
    return sum(int(Decimal(amount).scaleb(9)) for amount in amounts)


def in_a_file(
    asked: Ask, found: Published, now: datetime, column: str, tier: str | None = None
) -> int:
    """What an export adds up to: as JSON, and to the same as CSV; of one service tier, where one is given."""
    wanted = {}
    for form in (Form.JSON, Form.CSV):
        out = BytesIO()
        write_to(out, FINN, replace(asked, form=form), found, now)
        text = out.getvalue().decode()
        rows = json.loads(text) if form is Form.JSON else csv.DictReader(StringIO(text))
        wanted[form] = decimals(
            row[column] for row in rows if tier is None or (row["x_ServiceTier"] or "") == tier
        )
    assert wanted[Form.JSON] == wanted[Form.CSV]
    return wanted[Form.CSV]


def exported(sums: Sums, made: Ledger, span: Span) -> None:
    """The files: the report's, every attempt's, and of some tenants FOCUS's."""
    told = Question(Q(tenant__startswith="same-"), span, None, "tenant", "model")
    table = csv.DictReader(StringIO(csv_of(told, report(told), "EUR")))
    rows = list(table)
    assert decimals(row["spent EUR"] for row in rows) == sum(sums.tenants.values())
    beside = decimals(row["of it for shadow runs EUR"] for row in rows)
    assert beside == sum(sums.shadow.values())
    few = [f"same-{number:04}" for number in range(0, LEDGERS, LEDGERS // FILED)]
    found, month = policy(*few, zone="Europe/Berlin"), month_of(made.at, "Europe/Berlin")
    for tenant in few:
        asked = Ask(what=CALLS, tenant=tenant, first=month)
        assert in_a_file(asked, found, made.at, "spent EUR") == sums.tenants[tenant]
        for version in (V12, V14):
            asked = Ask(what=version, tenant=tenant, first=month)
            assert in_a_file(asked, found, made.at, "BilledCost") == sums.tenants[tenant]
        for tier in ("", "flex", "priority"):
            assert in_a_file(asked, found, made.at, "BilledCost", tier) == sums.tiers[tenant, tier]


def test_a_thousand_ledgers_say_the_same_everywhere() -> None:
    r = Random(20)  # noqa: S311 - draws of a test
    made, sums = written(r)
    starts = made.at.replace(day=1, hour=0)
    until = (starts + timedelta(days=40)).replace(day=1)
    span = Span(starts, until, BERLIN)
    whole = sum(sums.tenants.values())
    wanted = without_zero(sums.tenants)

    overview = totals(Call.objects.filter(tenant__startswith="same-"), Call.objects.all())
    runs = Beside.objects.filter(tenant__startswith="same-").count()
    assert runs > LEDGERS // 10
    assert (overview.spent_nano, overview.calls) == (whole, len(made.calls) - runs)
    drawn = daily(Q(tenant__startswith="same-"), starts, until, BERLIN)
    assert sum(drawn.total(day) for day in drawn.days) == whole

    assert reported(span, "tenant") == wanted
    assert reported(span, "tenant", "only") == without_zero(sums.shadow)
    assert reported(span, "tenant", "without") == without_zero(wanted - sums.shadow)
    assert reported(span, "model") == without_zero(sums.models)
    tiers: Counter[str] = Counter()
    for (_, tier), nano in sums.tiers.items():
        tiers[tier or "standard"] += nano
    assert reported(span, "serviceTier") == without_zero(tiers)
    told = report(Question(Q(tenant__startswith="same-"), span, None, "provider", "team"))
    assert sum(told.chart.values()) == whole
    assert (told.total.calls, told.total.shadow_runs) == (len(made.calls) - runs, runs)
    assert told.total.shadow_nano == sum(sums.shadow.values())
    exported(sums, made, span)
    assert entries() == sums.tenants
    assert without_zero(postings({call.id: call.tenant for call in made.calls})) == wanted
    for number in range(0, LEDGERS, STATED):
        tenant = f"same-{number:04}"
        month = figures.Month(tenant, starts, until)
        assert stated(month) == (sums.tenants[tenant], sums.held[tenant])
        if number % 100 == 0:
            assert by_days(month) == (sums.tenants[tenant], 0)
