"""Gather a dossier: every figure from the rows and entries that the pages show, each part in one question."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db.models import Avg, Count, F, Max, Q, QuerySet, Sum

from audit.log import read as log_read
from audit.log.models import Entry
from controlplane.kernel.clock import to_text
from controlplane.kernel.ids import uuid7_floor, uuid7_time
from policies.analysis.testing import TestRun, run_tests
from policies.bundles.models import Bundle, Document
from policies.bundles.published import Governed, Published, at_revision
from policies.bundles.snapshot import bundle_at
from policies.changes.models import Approval, ChangeRequest, Glass
from policies.stops.models import Stop
from routing.calls.models import Call
from routing.reports.dossier import values
from routing.reports.dossier.gaps import gaps
from routing.reports.dossier.serving import (
    EVERYWHERE,
    KINDS,
    calls_of,
    governing,
    places_of,
    routes_of,
    supposes,
)
from routing.reports.spans import Span
from routing.reviews.models import ReviewCase, ReviewDecision

_CHECKS = 2000


@dataclass(frozen=True, slots=True)
class Asked:
    """One use case, the period, what was in force at its end, and the change requests that the reader may see."""

    use_case: Governed
    span: Span
    found: Published
    now: datetime
    changes: "QuerySet[ChangeRequest]"

    @property
    def routes(self) -> tuple[Governed, ...]:
        """Those that serve it."""
        return routes_of(self.use_case, self.found)

    @property
    def calls(self) -> Q:
        """The condition on calls and cases."""
        return calls_of(self.routes, self.found)


def in_force_at(moment: datetime) -> Published | None:
    """The newest revision that was published before a moment."""
    row = Bundle.objects.filter(published_at__lt=moment).order_by("-revision").values("revision")
    first = row.first()
    return at_revision(first["revision"]) if first else None


def gather(asked: Asked) -> values.Dossier:
    """The whole dossier. Nothing is written."""
    rules = governing(asked.use_case, asked.routes, asked.found)
    overrides, changes = _changes(asked)
    reviews, reviewers = _reviews(asked)
    made = values.Dossier(
        head=_head(asked),
        governing=[_governing(one) for one in rules],
        changes=changes,
        overrides=[*overrides, *_exceptions(rules)],
        reviews=reviews,
        reviewers=reviewers,
        tests=_tests(asked, rules),
        stops=list(_stops(asked)),
        figures=_figures(asked),
        log=_log(asked.span),
    )
    return replace(made, gaps=gaps(made, _supposed(asked, rules)))


def _head(asked: Asked) -> values.Head:
    one, spec = asked.use_case, asked.use_case.spec
    return values.Head(
        name=one.name,
        tenant=one.tenant,
        owner=str(spec.get("owner") or ""),
        purpose=str(spec.get("purpose") or ""),
        risk_class=str(spec.get("riskClass") or ""),
        data_classes=tuple(spec.get("dataClasses") or ()),
        review_on=str(spec.get("reviewOn") or ""),
        validation=dict(spec.get("validation") or {}),
        routes=tuple(route.title for route in asked.routes),
        first=asked.span.first,
        last=asked.span.last,
        revision=asked.found.revision,
        digest=asked.found.digest,
        mode=str(asked.found.organisation.get("mode", "")),
        currency=asked.found.currency,
    )


def _governing(one: Governed) -> Mapping[str, str]:
    told = one.spec.get("message") or one.spec.get("purpose") or one.spec.get("when") or ""
    return {"kind": one.kind, "tenant": one.tenant, "name": one.name, "says": str(told)[:200]}


def _changes(asked: Asked) -> tuple[list[values.Override], list[values.Changed]]:
    touched = _touched(asked)
    bundles = list(
        Bundle.objects.filter(revision__in=list(touched))
        .order_by("revision")
        .values("revision", "published_at", "actor", "flagged")
    )
    brought = {
        row.published_revision: row
        for row in asked.changes.filter(published_revision__in=list(touched))
        .select_related("glass")
        .prefetch_related("approvals")
    }
    changes = [_changed(row, touched, brought.get(row["revision"])) for row in bundles]
    broken = [row for row in brought.values() if hasattr(row, "glass")]
    overrides = [_glass(row.glass, row) for row in broken]
    alone = [_alone(one) for one in changes if one.flagged and not _is_glass(one, broken)]
    return [*overrides, *alone], changes


def _is_glass(one: values.Changed, broken: Sequence[ChangeRequest]) -> bool:
    return any(row.published_revision == one.revision for row in broken)


def _touched(asked: Asked) -> dict[int, list[str]]:
    """Revisions of the period, with the documents that bear on the use case and that each changed."""
    past: Any = Document.history
    found: dict[int, list[str]] = {}
    rows = (
        past.filter(
            history_date__gte=asked.span.starts,
            history_date__lt=asked.span.until,
            kind__in=KINDS,
            tenant__in=sorted(places_of(asked.use_case, asked.routes)),
        )
        .order_by("revision", "kind", "tenant", "name")
        .values_list("revision", "kind", "tenant", "name")
    )
    near = {(d.kind, d.tenant, d.name) for d in _near(asked)}
    for revision, kind, tenant, name in rows:
        if kind not in EVERYWHERE and (kind, tenant, name) not in near:
            continue
        found.setdefault(revision, []).append(f"{kind} {f'{tenant}/' if tenant else ''}{name}")
    return found


def _near(asked: Asked) -> Iterator[Governed]:
    """What bore on it at the end of the period, and what did at its beginning."""
    yield from governing(asked.use_case, asked.routes, asked.found)
    before = in_force_at(asked.span.starts)
    one = before.find("UseCase", asked.use_case.tenant, asked.use_case.name) if before else None
    if before is not None and one is not None:
        yield from governing(one, routes_of(one, before), before)


def _changed(
    row: Mapping[str, Any], touched: Mapping[int, Sequence[str]], change: ChangeRequest | None
) -> values.Changed:
    made = values.Changed(
        revision=row["revision"],
        at=row["published_at"],
        by=row["actor"],
        flagged=row["flagged"],
        documents=tuple(dict.fromkeys(touched[row["revision"]])),
    )
    if change is None:
        return made
    given = [one for one in change.approvals.all() if one.dismissed_at is None]
    return replace(
        made,
        change=change.id.hex,
        title=change.title,
        reason=change.reason,
        author=change.author,
        approvals=[_approved(one) for one in sorted(given, key=lambda one: one.given_at)],
    )


def _approved(one: Approval) -> values.Approved:
    return values.Approved(one.actor, one.given_at, tuple(one.roles), one.replay, one.flagged)


def _glass(one: Glass, change: ChangeRequest) -> values.Override:
    note = f"{one.verdict} by {one.reviewed_by}: {one.note}" if one.verdict else "not reviewed yet"
    return values.Override(
        "published by one person in an emergency",
        change.title,
        to_text(one.broken_at),
        one.actor,
        one.reason,
        note,
    )


def _alone(one: values.Changed) -> values.Override:
    what = "published by one person alone, in single-operator mode"
    name = one.title or f"revision {one.revision}"
    return values.Override(what, name, to_text(one.at), one.by, one.reason)


def _exceptions(rules: Sequence[Governed]) -> Iterator[values.Override]:
    for one in rules:
        if one.kind == "Exception":
            lifted = one.spec.get("permission") or one.spec.get("budget") or ""
            yield values.Override(
                f"exception to {lifted}",
                one.title,
                f"until {one.spec.get('expiresOn')}",
                str(one.metadata.get("owner", "")),
                str(one.spec.get("reason", "")),
            )


def _reviews(asked: Asked) -> tuple[list[values.Reviewed], list[values.Reviewer]]:
    cases = ReviewCase.objects.filter(
        asked.calls, opened_at__gte=asked.span.starts, opened_at__lt=asked.span.until
    )
    took = F("closed_at") - F("opened_at")
    late = Q(closed_at__gt=F("due_at")) | Q(closed_at=None, due_at__lt=asked.now)
    rows = (
        cases.values("outcome", "stage")
        .annotate(n=Count("pk"), late=Count("pk", filter=late), mean=Avg(took), longest=Max(took))
        .order_by("outcome", "stage")
    )
    reviews = [
        values.Reviewed(
            outcome=row["outcome"],
            stage=row["stage"],
            cases=row["n"],
            late=row["late"],
            mean_seconds=round(row["mean"].total_seconds()) if row["mean"] else None,
            longest_seconds=round(row["longest"].total_seconds()) if row["longest"] else None,
        )
        for row in rows
    ]
    by = (
        ReviewDecision.objects.filter(review__in=cases.values("pk"))
        .values("actor")
        .annotate(n=Count("no"), last=Max("decided_at"))
        .order_by("actor")
    )
    return reviews, [values.Reviewer(row["actor"], row["n"], row["last"]) for row in by]


def _tests(asked: Asked, rules: Sequence[Governed]) -> values.Tests:
    told = _run(asked.found.revision, to_text(asked.now)[:10])
    tests = {(d.tenant, d.name) for d in asked.found.of("PolicyTest") if supposes(d, asked.routes)}
    bearing = {(d.kind, d.tenant, d.name) for d in rules}
    covered = [one for one in told.coverage if one.rule in bearing]
    return values.Tests(
        results=[
            values.Tested(_title(one.test), one.passed, one.misses)
            for one in told.results
            if one.test[1:] in tests
        ],
        rules=len(covered),
        uncovered=[_title(one.rule) for one in covered if not one.tests],
        beyond=[_title(rule) for rule in told.beyond if rule in bearing],
    )


@lru_cache(maxsize=4)
def _run(revision: int, day: str) -> TestRun:
    """A revision never changes: its tests are run once a day."""
    return run_tests(bundle_at(revision), day)


def _title(identity: tuple[str, str, str]) -> str:
    _, tenant, name = identity
    return f"{tenant}/{name}" if tenant else name


def _stops(asked: Asked) -> Iterator[values.Halt]:
    places = {route.tenant for route in asked.routes}
    bearing = {(d.kind.lower(), d.name) for d in _stoppable(asked)}
    rows = Stop.objects.filter(
        Q(lifted_at=None) | Q(lifted_at__gte=asked.span.starts), set_at__lt=asked.span.until
    ).order_by("set_at")
    for row in rows:
        kind, tenant, name = (row.scope.get(part, "") for part in ("kind", "tenant", "name"))
        if kind == "tenant" and name not in places and "" not in places:
            continue
        if kind in ("route", "model", "provider") and (kind, name) not in bearing:
            continue
        if kind == "key" and tenant not in places:
            continue
        words = f"{kind} {f'{tenant}/' if tenant else ''}{name}".strip()
        yield values.Halt(words, row.reason, row.actor, row.set_at, row.lifted_at, row.lifted_by)


def _stoppable(asked: Asked) -> Iterator[Governed]:
    rules = governing(asked.use_case, asked.routes, asked.found)
    return (one for one in rules if one.kind in ("Route", "Model", "Provider"))


def _figures(asked: Asked) -> values.Figures:
    calls = Call.objects.filter(
        asked.calls, pk__gte=uuid7_floor(asked.span.starts), pk__lt=uuid7_floor(asked.span.until)
    )
    states, denials = Counter[str](), Counter[str]()
    for row in calls.values("state", "code").annotate(n=Count("pk")).order_by():
        states[row["state"]] += row["n"]
        if row["state"] == "denied":
            denials[row["code"] or "no reason recorded"] += row["n"]
    models = [_used(row) for row in _attempts(calls)]
    return values.Figures(
        calls=states.total(),
        states=dict(sorted(states.items())),
        denials=dict(sorted(denials.items())),
        models=models,
        cost_nano=sum(one.cost_nano for one in models),
    )


def _attempts(calls: Any) -> Any:  # noqa: ANN401 - a query set of rows as dicts
    return (
        calls.exclude(attempts__model=None)
        .values("attempts__model")
        .annotate(
            calls=Count("pk", distinct=True),
            tries=Count("attempts__no"),
            unknown=Count("attempts__no", filter=Q(attempts__state="unknown")),
            tokens_in=Sum("attempts__tokens_input"),
            tokens_out=Sum("attempts__tokens_output"),
            nano=Sum(F("attempts__posted_nano") + F("attempts__overrun_nano")),
        )
        .order_by("attempts__model")
    )


def _used(row: Mapping[str, Any]) -> values.Used:
    return values.Used(
        model=row["attempts__model"],
        calls=row["calls"],
        attempts=row["tries"],
        unknown=row["unknown"],
        tokens_input=row["tokens_in"] or 0,
        tokens_output=row["tokens_out"] or 0,
        cost_nano=row["nano"] or 0,
    )


def _log(span: Span) -> values.Log:
    first = Entry.objects.order_by("id").values_list("id", flat=True).first()
    checks = (
        Entry.objects.filter(
            kind="log.verified",
            call=None,
            id__gte=uuid7_floor(span.starts),
            id__lt=uuid7_floor(span.until),
        )
        .order_by("-id")
        .values_list("id", "body")[:_CHECKS]
    )
    failed = [uuid7_time(i) for i, body in checks if not json.loads(bytes(body))["data"]["ok"]]
    found, _ = log_read.checked()
    return values.Log(
        first_at=uuid7_time(first) if first else None,
        failed_checks=failed[::-1],
        whole_held_at=found.whole_held_at if found else None,
        size=log_read.state().size,
    )


def _supposed(asked: Asked, rules: Sequence[Governed]) -> values.Supposed:
    holds = [
        one.title
        for one in rules
        if one.kind == "Permission" and (one.spec.get("obligations") or {}).get("hold")
    ]
    return values.Supposed(
        holds=[*holds, *(r.title for r in asked.routes if _asks(r.spec.get("strategy")))],
        escalations=[one for one in rules if one.kind == "EscalationRule"],
        budgets=[one for one in rules if one.kind == "Budget"],
        today=asked.now.date(),
    )


def _asks(strategy: Any) -> bool:  # noqa: ANN401 - a strategy nests as it likes
    """Whether a strategy can end with a person."""
    if not isinstance(strategy, dict):
        return False
    otherwise = strategy.get("otherwise") or {}
    return strategy.get("type") == "human" or bool(otherwise.get("escalate"))
