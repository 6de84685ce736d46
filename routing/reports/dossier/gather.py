"""Gather a dossier: every figure from the rows and entries that the pages show, each part in one question."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.contrib.postgres.aggregates import JSONBAgg
from django.db.models import (
    Avg,
    Count,
    DateTimeField,
    DurationField,
    F,
    JSONField,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Cast, JSONObject

from controlplane.kernel.clock import to_text
from policies.analysis.testing import TestRun, run_tests
from policies.bundles.diff import named
from policies.bundles.models import Bundle, Document
from policies.bundles.published import Governed, Published, at_revision
from policies.bundles.snapshot import bundle_at
from policies.changes.models import ChangeRequest, Glass
from policies.identity.models import ApiKey
from policies.stops.models import Stop
from routing.reports.dossier import values
from routing.reports.dossier.figures import figures_of, log_of
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

_PERSON = " person"
"""What no stage is called: the other half of a question in two halves."""


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
        figures=figures_of(asked.calls, asked.span),
        log=log_of(asked.span),
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
    given = JSONBAgg(
        JSONObject(
            by="approvals__actor",
            at="approvals__given_at",
            roles="approvals__roles",
            replay="approvals__replay",
            flagged="approvals__flagged",
        ),
        filter=Q(approvals__isnull=False, approvals__dismissed_at=None),
        default=Value("[]", output_field=JSONField()),
    )
    rows = asked.changes.filter(published_revision__in=list(touched)).annotate(given=given)
    brought = {row.published_revision: row for row in rows.select_related("glass")}
    changes = [
        _changed(replace(one, documents=tuple(dict.fromkeys(names))), brought.get(revision))
        for revision, (one, names) in sorted(touched.items())
    ]
    broken = [row for row in brought.values() if hasattr(row, "glass")]
    overrides = [_glass(row.glass, row) for row in broken]
    alone = [_alone(one) for one in changes if one.flagged and not _is_glass(one, broken)]
    return [*overrides, *alone], changes


def _is_glass(one: values.Changed, broken: Sequence[ChangeRequest]) -> bool:
    return any(row.published_revision == one.revision for row in broken)


def _touched(asked: Asked) -> dict[int, tuple[values.Changed, list[str]]]:
    """Revisions of the period, with the documents that bear on the use case and that each changed."""
    past: Any = Document.history
    alone = Bundle.objects.filter(revision=OuterRef("revision")).values("flagged")
    rows = (
        past.filter(
            history_date__gte=asked.span.starts,
            history_date__lt=asked.span.until,
            kind__in=KINDS,
            tenant__in=sorted(places_of(asked.use_case, asked.routes)),
        )
        .annotate(alone=Subquery(alone))
        .order_by("revision", "kind", "tenant", "name")
        .values_list(
            "revision", "kind", "tenant", "name", "history_type", "history_date", "actor", "alone"
        )
    )
    near = {(d.kind, d.tenant, d.name) for d in _governed(asked)}
    found: dict[int, tuple[values.Changed, list[str]]] = {}
    for revision, kind, tenant, name, what, at, actor, flagged in rows:
        # what is gone is told where it was the tenant's own, or to who reads every tenant's
        gone = what == "-" and bool(tenant or not asked.use_case.tenant)
        if kind in EVERYWHERE or gone or (kind, tenant, name) in near:
            one = values.Changed(revision, at, actor, bool(flagged), ())
            found.setdefault(revision, (one, []))[1].append(named((kind, tenant, name)))
    return found


def _governed(asked: Asked) -> tuple[Governed, ...]:
    return governing(asked.use_case, asked.routes, asked.found)


def _changed(one: values.Changed, change: ChangeRequest | None) -> values.Changed:
    if change is None:
        return one
    given = [_approved(said) for said in vars(change)["given"]]
    return replace(
        one,
        change=change.id.hex,
        title=change.title,
        reason=change.reason,
        author=change.author,
        approvals=sorted(given, key=lambda one: one.at),
    )


def _approved(said: Mapping[str, Any]) -> values.Approved:
    at = datetime.fromisoformat(said["at"])
    return values.Approved(said["by"], at, tuple(said["roles"]), said["replay"], said["flagged"])


def _glass(one: Glass, change: ChangeRequest) -> values.Override:
    note = f"{one.verdict}: {one.note}" if one.verdict else "not reviewed yet"
    return values.Override(
        "published by one person in an emergency",
        change.title,
        to_text(one.broken_at),
        one.actor,
        one.reason,
        note,
        one.reviewed_by,
    )


def _alone(one: values.Changed) -> values.Override:
    who = "a second person agreed" if one.agreed else "by one person alone"
    what = f"published in single-operator mode, {who}"
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
    """Cases by outcome and decisions by person, in one question."""
    cases = ReviewCase.objects.filter(
        asked.calls, opened_at__gte=asked.span.starts, opened_at__lt=asked.span.until
    )
    took = F("closed_at") - F("opened_at")
    late = Q(closed_at__gt=F("due_at")) | Q(closed_at=None, due_at__lt=asked.now)
    rows = (
        cases.values_list("outcome", "stage")
        .annotate(
            n=Count("pk"),
            late=Count("pk", filter=late),
            mean=Avg(took),
            longest=Max(took),
            last=Cast(Value(None), DateTimeField()),
        )
        .order_by()
    )
    nothing = Cast(Value(None), DurationField())
    by = (
        ReviewDecision.objects.filter(review__in=cases.values("pk"))
        .values_list("actor", Value(_PERSON))
        .annotate(
            n=Count("no"),
            late=Value(0),
            mean=nothing,
            longest=nothing,
            last=Max("decided_at"),
        )
        .order_by()
    )
    told = sorted(rows.union(by, all=True), key=lambda row: row[:2])
    reviews = [
        values.Reviewed(outcome, stage, n, late, _seconds(mean), _seconds(longest))
        for outcome, stage, n, late, mean, longest, _ in told
        if stage != _PERSON
    ]
    people = [values.Reviewer(row[0], row[2], row[6]) for row in told if row[1] == _PERSON]
    return reviews, people


def _seconds(length: timedelta | None) -> int | None:
    return None if length is None else round(length.total_seconds())


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
    named = _key_names(rows)
    for row in rows:
        kind, tenant, name = (row.scope.get(part, "") for part in ("kind", "tenant", "name"))
        if kind == "tenant" and name not in places and "" not in places:
            continue
        if kind in ("route", "model", "provider") and (kind, name) not in bearing:
            continue
        if kind == "key" and tenant not in places:
            continue
        called = f"{named[name]} ({name})" if kind == "key" and named.get(name) else name
        words = f"{kind} {f'{tenant}/' if tenant else ''}{called}".strip()
        yield values.Halt(words, row.reason, row.actor, row.set_at, row.lifted_at, row.lifted_by)


def _key_names(stops: Iterable[Stop]) -> Mapping[str, str]:
    """What the API keys are called that were stopped."""
    ids = [row.scope["name"] for row in stops if row.scope["kind"] == "key"]
    return dict(ApiKey.objects.filter(pk__in=ids).values_list("pk", "name")) if ids else {}


def _stoppable(asked: Asked) -> Iterator[Governed]:
    return (one for one in _governed(asked) if one.kind in ("Route", "Model", "Provider"))


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
