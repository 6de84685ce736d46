"""Documents and their checked forms to a Bundle. Needs no CEL checker, so that every process can load what was published."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec
import rfc8785

from controlplane.kernel.money import parse_nano
from policies.documents.document import Document
from policies.documents.kinds import KINDS
from policies.documents.reading import Json
from policies.documents.routes import ERROR_CLASSES, EXECUTED_STRATEGIES
from policies.engine import governing, prices
from policies.engine.bundle import (
    BudgetView,
    Bundle,
    Governed,
    ModelView,
    RouteView,
    label,
)
from policies.engine.decision import ENGINE, Obligations, Retry
from policies.engine.forms import CheckedForms, decode, form_key
from policies.engine.maker import InvalidBundle, Maker
from policies.engine.older import OLDER
from policies.engine.prices import DatedPrice
from policies.engine.reads import NOTHING, Reads, mentions, reads_of, reads_of_document
from policies.engine.required import required_labels
from policies.engine.rules import Rule
from policies.engine.wire import read

RANKS = ("run", "user", "key", "labels", "route", "useCase", "model", "provider", "team", "tenant")
"""Narrow to wide: a budget has the rank of its narrowest part; the organisation's comes last."""


def compile_bundle(revision: int, documents: Iterable[Document], checked: CheckedForms) -> Bundle:
    """The bundle of documents that were checked as a whole. Raises InvalidBundle."""
    bodies = [d.body for d in sorted(documents, key=lambda d: d.identity)]
    return _bundle(revision, rfc8785.dumps({"engine": ENGINE, "documents": bodies}), checked)


def load_bundle(revision: int, text: bytes, checked: bytes) -> Bundle:
    """A published bundle from its stored bytes, by the engine that its text names. Raises InvalidBundle."""
    older = OLDER.get(engine_of(text))
    if older is not None:
        made: Bundle = older.load(revision, text, checked)
        return made
    try:
        return _bundle(revision, text, decode(checked))
    except _BROKEN as error:
        raise InvalidBundle(f"the stored bundle cannot be read: {error!r}") from error


_BROKEN = (
    msgspec.MsgspecError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError,
)  # fmt: skip
"""What bytes that are no bundle of ours may raise wherever they are looked into."""


def engine_of(text: bytes) -> int:
    """The number of the engine that a bundle's text names; 0 where it is none."""
    try:
        return msgspec.json.decode(text, type=_Numbered).engine
    except msgspec.MsgspecError:
        return 0


class _Numbered(msgspec.Struct):
    engine: int = 0


def _bundle(revision: int, text: bytes, checked: CheckedForms) -> Bundle:
    whole: dict[str, Any] = msgspec.json.decode(text)
    if whole.get("engine") != ENGINE:
        raise InvalidBundle(
            f"the bundle is for engine {whole.get('engine')}, this is engine {ENGINE}"
        )
    documents = {(d.kind, d.tenant, d.name): d for d in map(_governed, whole["documents"])}
    found = [d for d in documents.values() if d.kind == "Organisation"]
    if len(found) != 1:
        raise InvalidBundle(f"a bundle has exactly one Organisation, not {len(found)}")
    maker = _Maker(documents, found[0], checked)
    bundle = Bundle(
        revision=revision,
        engine=ENGINE,
        digest=sha256(text).hexdigest(),
        text=text,
        documents=documents,
        organisation=found[0],
        rules=tuple(map(maker.rule, maker.of("Permission"))),
        models={(d.tenant, d.name): maker.model(d) for d in maker.of("Model")},
        routes={(d.tenant, d.name): r for d in maker.of("Route") if (r := maker.route(d))},
        budget_views=tuple(map(maker.budget, maker.of("Budget"))),
        escalations=tuple(governing.escalation(maker, d) for d in maker.of("EscalationRule")),
        exceptions=tuple(governing.exception(maker, d) for d in maker.of("Exception")),
        rate_limits=tuple(governing.rate_limit(maker, d) for d in maker.of("RateLimit")),
        validators={
            (d.tenant, d.name): governing.validator(maker, d) for d in maker.of("Validator")
        },
        approvals=governing.approvals(maker, maker.of("Tool")),
        rates=_rates(found[0]),
        reads=_reads(documents.values(), checked),
        required={
            d.name if d.kind == "Tenant" else "": required_labels(d.spec)
            for d in (found[0], *maker.of("Tenant"))
            if d.spec["requiredLabels"]
        },
        required_in={
            (d.tenant, d.name): required_labels(d.spec)
            for d in maker.of("UseCase")
            if d.spec["requiredLabels"]
        },
    )
    bundle.warm()
    return bundle


def _governed(body: Mapping[str, Json]) -> Governed:
    metadata, kind = body["metadata"], body["kind"]
    spec = KINDS[kind].filled(body["spec"])
    return Governed(kind, metadata.get("tenant", ""), metadata["name"], metadata, spec)


def _reads(documents: Iterable[Governed], checked: CheckedForms) -> Mapping[str, Reads]:
    """What each tenant's documents read of a caller's labels and tools."""
    found: dict[str, Reads] = {}
    for document in documents:
        one = reads_of_document(document.kind, document.name, document.spec)
        whose = document.name if document.kind == "Tenant" else document.tenant
        found[whose] = found.get(whose, NOTHING) | one
    for key, form in checked.forms.items():
        if mentions(form.text):
            tenant = key.split("/")[1]
            found[tenant] = found.get(tenant, NOTHING) | reads_of(read(form.checked))
    return found


