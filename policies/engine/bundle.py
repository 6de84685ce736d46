"""All published documents compiled: immutable, content-addressed, ready to decide."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from policies.documents.document import Identity
from policies.documents.reading import Json
from policies.engine.decision import (
    Dropped,
    Obligations,
    OnExhausted,
    OnFailure,
    Retry,
    RuleRef,
)
from policies.engine.prices import DatedPrice, Rated
from policies.engine.reads import NOTHING, Reads
from policies.engine.required import RequiredLabel
from policies.engine.rules import Environment, Expression, Outcome, Rule, Sweep, sweep

Key = tuple[str, str]
"""(tenant, name); an empty tenant is the organisation."""


def label(key: Key | None) -> str:
    """How facts, decisions and messages name a document: `name`, or `tenant/name`; empty for none."""
    if key is None:
        return ""
    tenant, name = key
    return f"{tenant}/{name}" if tenant and name else tenant or name


def key_of(text: str) -> Key:
    """The reverse of `label`; no name has a slash."""
    tenant, _, name = text.rpartition("/")
    return tenant, name


@dataclass(frozen=True, slots=True)
class Governed:
    """One document as the rest of the product reads it: `spec` has every default written out."""

    kind: str
    tenant: str
    name: str
    metadata: Mapping[str, Json]
    spec: Mapping[str, Json]

    @property
    def owner(self) -> str:
        """Who is named when it denies; empty if nobody."""
        return str(self.metadata.get("owner", ""))

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self.metadata.get("labels", {}))


@dataclass(frozen=True, slots=True, eq=False)
class Extract:
    """What is drawn from a text: the match of a pattern at its beginning, or right after a literal."""

    name: str
    after: str
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True, eq=False)
class RulesView:
    """A model that is no model: extracts, lookups, and rows of which the first whose condition holds answers."""

    extracts: tuple[Extract, ...]
    lookups: Mapping[str, Mapping[str, str]]
    rows: tuple[tuple[Expression | None, Expression], ...]


@dataclass(frozen=True, slots=True, eq=False)
class ModelView:
    """A model as a decision sees it."""

    key: Key
    provider: Key
    provider_type: str
    upstream_name: str
    capabilities: frozenset[str]
    clearance: frozenset[str]
    context_window: int
    max_output_tokens: int
    prices: tuple[DatedPrice, ...]
    state: str
    sunset_on: str
    replacement: Key | None
    environment: Environment
    label: str
    """How facts and messages name it: `name`, or `tenant/name`."""
    rules: RulesView | None = None
    capacity: DatedPrice | None = None
    """While it is bought by the hour its tokens cost nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """Which calls something is about: all parts that are named must match. References are resolved."""

    parts: Mapping[str, Json]
    """What the document names."""
    model: Key | None = None
    provider: Key | None = None
    route: Key | None = None
    use_case: Key | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TierView:
    """Models that are alternates in order, and the condition under which their answer is taken; None: always."""

    models: tuple[Key, ...]
    accept: Expression | None


@dataclass(frozen=True, slots=True, eq=False)
class RouteView:
    """A route as a decision sees it: models with their weights, in order, and how their answers are checked."""

    key: Key
    use_case: Key
    task: str
    strategy: str
    models: tuple[tuple[Key, int], ...]
    retry: Retry
    fallback_on: tuple[str, ...]
    tiers: tuple[TierView, ...] = ()
    """Of a cascade; else none."""
    method: str = ""
    samples: int = 1
    validators: tuple[Key, ...] = ()
    otherwise: Key | None = None
    """The queue for what no tier answered."""
    stream: str = "hold"
    beside: tuple[Key, ...] = ()
    """The models of its `shadow`: they are asked beside and never answer."""
    beside_share: int = 0
    """For how many of 2^64 draws."""


@dataclass(frozen=True, slots=True, eq=False)
class ValidatorView:
    """A check of an answer: by a schema, or by a condition. `queue` is where `escalate` goes."""

    key: Key
    type: str
    schema: Mapping[str, Json]
    when: Expression | None
    message: str
    on_failure: OnFailure
    queue: Key | None


@dataclass(frozen=True, slots=True, eq=False)
class ExceptionView:
    """What lifts one soft forbid, or raises one budget, for the calls of a scope, through a day."""

    key: Key
    permission: Key | None
    budget: Key | None
    raise_nano: int
    scope: Scope
    expires_on: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class RateLimitView:
    """How fast a scope may call; 0 is no limit."""

    key: Key
    scope: Scope
    requests_per_minute: int
    tokens_per_minute: int
    concurrent: int
    deny_when_down: bool


