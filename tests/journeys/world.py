"""The journeys' documents: one tenant for each journey, so that each asserts inside its own."""

from collections.abc import Iterator
from pathlib import Path

TENANTS = (
    "permit", "deny", "clamp", "fallback", "exhaust", "stream", "cut", "gone", "tools", "stopped", "halted",
    "unpriced", "publish", "again", "large", "loopback", "other", "headers", "passed", "keys", "faults", "dear",
    "responses", "short", "checked", "slow", "reviews", "redact", "poor", "cheaper", "labels", "beside",
)  # fmt: skip
TEAMS = (*(f"j-{name}/desk" for name in TENANTS), "j-keys/desk#revoked")

_SHARED = """\
apiVersion: mandate/v1
kind: Provider
metadata: {{name: j-openai}}
spec:
  type: openai
  baseUrl: http://127.0.0.1:{port}/v1
  credential: secret:journey
  timeouts: {{connectSeconds: 2, firstTokenSeconds: 5, stallSeconds: 5, totalSeconds: 20}}
  maxConcurrency: 500
---
apiVersion: mandate/v1
kind: Provider
metadata: {{name: j-anthropic}}
spec:
  type: anthropic
  baseUrl: http://127.0.0.1:{port}
  credential: secret:journey
  timeouts: {{connectSeconds: 2, firstTokenSeconds: 5, stallSeconds: 5, totalSeconds: 20}}
  maxConcurrency: 500
"""
_MODEL = """\
apiVersion: mandate/v1
kind: Model
metadata: {{name: {name}{tenant}}}
spec:
  provider: {provider}
  upstreamName: {name}-upstream
  tier: {tier}
  capabilities: [chat, tools, json_schema, vision, logprobs]
  contextWindow: 40000000
  maxOutputTokens: 4000
  regions: [eu]
  clearance: [public, internal, personal]
  prices: {prices}
"""
_PRICES = '[{from: 2026-01-01, currency: EUR, inputPerMillion: "1", outputPerMillion: "10", batchFactor: "0.5"}]'
_TENANT = """\
apiVersion: mandate/v1
kind: Tenant
metadata: {{name: j-{name}}}
spec: {{displayName: Journey {name}, region: eu, costCentre: "1", timeZone: Europe/Berlin, teams: [desk]{more}}}
---
apiVersion: mandate/v1
kind: UseCase
metadata: {{name: journey, tenant: j-{name}}}
spec:
  owner: cleo@acme.example
  purpose: "A journey"
  riskClass: limited
  dataClasses: [internal]
  reviewOn: 2027-03-01
  validation: {{by: rui@acme.example, on: 2026-10-01, evidence: "tried", validUntil: 2030-10-01}}
---
apiVersion: mandate/v1
kind: Permission
metadata: {{name: desk-may-call, tenant: j-{name}}}
spec: {{effect: permit, on: call, when: 'team.name == "desk"'}}
"""
_LABELS = ", requiredLabels: [{name: case}, {name: kind, values: [motor, home], default: home}]"
_BUDGET = """\
apiVersion: mandate/v1
kind: Budget
metadata: {{name: month, tenant: j-{name}}}
spec: {{scope: {{tenant: j-{name}}}, owner: finn@acme.example, period: month, limit: "{limit}", onExhausted: {exhausted}}}
"""
_ROUTE = """\
apiVersion: mandate/v1
kind: Route
metadata: {{name: {route}, tenant: j-{name}}}
spec:
  useCase: journey
  task: chat
  strategy: {strategy}
  retry: {{attempts: {attempts}, on: [timeout, rate_limited, overloaded, server_error, worker_lost], backoffSeconds: 0.05}}
"""
_DENY = """\
apiVersion: mandate/v1
kind: Permission
metadata: {name: no-personal, tenant: j-deny, owner: cleo@acme.example}
spec:
  effect: forbid
  level: hard
  on: call
  when: 'request.dataClasses.exists(c, c == "personal")'
  message: '"personal data stays at this desk"'
---
apiVersion: mandate/v1
kind: UseCase
metadata: {name: lapsed, tenant: j-deny}
spec:
  owner: cleo@acme.example
  purpose: "Nobody looked at it again"
  riskClass: limited
  dataClasses: [internal]
  reviewOn: 2026-03-01
  validation: {by: rui@acme.example, on: 2025-10-01, evidence: "tried", validUntil: 2026-01-31}
---
apiVersion: mandate/v1
kind: Route
metadata: {name: lapsed, tenant: j-deny}
spec: {useCase: lapsed, task: chat, strategy: {type: single, model: j-gpt}}
"""
_CHECKED = """\
apiVersion: mandate/v1
kind: Validator
metadata: {name: labelled, tenant: j-checked}
spec: {type: json_schema, schema: {type: object, required: [label]}, onFailure: next}
---
apiVersion: mandate/v1
kind: Route
metadata: {name: sorted, tenant: j-checked}
spec:
  useCase: journey
  task: classification
  strategy:
    type: cascade
    tiers:
      - {models: [j-gpt], accept: confidence.score >= 0.6}
      - {models: [j-claude]}
  confidence: {method: agreement, samples: 2}
  validators: [labelled]
"""
_TOOLS = """\
apiVersion: mandate/v1
kind: Permission
metadata: {name: named-users-look-nothing-up, tenant: j-tools}
spec: {effect: permit, on: call, when: user.known, obligations: {stripTools: [lookup_policy]}}
---
apiVersion: mandate/v1
kind: Tool
metadata: {name: pay, tenant: j-tools}
spec: {type: http, risk: money}
---
apiVersion: mandate/v1
kind: Permission
metadata: {name: small-sums-only, tenant: j-tools, owner: finn@acme.example}
spec:
  effect: forbid
  on: tool
  when: 'route.name.startsWith("ruled") && tool.risk == "money" && tool.arguments.amount > 100'
  message: '"a model pays at most 100"'
"""
_TOOL_HELD = 'route.name == "looked" && tool.name == "pay"'
_REDACT = """\
apiVersion: mandate/v1
kind: Permission
metadata: {name: no-cards-upstream, tenant: j-redact}
spec: {effect: permit, on: call, when: 'route.name.startsWith("asked")', obligations: {redact: [card]}}
---
apiVersion: mandate/v1
kind: Permission
metadata: {name: no-accounts-in-answers, tenant: j-redact}
spec: {effect: permit, on: call, when: 'route.name.startsWith("told")', obligations: {redactAnswers: [iban]}}
"""
_BESIDE = """\
apiVersion: mandate/v1
kind: Permission
metadata: {name: not-beside-the-barred, tenant: j-beside, owner: cleo@acme.example}
spec: {effect: forbid, on: model, when: 'route.name == "barred" && model.name == "j-claude"'}
"""
_ASKED_BESIDE = '  shadow: {models: [j-claude], percent: "100"}\n'
_SLOW = """\
apiVersion: mandate/v1
kind: RateLimit
metadata: {name: two-a-minute, tenant: j-slow, owner: finn@acme.example}
spec: {scope: {team: desk, tenant: j-slow}, requestsPerMinute: 2, concurrent: 5}
"""
_LOOPBACK = """\
apiVersion: mandate/v1
kind: Provider
metadata: {{name: {name}, tenant: j-loopback}}
spec:
  type: openai-compatible
  baseUrl: "{url}"
  timeouts: {{connectSeconds: 2, firstTokenSeconds: 5, stallSeconds: 5, totalSeconds: 20}}
"""
RESOLVED = {"named": "http://localhost:{trap}/v1"}
"""A base URL whose name resolves to loopback; it has a route of its name in j-loopback."""
REFUSED = {
    "literal": "http://127.0.0.1:{trap}/v1",
    "mapped": "http://[::ffff:127.0.0.1]:{trap}/v1",
    "odd": "http://0x7f000001:{trap}/v1",
    "metadata": "http://169.254.169.254/latest/meta-data",
    "azure": "http://168.63.129.16/v1",
}
"""Base URLs that lead into the machine or to a cloud's metadata as they are written: nobody can publish them."""
_LIMITS = {
    "clamp": ("0.0100", "clamp"),
    "exhaust": ("0.0030", "deny"),
    "dear": ("0.0050", "deny"),
    "short": ("0.0100", "clamp"),
    "poor": ("0.0030", "escalate, escalateTo: desk"),
    "cheaper": ("0.0200", "downgrade"),
}
_FUTURE_PRICE = '[{from: 2099-01-01, currency: EUR, inputPerMillion: "1", outputPerMillion: "10"}]'
_FOREIGN_PRICE = '[{from: 2026-01-01, currency: JPY, inputPerMillion: "1", outputPerMillion: "10"}]'
_PRIORITY_PRICE = _PRICES.replace("}]", ', priorityFactor: "2.5"}]')
OWN_MODELS = ("fallback", "dear", "cut", "stopped", "publish", "headers", "responses")
"""Tenants with models of their own: what is made to fail or is stopped there concerns nobody else."""