def _rates(organisation: Governed) -> tuple[tuple[str, Mapping[str, Decimal]], ...]:
    """Exchange rates, the latest first."""
    dated = sorted(organisation.spec["exchangeRates"], key=lambda r: str(r["from"]), reverse=True)
    return tuple((r["from"], {c: Decimal(v) for c, v in r.items() if c != "from"}) for r in dated)


class _Maker(Maker):
    """Makes the views of one bundle; all references were resolved when it was checked."""

    def rule(self, document: Governed) -> Rule:
        spec = document.spec
        when = None if spec["when"] == "true" else self.expression(document, "spec.when")
        owed = spec["obligations"]
        place = self.places.get(
            form_key((document.kind, document.tenant, document.name), ""), ("", 0)
        )
        return Rule(
            tenant=document.tenant,
            name=document.name,
            effect=spec["effect"],
            level=spec["level"],
            on=spec["on"],
            owner=document.owner,
            file=place[0],
            line=place[1],
            when=when,
            message=self.expression(document, "spec.message") if spec["message"] else None,
            obligations=owed
            and Obligations(
                max_output_tokens=owed["maxOutputTokens"],
                redact=tuple(sorted(owed["redact"])),
                redact_answers=tuple(sorted(owed["redactAnswers"])),
                strip_tools=tuple(sorted(owed["stripTools"])),
                hold=label(self.key("ReviewQueue", document.tenant, owed["hold"])),
            ),
        )

    def model(self, document: Governed) -> ModelView:
        spec, tenant = document.spec, document.tenant
        provider = self.must("Provider", tenant, spec["provider"])
        account = self.documents["Provider", *provider]
        life = spec["lifecycle"]
        clearance, regions = sorted(spec["clearance"]), tuple(spec["regions"])
        capabilities = tuple(spec["capabilities"])
        vendor = document.labels.get("vendor", account.name)
        return ModelView(
            key=(tenant, document.name),
            provider=provider,
            provider_type=account.spec["type"],
            upstream_name=spec["upstreamName"] or document.name,
            capabilities=frozenset(capabilities),
            clearance=frozenset(clearance),
            context_window=spec["contextWindow"],
            max_output_tokens=spec["maxOutputTokens"],
            prices=self.prices(account, spec["prices"]),
            capacity=prices.capacity(spec["capacity"]) if spec["capacity"] else None,
            rules=governing.rules(self, document),
            state=life["state"],
            sunset_on=life["sunsetOn"] or "",
            label=label((tenant, document.name)),
            replacement=self.key("Model", tenant, life["replacement"]),
            environment=(
                document.name, vendor, spec["tier"], regions, capabilities, tuple(clearance), life["state"],
            ),
        )  # fmt: skip

    def prices(self, account: Governed, written: list[Json]) -> tuple[DatedPrice, ...]:
        """The prices of a model, the latest first; rules cost nothing, at any time."""
        if account.spec["type"] == "rules" and not written:
            written = [{**prices.FREE, "currency": self.organisation.spec["currency"]}]
        return tuple(sorted(map(prices.price, written), key=lambda p: p.since, reverse=True))

    def route(self, document: Governed) -> RouteView | None:
        """None for a strategy that is not executed yet."""
        spec, tenant = document.spec, document.tenant
        strategy = spec["strategy"]
        if strategy["type"] not in EXECUTED_STRATEGIES:
            return None
        weighed = _weighed(strategy)
        moves_on = tuple(c for c in ERROR_CLASSES if c != "refused_request")
        retry = spec["retry"]
        return RouteView(
            key=(tenant, document.name),
            use_case=self.must("UseCase", tenant, spec["useCase"]),
            task=spec["task"],
            strategy=strategy["type"],
            models=tuple((self.must("Model", tenant, n), w) for n, w in weighed),
            retry=Retry(
                attempts=retry["attempts"], on=tuple(retry["on"]), backoff=retry["backoffSeconds"]
            ),
            fallback_on=() if strategy["type"] == "single" else moves_on,
            **governing.checked_route(self, document),
            **governing.asked_beside(self, document),
        )

    def budget(self, document: Governed) -> BudgetView:
        spec, tenant = document.spec, document.tenant
        scope = governing.scope(self, document)
        whose = self.documents.get(("Tenant", "", scope.parts.get("tenant") or tenant))
        ours = self.organisation.spec
        parts = {*scope.parts, *spec["each"], *(["tenant"] if tenant else [])}
        return BudgetView(
            key=(tenant, document.name),
            scope=scope,
            each=tuple(sorted(spec["each"])),
            period=spec["period"],
            time_zone=(whose and whose.spec["timeZone"]) or ours["timeZone"],
            fiscal_starts_on=(whose and whose.spec["fiscalYearStartsOn"])
            or ours["fiscalYearStartsOn"],
            limit_nano=parse_nano(spec["limit"]),
            hard=spec["hard"],
            on_exhausted=spec["onExhausted"],
            queue=self.key("ReviewQueue", tenant, spec["escalateTo"]),
            rank=min((RANKS.index(p) for p in parts), default=len(RANKS)),
        )


def _weighed(strategy: Mapping[str, Json]) -> list[tuple[str, int]]:
    """The models of a strategy in its order, with their weights."""
    if strategy["type"] == "single":
        return [(strategy["model"], 1)]
    if strategy["type"] == "cascade":
        return [(name, 1) for tier in strategy["tiers"] for name in tier["models"] or ()]
    return [
        (m["model"], m["weight"]) if isinstance(m, dict) else (m, 1) for m in strategy["models"]
    ]
