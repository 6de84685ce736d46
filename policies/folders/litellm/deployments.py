"""`model_list` as providers and models."""

import re
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from policies.documents.accounts import URL
from policies.folders.litellm.source import Left, Source, variable

Json = Any
_OWN: Final = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "azure": "azure-openai",
    "azure_ai": "azure-openai",
}
_COMPATIBLE: Final = {
    "deepseek": "https://api.deepseek.com/v1",
    "groq": "https://api.groq.com/openai/v1",
    "mistral": "https://api.mistral.ai/v1",
    "together_ai": "https://api.together.xyz/v1",
    "fireworks_ai": "https://api.fireworks.ai/inference/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "perplexity": "https://api.perplexity.ai",
    "xai": "https://api.x.ai/v1",
    "hosted_vllm": "",
    "vllm": "",
    "ollama": "",
    "ollama_chat": "",
    "lm_studio": "",
    "litellm_proxy": "",
    "custom_openai": "",
    "text-completion-openai": "",
}
_CAPABILITIES: Final = {
    "supports_function_calling": "tools",
    "supports_vision": "vision",
    "supports_response_schema": "json_schema",
}
_PRICES: Final = {
    "inputPerMillion": "input_cost_per_token",
    "outputPerMillion": "output_cost_per_token",
    "cachedInputPerMillion": "cache_read_input_token_cost",
    "cacheWritePerMillion": "cache_creation_input_token_cost",
}
_CONTEXT, _OUTPUT = 128_000, 4_096
_MILLION: Final = 1_000_000
_LONGEST_SECONDS: Final = 600


@dataclass(slots=True)
class Deployment:
    """One entry that carried over: its document, and how much of its group's calls it takes."""

    path: str
    group: str
    name: str
    spec: dict[str, Json]
    weight: int