def write(folder: Path, port: int, trap: int = 9) -> None:
    """The folder of documents, for an upstream on `port`; what listens on `trap` must never hear anything."""
    folder.mkdir(parents=True, exist_ok=True)
    models = [_model("j-gpt", "j-openai", "small"), _model("j-claude", "j-anthropic", "large")]
    _put(folder, "shared", [_SHARED.format(port=port), *models])
    for name in TENANTS:
        _put(folder, name, _tenant(name))
    for name in OWN_MODELS:
        _put(folder, f"{name}.models", own_models(name))
    _put(folder, "responses.compatible", _compatible(port))
    _put(folder, "deny.rules", [_DENY])
    _put(folder, "checked.rules", [_CHECKED])
    _put(folder, "slow.rules", [_SLOW])
    _put(folder, "beside.rules", list(_beside()))
    _put(folder, "tools.rules", list(_tools()))
    _put(folder, "redact.rules", list(_redact()))
    _put(folder, "loopback.rules", list(_loopback(trap)))
    _put(folder, "unpriced.rules", list(_unpriced()))
    _put(folder, "reviews.rules", list(_reviews("reviews", "rui")))
    _put(folder, "poor.rules", list(_reviews("poor", "rui")))
    _put(folder, "cheaper.models", list(_two_tiers()))
    watched = route("faults", "watched", "{type: single, model: j-gpt}") + _ASKED_BESIDE
    _put(folder, "faults.rules", [*_reviews("faults", "rui", "cleo"), watched])


