"""Savings and waste by route: what smaller tiers saved and might have saved, on two kinds of evidence, of which either is enough.

A label is a person's decision about an answer that a model gave: approved as it was, or not. A shadow run is the same request
at another model, and whether its answer was the caller's. What the other tier would have cost is the same tokens at its price of
today; a request's price tier is not known of sums, so the plain price is taken. Shadow runs are nobody's answers: neither what
they used nor what they cost is in these figures.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from policies.engine.bundle import Bundle, Key, ModelView, RouteView
from policies.engine.pricing import UsageCounts, cost, price_on
from routing.beside.read import of_callers
from routing.calls.models import Attempt
from routing.reports.labelled import Labelled
from routing.reports.shadow_runs import Name, Ran, ran
from routing.reports.spans import Span
from routing.reports.sums import admitted
from routing.reviews.models import ReviewCase

TIERS: Final = ("small", "medium", "large")
NOBODY: Final = Labelled(0, 0)
ANSWERED: Final = ("succeeded", "reconciled")
"""States of an attempt that answered, or is taken to have."""
_DECIDED: Final = ("approved", "edited", "redacted", "rejected")
_OF_ANSWERS: Final = ("response", "sample", "failure", "tool")
_PLAIN: Final = ("single", "fallback", "weighted")
"""Strategies that a draft can turn round; a cascade's own rule says when its small tier is taken."""


@dataclass(frozen=True, slots=True)
class Used:
    """What answers of one model on one route came to: calls that it answered, their tokens and their cost."""

    calls: int
    spent_nano: int
    tokens: UsageCounts


@dataclass(frozen=True, slots=True)
class Finding:
    """Calls of one route that a larger model answered, and a smaller one of the route or asked beside. Money in nano units.

    `would_nano` is what the smaller would have cost; None where no price of it is known. `labelled` are its answers that people
    labelled, `compared` its shadow runs whose answers were compared.
    """

    tenant: str
    route: Key
    model: str
    smaller: str
    used: Used
    labelled: Labelled
    would_nano: int | None
    strategy: str
    compared: Labelled = NOBODY

    @property
    def carried(self) -> str:
        """The evidence that is enough, in words; empty where neither is."""
        kinds = (("labels", self.labelled), ("shadow runs", self.compared))
        return " and ".join(name for name, told in kinds if told.passes)

    @property
    def why_not(self) -> str:
        """In words why nothing is claimed; empty where it is."""
        if self.carried:
            return ""
        runs = f"; {self.compared.lacks('shadow runs')}" if self.compared.n else ""
        return f"{self.labelled.why_not}{runs}"

    @property
    def key(self) -> str:
        """What names it in a form."""
        return " ".join((self.tenant, self.route[1], self.model))

    @property
    def difference_nano(self) -> int:
        """What the larger model cost more; never below nothing."""
        return 0 if self.would_nano is None else max(0, self.used.spent_nano - self.would_nano)

    @property
    def waste_nano(self) -> int:
        """The difference, where labels or shadow runs say enough for the smaller model; else nothing is claimed."""
        return self.difference_nano if self.carried else 0

    @property
    def may_turn(self) -> bool:
        """Whether a change request can be drafted of it: it is claimed, and of the tenant's own route with a plain strategy."""
        # INVARIANT: what one tenant spent stands in no change request that others read
        own = self.route[0] == self.tenant
        return own and bool(self.waste_nano) and self.strategy in _PLAIN


@dataclass(frozen=True, slots=True)
class Saved:
    """What answers of smaller models cost less than the same tokens at the largest model of their route."""

    tenant: str
    route: Key
    largest: str
    calls: int
    spent_nano: int
    saved_nano: int


@dataclass(frozen=True, slots=True)
class Waste:
    """Both sides, the largest amount first; and the shadow runs there were, whether they say anything of waste or not."""

    findings: tuple[Finding, ...]
    saved: tuple[Saved, ...]
    ran: tuple[Ran, ...] = ()

    @property
    def waste_nano(self) -> int:
        """Everything that is claimed."""
        return sum(one.waste_nano for one in self.findings)

    @property
    def saved_nano(self) -> int:
        """Everything that was saved."""
        return sum(one.saved_nano for one in self.saved)


@dataclass(frozen=True, slots=True)
class _Place:
    """One route as it is published, for one tenant's calls, and the models that answered there."""

    bundle: Bundle
    today: str
    tenant: str
    view: RouteView
    used: Mapping[str, Used]
    labels: Mapping[Name, Labelled]
    ran: Mapping[Name, Ran]

    def smaller(self, model: ModelView) -> list[ModelView]:
        """The smallest of the route, and those that are only asked beside, where they are of a smaller tier."""
        ours = {key for key, _ in self.view.models}
        beside = [self.bundle.models[key] for key in self.view.beside if key not in ours]
        offered = [self.models()[0], *beside]
        return [one for one in offered if self.rank(one) < self.rank(model)]

    def models(self) -> list[ModelView]:
        """The route's models, the smallest tier first, else as the route has them."""
        found = [self.bundle.models[key] for key, _ in self.view.models]
        return sorted(found, key=self.rank)

    def rank(self, model: ModelView) -> int:
        """Where its tier stands."""
        tenant, name = model.key
        return TIERS.index(self.bundle.documents["Model", tenant, name].spec["tier"])

    def price(self, model: ModelView, tokens: UsageCounts) -> int | None:
        """The tokens at the model's price of today."""
        found = price_on(self.bundle, model, self.today)
        return None if found is None else cost(found.ref, tokens)


