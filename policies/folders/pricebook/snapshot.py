"""PURE: a `genai-prices` snapshot (its `data.json`): which prices it lists for a model, at a provider, on a day.

Only what a Model document can say is read. Prices are decimals as the file writes them, never floats.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from controlplane.kernel.errors import InvalidRequest

Json = Any
Row = dict[str, Any]
"""A price of a Model document, without its day."""

CURRENCY: Final = "USD"
PROVIDERS: Final[Mapping[str, str]] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "azure-openai": "azure",
    "gemini": "google",
}
"""Whose list a type of provider has; others are found by their address."""

_INPUT, _CACHED, _WRITE, _OUTPUT = (
    "inputPerMillion",
    "cachedInputPerMillion",
    "cacheWritePerMillion",
    "outputPerMillion",
)
_LINES: Final[Mapping[str, tuple[str, ...]]] = {
    _INPUT: ("input_mtok",),
    _CACHED: ("cache_read_mtok",),
    # an answer does not always say for how long was written: the dearest is the one that may be billed
    _WRITE: ("cache_write_mtok", "cache_write_5m_mtok", "cache_write_1h_mtok"),
    _OUTPUT: ("output_mtok",),
}
_MEDIA: Final[Mapping[str, str]] = {
    "imageInputPerMillion": "input_image_mtok",
    "audioInputPerMillion": "input_audio_mtok",
    "audioOutputPerMillion": "output_audio_mtok",
}
_LONGEST_PATTERN: Final = 500
_DEEPEST: Final = 8


@dataclass(frozen=True, slots=True)
class Listed:
    """What the snapshot says of a model: the price of a day, or why there is none."""

    row: Row | None
    why: str = ""


class Snapshot:
    """One file. Raises InvalidRequest where it is no such file."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        try:
            found = json.loads(text, parse_float=Decimal, parse_int=int)
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(f'"{name}" is no JSON: {error}') from error
        providers = found.get("providers") if isinstance(found, dict) else found
        if not isinstance(providers, list) or not all(_is_provider(p) for p in providers):
            raise InvalidRequest(f'"{name}" is no snapshot of genai-prices: a list of providers')
        self._providers: list[dict[str, Json]] = providers

    def listed(self, kind: str, address: str, upstream: str, day: str) -> Listed:
        """The price of a model at a provider of this type (or address) on a day."""
        at = self._provider(kind, address)
        if at is None:
            return Listed(
                None, f'it lists no provider of type "{kind}"' + f" at {address}" * bool(address)
            )
        model = self._model(at, upstream)
        if model is None:
            return Listed(None, f'it lists no "{upstream}" at {at["id"]}')
        try:
            return _priced(model.get("prices"), day)
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
            return Listed(None, f'what it says of "{upstream}" cannot be read')

    def _provider(self, kind: str, address: str) -> Mapping[str, Json] | None:
        if not address and kind in PROVIDERS:
            return next((p for p in self._providers if p["id"] == PROVIDERS[kind]), None)
        return next((p for p in self._providers if _found(p.get("api_pattern"), address)), None)

    def _model(self, provider: Mapping[str, Json], upstream: str) -> Mapping[str, Json] | None:
        models = [m for m in provider["models"] if isinstance(m, dict)]
        exact = (m for m in models if m.get("id") == upstream)
        return next(exact, None) or next(
            (m for m in models if _matches(m.get("match"), upstream)), None
        )


def _is_provider(found: Json) -> bool:
    return (
        isinstance(found, dict)
        and isinstance(found.get("id"), str)
        and isinstance(found.get("models"), list)
    )


def _found(pattern: Json, text: str) -> bool:
    if not text or not isinstance(pattern, str) or len(pattern) > _LONGEST_PATTERN:
        return False
    try:
        return re.match(pattern, text) is not None
    except re.error:
        return False


def _matches(clause: Json, name: str, depth: int = 0) -> bool:
    """A clause has one member: how the name must be, or other clauses."""
    if not isinstance(clause, dict) or len(clause) != 1 or depth > _DEEPEST:
        return False
    [(word, wanted)] = clause.items()
    if word in ("or", "and") and isinstance(wanted, list):
        inside = (_matches(one, name, depth + 1) for one in wanted)
        return any(inside) if word == "or" else bool(wanted) and all(inside)
    if not isinstance(wanted, str):
        return False
    if word == "regex":
        return _found(f"(?:{wanted})" if wanted.startswith("^") else f"(?s:.*?)(?:{wanted})", name)
    tests = {
        "equals": name == wanted,
        "starts_with": name.startswith(wanted),
        "ends_with": name.endswith(wanted),
        "contains": wanted in name,
    }
    return tests.get(word, False)


def _priced(prices: Json, day: str) -> Listed:
    """Of dated prices the last that is in force; one by the hour of the day is none that a document can say."""
    if isinstance(prices, dict):
        return _row(prices)
    row: Json = None
    for one in prices or ():
        constraint = one.get("constraint")
        if constraint and "start_date" not in constraint:
            return Listed(None, "its price depends on the hour of the day")
        if not constraint or str(constraint["start_date"]) <= day:
            row = one["prices"]
    return _row(row) if row else Listed(None, "it lists no price of that day")


def _row(prices: Mapping[str, Json]) -> Listed:
    if prices.get("input_mtok") is None or prices.get("output_mtok") is None:
        return Listed(None, "it lists no price for input and output")
    lines = {
        line: [prices[n] for n in names if prices.get(n) is not None]
        for line, names in _LINES.items()
    }
    row: Row = {"currency": CURRENCY, **_at(lines, 0)}
    for line, name in _MEDIA.items():
        if prices.get(name) is not None:
            row[line] = written(_amount(prices[name], 0))
    starts = sorted(
        {int(t["start"]) for found in lines.values() for value in found for t in _tiers(value)}
    )
    if starts:
        row["tiers"] = [{"aboveInputTokens": start, **_at(lines, start + 1)} for start in starts]
    return Listed(row)


def _at(lines: Mapping[str, Sequence[Json]], tokens: int) -> dict[str, str]:
    """The lines for a request of so many tokens of input."""
    return {
        line: written(max(_amount(value, tokens) for value in found))
        for line, found in lines.items()
        if found
    }


def _tiers(value: Json) -> Iterator[Mapping[str, Json]]:
    if isinstance(value, dict):
        yield from sorted(value["tiers"], key=lambda tier: int(tier["start"]))


def _amount(value: Json, tokens: int) -> Decimal:
    if not isinstance(value, dict):
        found = value
    else:
        found = value["base"]
        for tier in _tiers(value):
            if tokens > tier["start"]:
                found = tier["price"]
    if isinstance(found, bool) or not isinstance(found, int | Decimal) or not found >= 0:
        raise ValueError("not a price")
    return Decimal(found)


def written(amount: Decimal) -> str:
    """As a document writes it: no exponent, no zeros behind."""
    return format(amount.normalize(), "f")