def _put(folder: Path, name: str, documents: list[str]) -> None:
    (folder / f"{name}.yaml").write_text("---\n".join(documents))


def _model(name: str, provider: str, tier: str, prices: str = _PRICES, tenant: str = "") -> str:
    whose = f", tenant: j-{tenant}" if tenant else ""
    return _MODEL.format(name=name, tenant=whose, provider=provider, tier=tier, prices=prices)


def own_models(tenant: str, output_price: str = "10") -> list[str]:
    """Models `gpt` and `claude` of the tenant, and routes `own`, `own-claude` and `own-both` to them."""
    prices = _PRICES.replace('"10"', f'"{output_price}"')
    both = "{type: fallback, models: [gpt, claude]}"
    return [
        _model("gpt", "j-openai", "small", prices, tenant),
        _model("claude", "j-anthropic", "large", prices, tenant),
        route(tenant, "own", "{type: single, model: gpt}"),
        route(tenant, "own-claude", "{type: single, model: claude}"),
        route(tenant, "own-both", both, attempts=2),
    ]


def _compatible(port: int) -> list[str]:
    """A provider that speaks chat completions alone, for the tenant `responses`, and the route `compatible` to it.

    And a model that has a price for priority, with the route `quick`.
    """
    shared = _SHARED.format(port=port).split("---\n", maxsplit=1)[0]
    provider = shared.replace("type: openai", "type: openai-compatible")
    return [
        provider.replace("name: j-openai", "name: compatible, tenant: j-responses"),
        _model("llama", "compatible", "small", tenant="responses"),
        route("responses", "compatible", "{type: single, model: llama}"),
        _model("quick", "j-openai", "small", _PRIORITY_PRICE, "responses"),
        route("responses", "quick", "{type: single, model: quick}"),
    ]


def route(tenant: str, name: str, strategy: str, attempts: int = 1) -> str:
    """A Route of the tenant."""
    return _ROUTE.format(name=tenant, route=name, strategy=strategy, attempts=attempts)


def budget(tenant: str, limit: str, exhausted: str = "deny") -> str:
    """The tenant's month."""
    return _BUDGET.format(name=tenant, limit=limit, exhausted=exhausted)


def provider(name: str, url: str) -> str:
    """A Provider of j-loopback that names no secret."""
    return _LOOPBACK.format(name=name, url=url)


def _loopback(trap: int) -> Iterator[str]:
    for name, url in RESOLVED.items():
        yield provider(name, url.format(trap=trap))
        yield _model(f"m-{name}", name, "small", tenant="loopback")
        yield route("loopback", name, f"{{type: single, model: m-{name}}}")


def _two_tiers() -> Iterator[str]:
    """A model at ten times the price of the other, and a route that begins with it."""
    yield _model("big", "j-openai", "large", _PRICES.replace('"10"', '"100"'), "cheaper")
    yield route("cheaper", "best", "{type: fallback, models: [big, j-gpt]}")
    yield route("cheaper", "big", "{type: single, model: big}")