@dataclass(frozen=True, slots=True, eq=False)
class BudgetView:
    """A budget as a decision sees it; `queue` is where a call waits that it has no money for."""

    key: Key
    scope: Scope
    each: tuple[str, ...]
    period: str
    time_zone: str
    fiscal_starts_on: str
    limit_nano: int
    hard: bool
    on_exhausted: OnExhausted
    rank: int
    queue: Key | None = None


class Standing(NamedTuple):
    """What follows for a model from the outcomes of its rules, where that is the same for every call."""

    held: tuple[tuple[Rule, Outcome], ...] = ()
    reasons: tuple[Dropped, ...] = ()
    owed: Obligations | None = None
    permits: tuple[RuleRef, ...] = ()


class Prepared(NamedTuple):
    """A model of a route on a day: those it stands for, why it cannot run any more (empty: it can), and its price.

    `standings` are kept by the outcomes of the rules on models; `rest` has the ends of its step in a plan, by
    `Candidate.rest_key`, once they were made.
    """

    model: ModelView
    named: tuple[Key, ...]
    why: str
    price: Rated | None
    standings: dict[tuple[Outcome, ...], Standing]
    rest: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class TenantScope:
    """What binds the calls of one tenant: the organisation's documents and its own."""

    time_zone: str
    call_rules: tuple[Rule, ...]
    model_rules: tuple[Rule, ...]
    on_call: Sweep
    on_model: Sweep
    """The outcomes of `call_rules` and of `model_rules`, in their order."""
    model_permit_levels: tuple[str, ...]
    """The owners ("" or the tenant) that have a permit on models: each needs a match of its own."""
    budgets: tuple[BudgetView, ...]
    escalations: tuple[Rule, ...] = ()
    tool_rules: tuple[Rule, ...] = ()
    approvals: Mapping[str, Key] = field(default_factory=dict)
    """Permissions on tools; the queue of each tool that needs a person every time, by its name."""
    exceptions: tuple[ExceptionView, ...] = ()
    rate_limits: tuple[RateLimitView, ...] = ()
    reads: Reads = NOTHING
    """What of a caller's labels and tools is recorded in the clear."""
    required: tuple[RequiredLabel, ...] = ()
    """The labels that a call must have: the tenant's own first, whose defaults count before the organisation's."""
    advises: bool = True
    """Whether there is an advisory rule."""
    model_rules_may_fail: bool = True
    models_may_hold: bool = True
    """Whether a permit of a model asks for a hold."""
    model_rules_are_plain: bool = False
    """Whether outcomes alone say what the rules on models come to: none can fail, each has one line and one message."""


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """The compiled bundle. `text` is what `digest` (hex SHA-256) is of."""

    revision: int
    engine: int
    digest: str
    text: bytes
    documents: Mapping[Identity, Governed]
    organisation: Governed
    rules: tuple[Rule, ...]
    models: Mapping[Key, ModelView]
    routes: Mapping[Key, RouteView]
    budget_views: tuple[BudgetView, ...]
    rates: tuple[tuple[str, Mapping[str, Decimal]], ...]
    escalations: tuple[Rule, ...] = ()
    exceptions: tuple[ExceptionView, ...] = ()
    rate_limits: tuple[RateLimitView, ...] = ()
    validators: Mapping[Key, ValidatorView] = field(default_factory=dict)
    approvals: Mapping[str, dict[str, Key]] = field(default_factory=dict)
    """The queue of each tool that needs a person every time, by tenant and name."""
    reads: Mapping[str, Reads] = field(default_factory=dict)
    """What the documents of each tenant ("" the organisation's) read of a caller's own words."""
    required: Mapping[str, tuple[RequiredLabel, ...]] = field(default_factory=dict)
    required_in: Mapping[Key, tuple[RequiredLabel, ...]] = field(default_factory=dict)
    """The labels that each tenant ("" the organisation) requires of calls; those that a use case requires beside them."""
    _scopes: dict[str, TenantScope] = field(default_factory=dict)
    _sweeps: dict[tuple[str, str], Sweep] = field(default_factory=dict)
    prices: dict[tuple[Key, str], object] = field(default_factory=dict)
    """What `pricing` has found: by model and day."""
    prepared: dict[tuple[str, Key, str, Key | None], tuple[Prepared, ...]] = field(
        default_factory=dict
    )
    """What `selection` has: by tenant, route, day and the model that was drawn first."""
    traced: dict[tuple[object, ...], dict[str, Any]] = field(default_factory=dict)
    """What `explain` has: by rule and what it read of the call, then by model."""

    @property
    def tenants(self) -> Mapping[str, Governed]:
        """Tenant documents by name."""
        return {d.name: d for d in self.documents.values() if d.kind == "Tenant"}

    @property
    def grants(self) -> Sequence[Governed]:
        """Every RoleGrant."""
        return [d for d in self.documents.values() if d.kind == "RoleGrant"]

    @property
    def budgets(self) -> Sequence[Governed]:
        """Every Budget."""
        return [d for d in self.documents.values() if d.kind == "Budget"]

    def find(self, kind: str, tenant: str, name: str) -> Governed | None:
        """What a name means to a tenant: its own document first, then the organisation's."""
        return self.documents.get((kind, tenant, name)) or self.documents.get((kind, "", name))

    def route(self, tenant: str, name: str) -> Governed | None:
        """The route a tenant's caller means."""
        return self.find("Route", tenant, name)

    def model(self, tenant: str, name: str) -> Governed | None:
        """The model a tenant's document means."""
        return self.find("Model", tenant, name)

    def provider(self, tenant: str, name: str) -> Governed | None:
        """The provider a tenant's document means."""
        return self.find("Provider", tenant, name)

    def routes_for(self, tenant: str) -> Sequence[Governed]:
        """The routes a tenant's callers may name, by name; an own one hides the organisation's."""
        found = {k[2]: d for k, d in self.documents.items() if k[:2] == ("Route", "")}
        found |= {k[2]: d for k, d in self.documents.items() if k[:2] == ("Route", tenant)}
        return [found[name] for name in sorted(found)]

    def scope(self, tenant: str) -> TenantScope:
        """What binds a tenant's calls; made once."""
        made = self._scopes.get(tenant)
        if made is None:
            made = self._scopes[tenant] = self._make_scope(tenant)
        return made

    def required_of(self, tenant: str, route: str) -> tuple[RequiredLabel, ...]:
        """The labels that a call over a route must have: its use case's first, whose defaults count, then the scope's."""
        every = self.scope(tenant).required
        view = self.routes.get((tenant, route)) or self.routes.get(("", route))
        own = self.required_in.get(view.use_case) if view else None
        return (*own, *every) if own else every

    def warm(self) -> None:
        """Compile the rules of each owner together, so that no call waits for it."""
        for owner in dict.fromkeys(rule.tenant for rule in self.rules):
            for on in ("call", "model"):
                self._own_sweep(owner, on)

    def _sweep(self, tenant: str, on: str) -> Sweep:
        """Rules stand in the order of their owners: the organisation's first, then the tenant's own."""
        whole, own = self._own_sweep("", on), self._own_sweep(tenant, on) if tenant else None
        if own is None or not any(r.tenant == tenant and r.on == on for r in self.rules):
            return whole
        return lambda call, item: whole(call, item) + own(call, item)

    def _own_sweep(self, owner: str, on: str) -> Sweep:
        made = self._sweeps.get((owner, on))
        if made is None:
            rules = [r for r in self.rules if r.tenant == owner and r.on == on]
            made = self._sweeps[owner, on] = sweep(rules)
        return made

    def _make_scope(self, tenant: str) -> TenantScope:
        rules = [r for r in self.rules if r.tenant in ("", tenant)]
        on_model = tuple(r for r in rules if r.on == "model")
        document, ours = self.tenants.get(tenant), self.organisation.spec["timeZone"]
        zone = (document.spec["timeZone"] if document else None) or ours
        return TenantScope(
            time_zone=zone,
            call_rules=tuple(r for r in rules if r.on == "call"),
            model_rules=on_model,
            on_call=self._sweep(tenant, "call"),
            on_model=self._sweep(tenant, "model"),
            model_permit_levels=tuple(sorted({r.tenant for r in on_model if r.effect == "permit"})),
            budgets=tuple(
                b
                for b in self.budget_views
                if b.key[0] in ("", tenant) and b.scope.parts.get("tenant") in (None, tenant)
            ),
            escalations=tuple(r for r in self.escalations if r.tenant in ("", tenant)),
            tool_rules=tuple(r for r in rules if r.on == "tool"),
            approvals=self.approvals.get(tenant, {}) | self.approvals.get("", {}),
            exceptions=tuple(e for e in self.exceptions if e.key[0] in ("", tenant)),
            rate_limits=tuple(r for r in self.rate_limits if r.key[0] in ("", tenant)),
            reads=self.reads.get("", NOTHING) | self.reads.get(tenant, NOTHING),
            required=(
                *(self.required.get(tenant, ()) if tenant else ()),
                *self.required.get("", ()),
            ),
            advises=any(r.level == "advisory" for r in rules),
            model_rules_may_fail=any(r.when and r.when.program.fallible for r in on_model),
            models_may_hold=any(r.obligations and r.obligations.hold for r in on_model),
            model_rules_are_plain=all(r.plain for r in on_model),
        )
