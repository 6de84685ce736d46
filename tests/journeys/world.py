"""The journeys' documents: one tenant for each journey, so that each asserts inside its own."""

from pathlib import Path

TENANTS = (
    "permit", "deny", "clamp", "fallback", "exhaust", "stream", "cut", "gone", "tools", "stopped",
    "unpriced", "publish", "again", "large", "loopback", "other", "faults",
)  # fmt: skip
TEAMS = tuple(f"j-{name}/desk" for name in TENANTS)

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
_PRICES = '[{from: 2026-01-01, currency: EUR, inputPerMillion: "1", outputPerMillion: "10"}]'
_TENANT = """\
apiVersion: mandate/v1
kind: Tenant
metadata: {{name: j-{name}}}
spec: {{displayName: Journey {name}, region: eu, costCentre: "1", timeZone: Europe/Berlin, teams: [desk]}}
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
---
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
metadata: {name: no-secrets, tenant: j-deny, owner: cleo@acme.example}
spec:
  effect: forbid
  level: hard
  on: call
  when: 'request.dataClasses.exists(c, c == "secret")'
  message: '"secrets may not go to a model"'
"""
_LOOPBACK = """\
apiVersion: mandate/v1
kind: Provider
metadata: {name: rebound, tenant: j-loopback}
spec: {type: openai-compatible, baseUrl: "http://localhost:9/v1"}
"""
_LIMITS = {"clamp": ("0.0100", "clamp"), "exhaust": ("0.0030", "deny")}


def write(folder: Path, port: int) -> None:
    """The folder of documents, for an upstream on that port."""
    folder.mkdir(parents=True, exist_ok=True)
    models = [_model("j-gpt", "j-openai", "small"), _model("j-claude", "j-anthropic", "large")]
    (folder / "shared.yaml").write_text("---\n".join([_SHARED.format(port=port), *models]))
    for name in TENANTS:
        (folder / f"{name}.yaml").write_text("---\n".join(_tenant(name)))
    (folder / "deny.rules.yaml").write_text(_DENY)


def _model(name: str, provider: str, tier: str, prices: str = _PRICES) -> str:
    return _MODEL.format(name=name, tenant="", provider=provider, tier=tier, prices=prices)


def _tenant(name: str) -> list[str]:
    limit, exhausted = _LIMITS.get(name, ("1000.00", "deny"))
    single, both = "{type: single, model: j-gpt}", "{type: fallback, models: [j-gpt, j-claude]}"
    claude = "{type: single, model: j-claude}"
    return [
        _TENANT.format(name=name, limit=limit, exhausted=exhausted),
        _ROUTE.format(name=name, route="one", strategy=single, attempts=1),
        _ROUTE.format(name=name, route="both", strategy=both, attempts=2),
        _ROUTE.format(name=name, route="claude", strategy=claude, attempts=1),
    ]
