"""Articles of the EU AI Act beside what this installation can show for them, and what remains to be done by people.

It claims no more than is so: which system is high-risk, and whether a duty is met, no software can say.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.db.models import Count, Max, Q

from audit.log import read as log_read
from audit.log.models import Entry
from controlplane.kernel.ids import uuid7_floor, uuid7_time
from policies.bundles.published import Published
from policies.stops.models import Stop
from routing.calls.models import Call
from routing.reviews.models import ReviewCase, ReviewDecision

ANNEX_III: Final = date(2027, 12, 2)
ANNEX_I: Final = date(2028, 8, 2)
DAYS: Final = 90


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that is there: what, how many, when last, and the page (by name, with its query) that shows it."""

    what: str
    number: int
    last_at: datetime | None
    page: str
    query: str = ""


@dataclass(frozen=True, slots=True)
class Duty:
    """One article. `yourself` is what the organisation must do that no record here replaces."""

    article: int
    title: str
    asks: str
    applies: date
    note: str
    evidence: tuple[Evidence, ...]
    yourself: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """What was counted, once for all articles."""

    entries: int
    begins: datetime | None
    signed_at: datetime | None
    calls: int
    last_call: datetime | None
    cases: int
    late: int
    decisions: int
    last_decision: datetime | None
    stops: int
    last_stop: datetime | None
    high: int
    unvalidated: int
    watched: int


def shown(found: Published, now: datetime) -> Shown:
    """Count; of calls, reviews and stops the last DAYS."""
    since = now - timedelta(days=DAYS)
    log = log_read.state()
    first = Entry.objects.order_by("id").values_list("id", flat=True).first()
    calls = Call.objects.filter(pk__gte=uuid7_floor(since)).aggregate(
        n=Count("pk"), last=Max("admitted_at")
    )
    late = Q(closed_at=None, due_at__lt=now)
    cases = ReviewCase.objects.filter(opened_at__gte=since).aggregate(
        n=Count("pk"), late=Count("pk", filter=late)
    )
    decided = ReviewDecision.objects.filter(decided_at__gte=since).aggregate(
        n=Count("no"), last=Max("decided_at")
    )
    stops = Stop.objects.filter(set_at__gte=since).aggregate(n=Count("pk"), last=Max("set_at"))
    cases_of_use = list(found.of("UseCase"))
    today = now.astimezone(found.zone).date().isoformat()
    return Shown(
        entries=log.size,
        begins=uuid7_time(first) if first else None,
        signed_at=log.signed_at,
        calls=calls["n"],
        last_call=calls["last"],
        cases=cases["n"],
        late=cases["late"],
        decisions=decided["n"],
        last_decision=decided["last"],
        stops=stops["n"],
        last_stop=stops["last"],
        high=sum(d.spec.get("riskClass") == "high" for d in cases_of_use),
        unvalidated=sum(not _valid(d.spec.get("validation"), today) for d in cases_of_use),
        watched=sum(1 for _ in found.of("EscalationRule")),
    )


def _valid(said: object, today: str) -> bool:
    return isinstance(said, dict) and str(said.get("on")) <= today <= str(said.get("validUntil"))


def duties(made: Shown) -> Iterator[Duty]:
    """The five articles, in their order."""
    yield Duty(
        article=12,
        title="Record-keeping",
        asks="A high-risk system must be able to record events by itself over its lifetime, so that risks, substantial "
        "changes and its operation can be traced. It asks for logs; it does not ask that they be tamper-evident.",
        applies=ANNEX_III,
        note="",
        evidence=(
            Evidence("entries in the log", made.entries, made.signed_at, "log"),
            Evidence(
                f"calls decided and recorded, {DAYS} days", made.calls, made.last_call, "calls"
            ),
        ),
        yourself=(
            "Say which of your systems are high-risk, and record what happens in them outside the calls to models.",
            "For biometric systems article 12(3) asks for more than is recorded here.",
        ),
    )
    yield _oversight(made)
    yield Duty(
        article=19,
        title="Logs that a provider keeps",
        asks="A provider of a high-risk system keeps the logs that it makes by itself, for a time that fits its purpose and "
        "for at least six months, as far as they are under its control.",
        applies=ANNEX_III,
        note="",
        evidence=(Evidence(_kept(made), made.entries, made.signed_at, "log"),),
        yourself=(
            "Decide whether you are the provider, and how long other law makes you keep them.",
            "Keep backups of the database and of the key store for as long.",
        ),
    )
    yield _deployers(made)
    yield _explanation(made)


def _kept(made: Shown) -> str:
    return f"entries kept since {made.begins:%d %B %Y}" if made.begins else "entries kept"


def _oversight(made: Shown) -> Duty:
    return Duty(
        article=14,
        title="Human oversight",
        asks="A high-risk system must be made so that people can oversee it while it is used: understand it, not trust it "
        "blindly, set its output aside, and stop it.",
        applies=ANNEX_III,
        note="",
        evidence=(
            Evidence(
                f"decisions of reviewers, {DAYS} days",
                made.decisions,
                made.last_decision,
                "reviews",
            ),
            Evidence(
                "rules that send a call to a person",
                made.watched,
                None,
                "documents",
                "?kind=EscalationRule",
            ),
            Evidence(f"stops set, {DAYS} days", made.stops, made.last_stop, "stops"),
        ),
        yourself=(
            "Name people who are competent, trained and allowed to decide, and give them the time.",
            "See that whoever uses an answer outside this product can set it aside.",
        ),
    )


def _deployers(made: Shown) -> Duty:
    return Duty(
        article=26,
        title="Duties of deployers",
        asks="A deployer uses a high-risk system by its instructions, has people oversee it, watches it and tells the "
        "provider and the authority of risks and serious incidents, keeps its logs for at least six months, and tells "
        "workers and the persons concerned.",
        applies=ANNEX_III,
        note="",
        evidence=(
            Evidence("use cases classed as high", made.high, None, "use-cases"),
            Evidence(
                "use cases without a validation that holds today",
                made.unvalidated,
                None,
                "use-cases",
            ),
            Evidence("review cases that are late now", made.late, None, "reviews"),
        ),
        yourself=(
            "Follow the provider's instructions of use; they are not kept here.",
            "Report serious incidents, and tell workers and the persons concerned.",
            "See that input data fit the purpose, where you control them.",
        ),
    )


def _explanation(made: Shown) -> Duty:
    return Duty(
        article=86,
        title="Right to an explanation",
        asks="Whoever is affected by a decision that a deployer made on the output of an Annex III system may ask what part "
        "the system had in it, and for the main elements of the decision.",
        applies=ANNEX_III,
        note="The article stands outside the chapter whose date was moved. Have counsel say whether it binds you earlier, "
        "from 2 August 2026.",
        evidence=(
            Evidence(
                f"calls whose rules and models can be explained, {DAYS} days",
                made.calls,
                made.last_call,
                "calls",
            ),
            Evidence(f"review cases, {DAYS} days", made.cases, made.last_decision, "reviews"),
        ),
        yourself=(
            "Explain the decision that people made: a call's page says which rules and models had a part, no more.",
            "Find the person's calls: a person is only ever a commitment here.",
        ),
    )