def _unpriced() -> Iterator[str]:
    for name, prices in (("later", _FUTURE_PRICE), ("foreign", _FOREIGN_PRICE)):
        yield _model(name, "j-openai", "small", prices, "unpriced")
        yield route("unpriced", name, f"{{type: single, model: {name}}}")
    yield route("unpriced", "spare", "{type: fallback, models: [later, j-gpt]}")


_QUEUE = """\
apiVersion: mandate/v1
kind: ReviewQueue
metadata: {{name: {name}, tenant: j-{tenant}}}
spec: {spec}
"""
_ESCALATION = """\
apiVersion: mandate/v1
kind: EscalationRule
metadata: {{name: {name}, tenant: j-{tenant}}}
spec: {{stage: {stage}, when: '{when}', queue: {queue}}}
"""
_REVIEWER = """\
apiVersion: mandate/v1
kind: RoleGrant
metadata: {{name: {who}-in-{tenant}, tenant: j-{tenant}}}
spec: {{member: {who}@acme.example, roles: [reviewer]}}
"""


def _reviews(tenant: str, *people: str) -> Iterator[str]:
    """Routes whose calls a person sees: before any model (`first`), or the answer (`payout`, `two`)."""
    for who in people:
        yield _REVIEWER.format(who=who, tenant=tenant)
    for name, count in (("desk", 1), ("pair", 2)):
        spec = f"{{reviewers: ['role:reviewer'], approvals: {count}}}"
        yield _QUEUE.format(tenant=tenant, name=name, spec=spec)
    for name, stage, when, queue in (
        ("look-first", "request", 'route.name == "first"', "desk"),
        (
            "large-payout",
            "response",
            'route.name == "payout" && output.text.contains("14200")',
            "desk",
        ),
        ("two-look", "response", 'route.name == "two"', "pair"),
        ("outage", "failure", 'route.name == "outage" && error.class == "overloaded"', "desk"),
    ):
        yield _ESCALATION.format(tenant=tenant, name=name, stage=stage, when=when, queue=queue)
    for name in ("first", "payout", "two", "outage"):
        yield route(tenant, name, "{type: single, model: j-gpt}")


def _beside() -> Iterator[str]:
    """Routes that ask another vendor's model beside every call; it may not be asked for `barred`.

    A person sees the answers of `looked` before their callers do, and the calls of `opened` before any model does.
    """
    yield _BESIDE
    yield _REVIEWER.format(who="rui", tenant="beside")
    yield _QUEUE.format(tenant="beside", name="desk", spec="{reviewers: ['role:reviewer']}")
    for name, stage in (("looked", "response"), ("opened", "request")):
        when = f'route.name == "{name}"'
        told = {"name": f"who-{name}", "stage": stage, "when": when, "queue": "desk"}
        yield _ESCALATION.format(tenant="beside", **told)
    for name in ("watched", "barred", "looked", "opened"):
        yield route("beside", name, "{type: single, model: j-gpt}") + _ASKED_BESIDE


def _tools() -> Iterator[str]:
    """Routes whose answers may not ask for much money (`ruled`), or wait for a person where they ask for any (`looked`)."""
    yield _TOOLS
    yield _REVIEWER.format(who="rui", tenant="tools")
    spec = "{reviewers: ['role:reviewer']}"
    yield _QUEUE.format(tenant="tools", name="desk", spec=spec)
    yield _ESCALATION.format(
        tenant="tools", name="who-pays", stage="tool", when=_TOOL_HELD, queue="desk"
    )
    yield route("tools", "ruled", "{type: single, model: j-gpt}")
    yield route("tools", "ruled-claude", "{type: single, model: j-claude}")
    yield route("tools", "looked", "{type: single, model: j-gpt}")


def _redact() -> Iterator[str]:
    """Routes that take cards out of what they send (`asked`) and accounts out of what comes back (`told`), to each vendor."""
    yield _REDACT
    for name in ("asked", "told"):
        yield route("redact", name, "{type: single, model: j-gpt}")
        yield route("redact", f"{name}-claude", "{type: single, model: j-claude}")


def _tenant(name: str) -> list[str]:
    limit, exhausted = _LIMITS.get(name, ("1000.00", "deny"))
    return [
        _TENANT.format(name=name, more=_LABELS if name == "labels" else ""),
        budget(name, limit, exhausted),
        route(name, "one", "{type: single, model: j-gpt}"),
        route(name, "both", "{type: fallback, models: [j-gpt, j-claude]}", attempts=2),
        route(name, "turned", "{type: fallback, models: [j-claude, j-gpt]}", attempts=2),
        route(name, "claude", "{type: single, model: j-claude}"),
    ]
