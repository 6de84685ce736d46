"""What all conditions that one call may need cost together: refused above the limit, at the one that costs most."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from policies.documents.document import Document
from policies.documents.limits import DECISION_COST, TABLE_COST, Limit
from policies.documents.problems import Problem
from policies.documents.reading import Json
from policies.engine.cost import cost_of
from policies.engine.forms import Form, form_key
from policies.engine.wire import read


class Part(NamedTuple):
    """What one document adds to a call, `times` over."""

    document: Document
    path: str
    """Of its dearest condition."""
    cost: int
    times: int = 1

    @property
    def whole(self) -> int:
        """What it adds in all."""
        return self.cost * self.times


def too_costly(documents: Iterable[Document], forms: Mapping[str, Form]) -> Iterator[Problem]:
    """The first tenant whose calls may cost too much, and every model whose rules do."""
    priced = [p for d in documents if d.conditions and (p := _priced(d, forms))]
    for part in priced:
        if part.document.kind == "Model" and part.cost > TABLE_COST.most:
            yield _told(part, f'the rules of "{part.document.name}"', part.cost, TABLE_COST)
    tenants = dict.fromkeys(d.tenant for d in documents) | {"": None}
    for tenant in sorted(tenants):
        found = list(
            _needed([p for p in priced if p.document.tenant in ("", tenant)], documents, tenant)
        )
        whole = sum(part.whole for part in found)
        if whole > DECISION_COST.most:
            dearest = max(found, key=lambda part: part.whole)
            whose = f' of tenant "{tenant}"' if tenant else ""
            yield _told(
                dearest, f"the conditions that a call{whose} may need", whole, DECISION_COST
            )
            return


def _told(part: Part, what: str, cost: int, limit: Limit) -> Problem:
    words = f"{what} may cost {cost:,} units in all, at most {limit.most:,}; this one adds most"
    return part.document.problem(part.path, words)


def _priced(document: Document, forms: Mapping[str, Form]) -> Part | None:
    costs = {
        c.path: cost_of(read(forms[form_key(document.identity, c.path)].checked))
        for c in document.conditions
    }
    return (
        Part(document, max(costs, key=lambda path: costs[path]), sum(costs.values()))
        if costs
        else None
    )


def _needed(priced: list[Part], documents: Iterable[Document], tenant: str) -> Iterator[Part]:
    """What one call needs at most: rules on models for each model of the longest route, and one route of all."""
    models = [
        _models(d.spec["strategy"])
        for d in documents
        if d.kind == "Route" and d.tenant in ("", tenant)
    ]
    for part in priced:
        kind = part.document.kind
        if kind == "Permission" and part.document.spec["on"] == "model":
            yield part._replace(times=max(models, default=1))
        elif kind not in ("Model", "Route"):
            yield part
    routes = [part for part in priced if part.document.kind == "Route"]
    if routes:
        yield max(routes, key=lambda part: part.cost)


def _models(strategy: Mapping[str, Json]) -> int:
    tiers = [len(tier.get("models", ())) for tier in strategy.get("tiers", ())]
    return sum(tiers) + len(strategy.get("models", ())) or 1