def waste(condition: Q, span: Span, bundle: Bundle, today: str) -> Waste:
    """Of the calls admitted in a span, in three queries; routes and prices are those of the bundle, of the day `today`."""
    labels, beside = labels_of(condition, span), ran(condition, span)
    findings: list[Finding] = []
    saved: list[Saved] = []
    for (tenant, route), used in _used(condition, span).items():
        view = bundle.routes.get((tenant, route)) or bundle.routes.get(("", route))
        if view is None or not view.models:
            continue
        place = _Place(bundle, today, tenant, view, used, labels, beside)
        findings += _findings(place)
        saved += _saved(place)
    return Waste(
        tuple(sorted(findings, key=lambda f: (-f.waste_nano, -f.difference_nano, f.tenant, f.route, f.model))),
        tuple(sorted(saved, key=lambda s: (-s.saved_nano, s.tenant, s.route))),
        tuple(sorted(beside.values(), key=lambda r: (-r.spent_nano, r.tenant, r.route, r.model))),
    )  # fmt: skip


def _findings(place: _Place) -> Iterator[Finding]:
    """One for each larger model: the smaller one for which most is claimed, else of which most is known."""
    for model in place.models():
        used = place.used.get(model.label)
        offered = place.smaller(model)
        if used is not None and offered:
            found = [_finding(place, model, used, smaller) for smaller in offered]
            yield max(found, key=lambda one: (one.waste_nano, one.labelled.n + one.compared.n))


def _finding(place: _Place, model: ModelView, used: Used, smaller: ModelView) -> Finding:
    name = place.tenant, place.view.key[1], smaller.label
    asked = place.ran.get(name)
    return Finding(
        tenant=place.tenant,
        route=place.view.key,
        model=model.label,
        smaller=smaller.label,
        used=used,
        labelled=place.labels.get(name, NOBODY),
        would_nano=place.price(smaller, used.tokens),
        strategy=place.view.strategy,
        compared=asked.evidence if asked else NOBODY,
    )


def _saved(place: _Place) -> Iterator[Saved]:
    models = place.models()
    largest = models[-1]
    calls = spent = saved = 0
    for model in models:
        used = place.used.get(model.label)
        if used is None or place.rank(model) >= place.rank(largest):
            continue
        would = place.price(largest, used.tokens)
        if would is not None and would > used.spent_nano:
            calls, spent = calls + used.calls, spent + used.spent_nano
            saved += would - used.spent_nano
    if saved:
        yield Saved(place.tenant, place.view.key, largest.label, calls, spent, saved)


def _used(condition: Q, span: Span) -> dict[tuple[str, str], dict[str, Used]]:
    """By tenant and route, then by model as facts name it. Lost and failed attempts answered nothing."""
    rows: QuerySet[Any, Any] = admitted(condition, span.starts, span.until)
    rows = of_callers(rows.filter(attempts__state__in=ANSWERED)).order_by()
    grouped: QuerySet[Any, Any] = rows.values(
        "tenant", "route", "attempts__model_tenant", "attempts__model"
    ).annotate(
        n=Count("pk", distinct=True),
        spent=Sum(F("attempts__posted_nano") + F("attempts__overrun_nano")),
        **{name: Coalesce(Sum(f"attempts__tokens_{name}"), 0) for name in _TOKENS},
    )
    found: dict[tuple[str, str], dict[str, Used]] = defaultdict(dict)
    for row in grouped:
        tokens = UsageCounts(*(int(row[name]) for name in _TOKENS))
        label = label_of(row["attempts__model_tenant"], row["attempts__model"])
        found[row["tenant"], row["route"]][label] = Used(row["n"], int(row["spent"]), tokens)
    return found


_TOKENS: Final = ("input", "cached", "cache_write", "output")


def labels_of(condition: Q, span: Span) -> dict[Name, Labelled]:
    """What people said of answers, of cases closed in a span: by tenant, route, and the model that answered last."""
    answered = Attempt.objects.filter(call=OuterRef("call"), state__in=ANSWERED).order_by("-no")
    rows = ReviewCase.objects.filter(
        condition,
        closed_at__gte=span.starts,
        closed_at__lt=span.until,
        stage__in=_OF_ANSWERS,
        outcome__in=_DECIDED,
    )
    named: QuerySet[Any, Any] = rows.annotate(
        model=Subquery(answered.values("model")[:1]),
        model_tenant=Subquery(answered.values("model_tenant")[:1]),
    ).filter(model__isnull=False)
    counted = (
        named.order_by()
        .values("tenant", "route", "model_tenant", "model")
        .annotate(n=Count("pk"), passed=Count("pk", filter=Q(outcome="approved")))
    )
    return {
        (row["tenant"], row["route"], label_of(row["model_tenant"], row["model"])): Labelled(
            row["n"], row["passed"]
        )
        for row in counted
    }


def label_of(tenant: str, name: str) -> str:
    """A model as facts name it: `name`, or `tenant/name`."""
    return f"{tenant}/{name}" if tenant else name


def turned(view: RouteView, smaller: Key) -> Sequence[str]:
    """The models of the route's new strategy, by name: the smaller first, the others in their order."""
    return [smaller[1], *(key[1] for key, _ in view.models if key != smaller)]
