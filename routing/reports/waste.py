"""Savings and waste by route: what smaller tiers saved and might have saved, by what people said of their answers.

A label is a person's decision about an answer that a model gave: approved as it was, or not. What the other tier would have
cost is the same tokens at its price of today; a request's price tier is not known of sums, so the plain price is taken.
No model runs in a shadow today (`Route.shadow` is not executed), so labels are all the evidence there is.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from policies.engine.bundle import Bundle, Key, ModelView, RouteView
from policies.engine.pricing import UsageCounts, cost, price_on
from routing.calls.models import Attempt
from routing.reports.labelled import Labelled
from routing.reports.spans import Span
from routing.reports.sums import admitted
from routing.reviews.models import ReviewCase

TIERS: Final = ("small", "medium", "large")
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
    """Calls of one route that a larger model answered, and a smaller one of the route. Money in nano units.

    `would_nano` is what the smaller would have cost; None where no price of it is known.
    """

    tenant: str
    route: Key
    model: str
    smaller: str
    used: Used
    labelled: Labelled
    would_nano: int | None
    strategy: str

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
        """The difference, where the labels say enough for the smaller model; else nothing is claimed."""
        return self.difference_nano if self.labelled.passes else 0

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
    """Both sides, the largest amount first."""

    findings: tuple[Finding, ...]
    saved: tuple[Saved, ...]

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
    labels: Mapping[tuple[str, str, str], Labelled]

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
    """Of the calls admitted in a span, in two queries; routes and prices are those of the bundle, of the day `today`."""
    labels = labels_of(condition, span)
    findings: list[Finding] = []
    saved: list[Saved] = []
    for (tenant, route), used in _used(condition, span).items():
        view = bundle.routes.get((tenant, route)) or bundle.routes.get(("", route))
        if view is None or not view.models:
            continue
        place = _Place(bundle, today, tenant, view, used, labels)
        findings += _findings(place)
        saved += _saved(place)
    return Waste(
        tuple(sorted(findings, key=lambda f: (-f.waste_nano, -f.difference_nano, f.tenant, f.route, f.model))),
        tuple(sorted(saved, key=lambda s: (-s.saved_nano, s.tenant, s.route))),
    )  # fmt: skip


def _findings(place: _Place) -> Iterator[Finding]:
    models = place.models()
    smallest = models[0]
    for model in models:
        used = place.used.get(model.label)
        if used is None or place.rank(model) <= place.rank(smallest):
            continue
        name = place.tenant, place.view.key[1], smallest.label
        yield Finding(
            tenant=place.tenant,
            route=place.view.key,
            model=model.label,
            smaller=smallest.label,
            used=used,
            labelled=place.labels.get(name, Labelled(0, 0)),
            would_nano=place.price(smallest, used.tokens),
            strategy=place.view.strategy,
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
    rows = rows.filter(attempts__state__in=ANSWERED).order_by()
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


def labels_of(condition: Q, span: Span) -> dict[tuple[str, str, str], Labelled]:
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
