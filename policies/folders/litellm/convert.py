"""A LiteLLM proxy configuration as documents: providers, models, routes, budgets, rate limits, teams."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from policies.folders.litellm.deployments import Deployment, Fleet
from policies.folders.litellm.source import Left, Source, read

Json = Any
TENANT: Final = "litellm"
USE_CASE: Final = "litellm"
_PERIODS: Final[Mapping[str, str]] = {
    "1d": "day", "24h": "day", "7d": "week", "1w": "week", "30d": "month", "1mo": "month", "90d": "quarter",
}  # fmt: skip
_SHUFFLE: Final = "simple-shuffle"
_REASONS: Final[Mapping[str, str]] = {
    "environment_variables": "set it in the environment of the processes; no value was copied",
    "general_settings": "the service is set up by its environment, and members and keys are its own",
    "redis_host": "state is in PostgreSQL; REDIS_URL names the one Redis",
    "redis_port": "state is in PostgreSQL; REDIS_URL names the one Redis",
    "redis_url": "state is in PostgreSQL; REDIS_URL names the one Redis",
    "allowed_fails": "a breaker guards each model by itself",
    "cooldown_time": "a breaker guards each model by itself",
    "context_window_fallbacks": "a model whose context is too small is never tried: name larger ones in the route",
    "content_policy_fallbacks": "a refused request is not sent to another model",
    "retry_policy": "retry.on of a route names error classes, not counts by class",
    "callbacks": "calls are in the audit log; traces go out by OTEL_EXPORTER_OTLP_ENDPOINT",
    "success_callback": "calls are in the audit log; traces go out by OTEL_EXPORTER_OTLP_ENDPOINT",
    "failure_callback": "calls are in the audit log; traces go out by OTEL_EXPORTER_OTLP_ENDPOINT",
    "drop_params": "what a model cannot do is routed around or refused, never dropped",
    "cache": "answers are not cached",
    "cache_params": "answers are not cached",
    "guardrails": "write Permissions, Validators and EscalationRules",
    "pass_through_endpoints": "only the three dialects are served",
    "mcp_servers": "tools are documents of kind Tool",
    "max_parallel_requests": "write maxConcurrency in the Provider, or concurrent in a RateLimit",
    "model_info": "no field of a Model says it",
    "litellm_params": "no field of a Model or Provider says it; callers send it with the request",
}


@dataclass(slots=True)
class Converted:
    """The documents in the order of kinds, as bodies, and what did not carry over."""

    documents: list[Json] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)

    def add(self, kind: str, name: str, spec: Json) -> None:
        """One more document; a name that is taken gets a number."""
        taken = {d["metadata"]["name"] for d in self.documents if d["kind"] == kind}
        own, number = name, 2
        while own in taken:
            own, number = f"{name[:60]}-{number}", number + 1
        self.documents.append(
            {"apiVersion": "mandate/v1", "kind": kind, "metadata": {"name": own}, "spec": spec}
        )


def converted(content: str, file: str, owner: str, day: str) -> Converted:
    """The documents of a configuration. `owner` answers for its use case and budgets; `day` is that from which its prices hold.

    Raises InvalidDocuments where it cannot be read; its text is in no message.
    """
    source = read(content, file)
    to = Converted()
    fleet = Fleet(source, day)
    fleet.read()
    for name, spec in fleet.providers.items():
        to.add("Provider", name, spec)
    for deployment in fleet.deployments:
        to.add("Model", deployment.name, deployment.spec)
    if fleet.deployments:
        purpose = "What LiteLLM served: split it by what it is used for"
        to.add("UseCase", USE_CASE, {"owner": owner, "purpose": purpose, "riskClass": "limited"})
        source.left.append(
            Left(1, "", "nobody may call yet: write a Permission, and validate the use case")
        )
    _Routes(source, fleet, to).write()
    _Money(source, fleet, to, owner).write()
    source.rest(_REASONS)
    to.left = sorted(set(source.left))
    return to


class _Routes:
    """Model groups, their fallbacks and aliases as routes."""

    def __init__(self, source: Source, fleet: Fleet, to: Converted) -> None:
        self.source, self.fleet, self.to = source, fleet, to
        self.settings = {
            path: source.tree.get(path) for path in ("router_settings", "litellm_settings")
        }

    def write(self) -> None:
        """One route for each group, and one for each other name of it."""
        fallbacks, retry = self._fallbacks(), self._retry()
        self._strategy()
        for group, deployments in self.fleet.groups.items():
            name = self.fleet.route_names[group]
            spec = self._spec(group, deployments, fallbacks)
            self.to.add("Route", name, spec | retry)
        at = "router_settings"
        aliases = self.source.take(at, self.settings[at], "model_group_alias")
        for alias, target in (aliases if isinstance(aliases, dict) else {}).items():
            group = str(target.get("model") if isinstance(target, dict) else target)
            if group not in self.fleet.groups:
                self.source.leave(f"{at}.model_group_alias.{alias}", "it names no model group")
                continue
            spec = self._spec(group, self.fleet.groups[group], fallbacks)
            self.to.add("Route", self.fleet.slug(str(alias)), spec | retry)

    def _spec(
        self, group: str, own: list[Deployment], fallbacks: Mapping[str, list[str]]
    ) -> dict[str, Json]:
        names = [d.name for d in own]
        others = [d.name for g in fallbacks.get(group, []) for d in self.fleet.groups.get(g, [])]
        more = [name for name in dict.fromkeys(others) if name not in names]
        strategy: dict[str, Json]
        if more:
            strategy = {"type": "fallback", "models": names + more}
            if len(own) > 1:
                where = own[0].path
                self.source.left.append(
                    Left(
                        self.source.lines.get(where, 1),
                        where,
                        "its group has fallbacks: its deployments are tried in order, not by weight",
                    )
                )
        elif len(own) == 1:
            strategy = {"type": "single", "model": names[0]}
        else:
            weighted = [{"model": d.name, "weight": d.weight} for d in own]
            strategy = {"type": "weighted", "models": weighted}
        return {"useCase": USE_CASE, "strategy": strategy}

    def _fallbacks(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for at, settings in self.settings.items():
            listed = self.source.take(at, settings, "fallbacks") or []
            for number, one in enumerate(listed if isinstance(listed, list) else []):
                for group, others in (one if isinstance(one, dict) else {}).items():
                    path = f"{at}.fallbacks[{number}].{group}"
                    self._fallback(found, str(group), others, path)
            default = self.source.take(at, settings, "default_fallbacks") or []
            for group in self.fleet.groups:
                self._fallback(found, group, default, f"{at}.default_fallbacks")
        return found

    def _fallback(self, found: dict[str, list[str]], group: str, others: Json, path: str) -> None:
        for other in others if isinstance(others, list) else []:
            name = str(other.get("model") if isinstance(other, dict) else other)
            if group not in self.fleet.groups or name not in self.fleet.groups:
                self.source.leave(
                    path, f'"{group}" or "{name}" is no model group that carried over'
                )
            elif name != group and name not in found.setdefault(group, []):
                found[group].append(name)

    def _retry(self) -> dict[str, Json]:
        for at, settings in self.settings.items():
            count = self.source.take(at, settings, "num_retries")
            if isinstance(count, int):
                return {"retry": {"attempts": min(count + 1, 10)}}
        return {}

    def _strategy(self) -> None:
        at = "router_settings"
        found = self.source.take(at, self.settings[at], "routing_strategy")
        if found not in (None, _SHUFFLE):
            self.source.leave(
                f"{at}.routing_strategy", f'"{found}" is not here: groups are weighted instead'
            )


class _Money:
    """Budgets, rates, and teams."""

    def __init__(self, source: Source, fleet: Fleet, to: Converted, owner: str) -> None:
        self.source, self.fleet, self.to, self.owner = source, fleet, to, owner

    def write(self) -> None:
        """What LiteLLM limits by money and by rate."""
        at = "litellm_settings"
        settings = self.source.section(at)
        self._budget(at, settings, "all", {}, ("max_budget", "budget_duration"))
        words = ("max_internal_user_budget", "internal_user_budget_duration")
        self._budget(at, settings, "each-user", {"each": ["user"]}, words)
        self._budget(
            f"{at}.default_team_params",
            settings.get("default_team_params"),
            "each-team",
            {"each": ["team"]},
            ("max_budget", "budget_duration"),
        )
        self._providers()
        self._concurrent()
        self._teams()

    def _providers(self) -> None:
        at = "router_settings.provider_budget_config"
        found = self.source.section("router_settings").get("provider_budget_config")
        for name, one in (found if isinstance(found, dict) else {}).items():
            path = f"{at}.{name}"
            if name not in self.fleet.providers:
                self.source.leave(path, "no provider of that name carried over")
                continue
            words = ("budget_limit", "time_period")
            self._budget(path, one, f"provider-{name}", {"scope": {"provider": name}}, words)

    def _concurrent(self) -> None:
        at = "general_settings"
        settings = self.source.section(at)
        count = self.source.take(at, settings, "global_max_parallel_requests")
        if isinstance(count, int) and count > 0:
            self.to.add("RateLimit", "all", {"scope": {}, "concurrent": count})

    def _teams(self) -> None:
        teams = self.source.tree.get("teams")
        names = []
        for number, team in enumerate(teams if isinstance(teams, list) else []):
            path = f"teams[{number}]"
            name = self.source.take(path, team, "team_alias")
            identity = self.source.take(path, team, "team_id")
            if not (name or identity):
                continue
            names.append(self.fleet.slug(str(name or identity)))
            scope = {"scope": {"tenant": TENANT, "team": names[-1]}}
            self._budget(path, team, names[-1], scope, ("max_budget", "budget_duration"))
            rates = {
                ours: self.source.take(path, team, theirs)
                for ours, theirs in (
                    ("requestsPerMinute", "rpm_limit"),
                    ("tokensPerMinute", "tpm_limit"),
                )
            }
            said = {key: value for key, value in rates.items() if isinstance(value, int) and value}
            if said:
                self.to.add("RateLimit", names[-1], scope | said)
            if "models" in (team if isinstance(team, dict) else {}):
                self.source.leave(f"{path}.models", "write a Permission for what a team may call")
        if names:
            self.to.documents.insert(
                0,
                {
                    "apiVersion": "mandate/v1",
                    "kind": "Tenant",
                    "metadata": {"name": TENANT},
                    "spec": {"teams": list(dict.fromkeys(names))},
                },
            )

    def _budget(
        self, path: str, at: Json, name: str, more: Mapping[str, Json], words: tuple[str, str]
    ) -> None:
        limit = self.source.take(path, at, words[0])
        duration = self.source.take(path, at, words[1])
        if limit is None:
            return
        amount, period = money(limit), _PERIODS.get(str(duration or "30d"))
        if amount is None or period is None:
            self.source.leave(f"{path}.{words[0]}", f'"{duration}" is no period of a calendar')
            return
        spec = {"scope": {}, **more, "owner": self.owner, "period": period, "limit": amount}
        self.to.add("Budget", name, spec)
        self.source.left.append(
            Left(
                self.source.lines.get(f"{path}.{words[0]}", 1),
                f"{path}.{words[0]}",
                "carried over as an amount of the organisation's currency; it was in USD",
            )
        )


def money(value: Json, times: int = 1) -> str | None:
    """An amount as documents have it; None for what is none."""
    try:
        amount = (Decimal(str(value)) * times).normalize()
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount < 0:
        return None
    whole = f"{amount:f}"
    return whole if "." in whole else f"{whole}.00"


def listing(left: Iterable[Left], file: str) -> str:
    """What did not carry over, a line each, for a person."""
    return "".join(
        f"{file}:{one.line} {re.sub(r'[^ -~]', '?', one.path)}: {one.why}\n"
        if one.path
        else f"{one.why}\n"
        for one in left
    )