@dataclass(slots=True)
class Fleet:
    """All providers, models and groups."""

    source: Source
    day: str
    providers: dict[str, dict[str, Json]] = field(default_factory=dict)
    deployments: list[Deployment] = field(default_factory=list)
    groups: dict[str, list[Deployment]] = field(default_factory=dict)
    route_names: dict[str, str] = field(default_factory=dict)

    def read(self) -> None:
        """Every entry of `model_list`."""
        listed = self.source.tree.get("model_list")
        for number, entry in enumerate(listed if isinstance(listed, list) else []):
            self._entry(f"model_list[{number}]", entry)
        for group, own in self.groups.items():
            name, number = self.slug(group), 2
            while name in self.route_names.values():
                name, number = f"{self.slug(group)[:60]}-{number}", number + 1
            self.route_names[group] = name
            if name != group:
                self._note(own[0].path + ".model_name", f'callers ask for "{name}" now')
            for count, deployment in enumerate(own, 1):
                deployment.name = name if len(own) == 1 else f"{name[:58]}_{count}"

    def slug(self, text: str) -> str:
        """A name as documents have it."""
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:63]
        return name or "unnamed"

    def _entry(self, path: str, entry: Json) -> None:
        params = entry.get("litellm_params") if isinstance(entry, dict) else None
        if not isinstance(params, dict) or not isinstance(params.get("model"), str):
            self.source.leave(path, "it names no model")
            return
        info = entry.get("model_info")
        group = str(entry.get("model_name") or params["model"])
        why = self._refused(group, params, info)
        if why:
            self.source.leave(path, why)
            return
        self.source.take(path, entry, "model_name")
        provider = self._provider(f"{path}.litellm_params", params)
        self.source.take(f"{path}.litellm_params", params, "model")
        spec = {"provider": provider, **self._spec(path, params, info)}
        deployment = Deployment(path, group, "", spec, self._weight(path, params))
        self.deployments.append(deployment)
        self.groups.setdefault(group, []).append(deployment)

    def _refused(self, group: str, params: dict[str, Json], info: Json) -> str:
        vendor, _ = _named(params)
        mode = info.get("mode", "chat") if isinstance(info, dict) else "chat"
        if "*" in group or "*" in params["model"]:
            return "a wildcard: each model is a document with its price and clearance"
        if mode not in ("chat", "completion", "responses"):
            return f'mode "{mode}" is not served'
        if vendor not in _OWN and vendor not in _COMPATIBLE:
            return f'there is no provider of type "{vendor}"'
        base = params.get("api_base") or params.get("base_url")
        needs = vendor in ("azure", "azure_ai") or _COMPATIBLE.get(vendor) == ""
        if base is None and needs:
            return f'"{vendor}" needs an api_base'
        if base is not None and (variable(base) or not re.fullmatch(URL, str(base))):
            return "its api_base is not written as an address: write it here, and import again"
        return ""

    def _provider(self, path: str, params: dict[str, Json]) -> str:
        vendor, _ = _named(params)
        said = self.source.take(path, params, "api_base")
        base = said or self.source.take(path, params, "base_url") or _COMPATIBLE.get(vendor) or ""
        kind = _OWN.get(vendor, "openai-compatible")
        if kind == "openai" and base and "api.openai.com" not in base:
            kind = "openai-compatible"
        spec: dict[str, Json] = {"type": kind, **({"baseUrl": base} if base else {})}
        key = params.get("api_key")
        if key is not None:
            spec["credential"] = self._credential(path, params, vendor)
        timeouts = self._timeouts(path, params)
        if timeouts:
            spec["timeouts"] = timeouts
        known = next((name for name, other in self.providers.items() if other == spec), None)
        if known is not None:
            return known
        stem = self.slug(vendor.replace("_", "-"))
        name, number = stem, 2
        while name in self.providers:
            name, number = f"{stem}-{number}", number + 1
        self.providers[name] = spec
        return name

    def _credential(self, path: str, params: dict[str, Json], vendor: str) -> str:
        key = self.source.take(path, params, "api_key")
        name = variable(key)
        if name:
            stem = re.sub(r"_?(API_)?(KEY|TOKEN)$", "", name.upper()) or name
            secret = re.sub(r"[^a-z0-9_-]+", "-", stem.lower()).strip("-_")[:63] or vendor
            self._note(
                f"{path}.api_key",
                f"operators name the value of {name} as the secret {secret}, with its hosts",
            )
        else:
            # INVARIANT: a literal key is copied nowhere, not even in part
            secret = re.sub(r"[^a-z0-9_-]+", "-", vendor.lower())
            self._note(
                f"{path}.api_key",
                f"a literal key, not copied: operators name a new one as the secret {secret}, and this one ends",
            )
        return f"secret:{secret}"

    def _timeouts(self, path: str, params: dict[str, Json]) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for ours, theirs in (("totalSeconds", "timeout"), ("firstTokenSeconds", "stream_timeout")):
            value = self.source.take(path, params, theirs)
            if isinstance(value, int | float) and 0 < value <= _LONGEST_SECONDS:
                found[ours] = f"{value:g}"
            elif value is not None:
                self.source.leave(f"{path}.{theirs}", f"a timeout is at most {_LONGEST_SECONDS} s")
        return found

    def _spec(self, path: str, params: dict[str, Json], info: Json) -> dict[str, Json]:
        _, upstream = _named(params)
        at = f"{path}.model_info"
        self.source.take(at, info, "mode")
        context = self.source.take(at, info, "max_input_tokens") or self.source.take(
            at, info, "max_tokens"
        )
        output = self.source.take(at, info, "max_output_tokens") or self.source.take(
            f"{path}.litellm_params", params, "max_tokens"
        )
        if not isinstance(context, int) or not isinstance(output, int):
            self._note(
                path,
                f"assumed where nothing is stated: context {_CONTEXT}, answer {_OUTPUT} tokens",
            )
        able = ["chat", *(c for k, c in _CAPABILITIES.items() if self.source.take(at, info, k))]
        region = self.source.take(f"{path}.litellm_params", params, "region_name")
        self._note(path, "clearance: none stated, so it sees no data class until you say which")
        spec: dict[str, Json] = {
            "upstreamName": upstream,
            "capabilities": able,
            "contextWindow": context if isinstance(context, int) else _CONTEXT,
            "maxOutputTokens": output if isinstance(output, int) else _OUTPUT,
            **({"regions": [self.slug(str(region))]} if region else {}),
        }
        return spec | self._prices(path, params, info)

    def _prices(self, path: str, params: dict[str, Json], info: Json) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for ours, theirs in _PRICES.items():
            value = self.source.take(f"{path}.litellm_params", params, theirs)
            value = self.source.take(f"{path}.model_info", info, theirs) if value is None else value
            amount = _per_million(value)
            if amount is not None:
                found[ours] = amount
        if {"inputPerMillion", "outputPerMillion"} <= found.keys():
            return {"prices": [{"from": self.day, "currency": "USD", **found}]}
        self._note(path, "no price is stated: a model without one is not called")
        return {}

    def _weight(self, path: str, params: dict[str, Json]) -> int:
        at, weight = f"{path}.litellm_params", 0
        for key in ("weight", "rpm", "tpm"):
            value = params.get(key)
            if isinstance(value, int) and value > 0 and not weight:
                weight = min(value, 1_000_000)
        for key in ("rpm", "tpm"):
            if key in params:
                self.source.leave(
                    f"{at}.{key}",
                    "a share of its group's calls; a rate limit of a model is not executed yet",
                )
        self.source.take(at, params, "weight")
        return weight or 1

    def _note(self, path: str, why: str) -> None:
        self.source.left.append(Left(self.source.lines.get(path, 1), path, why))


def _named(params: dict[str, Json]) -> tuple[str, str]:
    """The vendor and the model of `vendor/model`."""
    said = str(params["model"])
    vendor, slash, model = said.partition("/")
    if slash:
        return str(params.get("custom_llm_provider") or vendor), model
    guess = (
        "anthropic"
        if said.startswith("claude")
        else "gemini"
        if said.startswith("gemini")
        else "openai"
    )
    return str(params.get("custom_llm_provider") or guess), said


def _per_million(value: Json) -> str | None:
    try:
        amount = Decimal(str(value)) * _MILLION
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount < 0:
        return None
    # at most nine decimals, as documents have them
    whole = f"{amount.quantize(Decimal('0.000000001')).normalize():f}"
    return whole if "." in whole else f"{whole}.00"
