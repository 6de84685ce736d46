"""PURE: what a provider says it counted or billed, read from its own export or from CSV, to one line for each day and model.

A file is read whole or not at all: what is wrong is told with its line and column, or its place in the JSON. Days are UTC's, as
providers bill. Text that looks like a formula is text.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final

from controlplane.kernel.errors import InvalidRequest
from policies.engine.pricing import UsageCounts
from routing.exchange import SERVICE_TIERS

Json = Any
Key = tuple[date, str, str, str, str, str]
MOST_BYTES: Final = 16 * 1024 * 1024
MOST_LINES: Final = 200_000
COLUMNS: Final = (
    "date",
    "kind",
    "model",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "amount",
    "currency",
    "attempt",
    "service_tier",
)
"""`attempt` is what providers get as `x-mandate-attempt`, where their own log keeps it."""
STANDARD: Final = "standard"
_TIERS: Final[Mapping[str, str]] = {
    **{name: name for name in SERVICE_TIERS},
    **dict.fromkeys((STANDARD, "default", "standard_only", "auto"), STANDARD),
    "fast": "priority",
    "priority_on_demand": "priority",
    "flex_discount": "flex",
}
"""What providers call service tiers in their exports, and what an answer calls them."""
USAGE, CREDIT, TAX = KINDS = ("usage", "credit", "tax")
_MOST_TOKENS: Final = 10**15
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_AMOUNT: Final = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,20})?")
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")
_ATTEMPT: Final = re.compile(r"[0-9a-f]{32}/[1-9][0-9]{0,3}")
_NO_TEXT: Final = {
    b"PK\x03\x04": "a spreadsheet or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"\x1f\x8b": "a compressed file",
    b"%PDF": "a PDF",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}
_YEARS: Final = range(2000, 2200)


class Form(StrEnum):
    """What a file is."""

    CSV = "csv"
    OPENAI_USAGE = "openai-usage"
    OPENAI_COSTS = "openai-costs"
    ANTHROPIC_USAGE = "anthropic-usage"
    ANTHROPIC_COST = "anthropic-cost"


@dataclass(frozen=True, slots=True)
class Billed:
    """One day of one model. `usage` without tokens says None, `amount` without money; a credit's amount is below zero.

    `input` is what was neither read from nor written to a cache. `service_tier` is the one at which it was served, or
    `standard`; empty where the file does not say.
    """

    day: date
    model: str
    kind: str = USAGE
    usage: UsageCounts | None = None
    amount: Decimal | None = None
    currency: str = ""
    at: str = ""
    attempt: str = ""
    service_tier: str = ""

    @property
    def key(self) -> Key:
        """Lines of the same are one."""
        return self.day, self.kind, self.model, self.currency, self.attempt, self.service_tier


def read(data: bytes, form: str) -> tuple[Billed, ...]:
    """What the file says, summed by day and model, in order. Raises InvalidRequest."""
    if form not in tuple(Form):
        raise InvalidRequest(f'"{form[:40]}" is no form; use {", ".join(Form)}')
    if len(data) > MOST_BYTES:
        raise InvalidRequest(f"a file has at most {MOST_BYTES // 1024 // 1024} MiB")
    text = _text(data)
    found: dict[Key, Billed] = {}
    for number, line in enumerate(_READERS[Form(form)](text), 1):
        if number > MOST_LINES:
            raise InvalidRequest(f"a file has at most {MOST_LINES} lines")
        known = found.get(line.key)
        found[line.key] = line if known is None else _sum(known, line)
    if not found:
        raise InvalidRequest("there is nothing in this file")
    return tuple(found[key] for key in sorted(found))


def _text(data: bytes) -> str:
    """The file as text. Raises InvalidRequest with what to do."""
    if not data.strip():
        raise InvalidRequest("this file is empty")
    for begins, what in _NO_TEXT.items():
        if data.startswith(begins):
            raise InvalidRequest(f"this is {what}, not text in UTF-8; save it as CSV (UTF-8) first")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"byte {error.start + 1} is no UTF-8; save the file as UTF-8 first"
        ) from None


def _sum(one: Billed, other: Billed) -> Billed:
    usage, amount = one.usage or other.usage, one.amount
    if one.usage is not None and other.usage is not None:
        usage = UsageCounts(*map(sum, zip(one.usage, other.usage, strict=True)))
    if other.amount is not None:
        amount = other.amount + (amount or 0)
    return replace(one, usage=usage, amount=amount)


def _csv(text: str) -> Iterator[Billed]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = next(reader, [])
        names = [name.strip().lower() for name in head]
        _require_columns(names)
        for row in reader:
            if any(cell.strip() for cell in row):
                yield _row(names, row, reader.line_num)
    except csv.Error as error:
        raise InvalidRequest(f"line {reader.line_num}: {error}") from None


def _require_columns(names: list[str]) -> None:
    for mark, said in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and mark in names[0]:
            raise InvalidRequest(
                f"line 1: its columns are parted by {said}; save the file with commas between them"
            )
    for number, name in enumerate(names, 1):
        if name not in COLUMNS or names.index(name) != number - 1:
            what = "is there twice" if name in COLUMNS else "is unknown"
            raise InvalidRequest(
                f'line 1, column {number}: "{name[:40]}" {what}; the columns are {", ".join(COLUMNS)}'
            )
    if "date" not in names:
        raise InvalidRequest('line 1: there is no column "date"')


def _row(names: list[str], row: list[str], line: int) -> Billed:
    if len(row) != len(names):
        raise InvalidRequest(
            f"line {line}: {len(row)} columns where the first line has {len(names)}"
        )
    cells = {name: cell.strip() for name, cell in zip(names, row, strict=True)}

    def cell(name: str, made: Callable[[str], Any], default: Any = None) -> Any:  # noqa: ANN401 - whatever `made` makes
        try:
            return made(cells[name]) if cells.get(name) else default
        except ValueError as error:
            column = names.index(name) + 1
            raise InvalidRequest(f"line {line}, column {column} ({name}): {error}") from None

    day = cell("date", _day)
    if day is None:
        raise InvalidRequest(f"line {line}, column {names.index('date') + 1} (date): there is none")
    tokens = [cell(name, _tokens) for name in COLUMNS[3:7]]
    made = Billed(
        day=day,
        kind=cell("kind", _kind, USAGE),
        model=cell("model", _name, ""),
        usage=UsageCounts(*(n or 0 for n in tokens))
        if any(n is not None for n in tokens)
        else None,
        amount=cell("amount", _amount),
        currency=cell("currency", _currency, ""),
        at=f"line {line}",
        attempt=cell("attempt", _attempt, ""),
        service_tier=cell("service_tier", _tier, ""),
    )
    return _checked(made)


def _checked(line: Billed) -> Billed:
    if line.kind == USAGE and not line.model:
        raise InvalidRequest(f"{line.at}: usage names its model")
    if line.service_tier and line.kind != USAGE:
        raise InvalidRequest(f"{line.at}: only usage is served at a service tier")
    if line.attempt and line.kind != USAGE:
        raise InvalidRequest(f"{line.at}: only usage names an attempt")
    if line.amount is not None and not line.currency:
        raise InvalidRequest(f"{line.at}: an amount has a currency")
    if line.amount is None and (line.usage is None or line.kind != USAGE):
        raise InvalidRequest(f"{line.at}: there is neither an amount nor usage")
    return line


def _buckets(text: str, begins: str) -> Iterator[tuple[str, date, Mapping[str, Json]]]:
    """Each result of a page of buckets: its place, its day, and what it says."""
    try:
        found = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"this is no JSON: {error}") from None
    pages = found if isinstance(found, list) else [found]
    for number, whole in enumerate(pages):
        head = f"[{number}]." if isinstance(found, list) else ""
        buckets = whole.get("data") if isinstance(whole, dict) else None
        if not isinstance(buckets, list):
            raise InvalidRequest(f'{head}data: there is no list "data"')
        for index, bucket in enumerate(buckets):
            at = f"{head}data[{index}]"
            day = _at(f"{at}.{begins}", _moment, _of(bucket, at).get(begins))
            results = bucket.get("results")
            if not isinstance(results, list):
                raise InvalidRequest(f'{at}.results: there is no list "results"')
            for place, result in enumerate(results):
                where = f"{at}.results[{place}]"
                yield where, day, _of(result, where)


def _of(found: Json, at: str) -> Mapping[str, Json]:
    if not isinstance(found, dict):
        raise InvalidRequest(f"{at}: must be an object")
    return found


def _at(place: str, made: Callable[[Any], Any], value: Json) -> Any:  # noqa: ANN401 - whatever `made` makes
    try:
        return made(value)
    except (ValueError, TypeError, OverflowError) as error:
        told = f"{place}: {error}".encode("utf-8", "replace").decode()
        raise InvalidRequest(told) from None


def _counted(at: str, found: Mapping[str, Json], name: str) -> int:
    return int(_at(f"{at}.{name}", _tokens, found.get(name) or 0))


def _openai_usage(text: str) -> Iterator[Billed]:
    """GET /v1/organization/usage/completions, grouped by model; by service tier or batch too, where it should be told."""
    for at, day, result in _buckets(text, "start_time"):
        names = ("input_tokens", "input_cached_tokens", "input_cache_write_tokens", "output_tokens")
        every, cached, written, output = (_counted(at, result, name) for name in names)
        if cached + written > every:
            raise InvalidRequest(f"{at}.input_cached_tokens: more than input_tokens")
        usage = UsageCounts(every - cached - written, cached, written, output)
        model = _at(f"{at}.model", _name, result.get("model"))
        tier = _told_tier(at, result)
        if result.get("batch") is not None and tier in {"", STANDARD}:
            tier = "batch" if result["batch"] is True else tier
        yield Billed(day, model, usage=usage, at=at, service_tier=tier)


def _openai_costs(text: str) -> Iterator[Billed]:
    """GET /v1/organization/costs, grouped by line item: `gpt-5-mini, input`."""
    for at, day, result in _buckets(text, "start_time"):
        money = _of(result.get("amount"), f"{at}.amount")
        amount = _at(f"{at}.amount.value", _amount, money.get("value"))
        currency = _at(f"{at}.amount.currency", _currency, money.get("currency"))
        item = _at(f"{at}.line_item", _name, result.get("line_item"))
        kind = CREDIT if amount < 0 else USAGE
        yield Billed(day, item.split(",")[0].strip(), kind, amount=amount, currency=currency, at=at)


def _anthropic_usage(text: str) -> Iterator[Billed]:
    """GET /v1/organizations/usage_report/messages, grouped by model; by service tier too, where it should be told."""
    for at, day, result in _buckets(text, "starting_at"):
        written = _of(result.get("cache_creation") or {}, f"{at}.cache_creation")
        usage = UsageCounts(
            input=_counted(at, result, "uncached_input_tokens"),
            cached_input=_counted(at, result, "cache_read_input_tokens"),
            cache_write=sum(_counted(f"{at}.cache_creation", written, name) for name in written),
            output=_counted(at, result, "output_tokens"),
        )
        model, tier = _at(f"{at}.model", _name, result.get("model")), _told_tier(at, result)
        yield Billed(day, model, usage=usage, at=at, service_tier=tier)


def _anthropic_cost(text: str) -> Iterator[Billed]:
    """GET /v1/organizations/cost_report, grouped by description. Amounts are in cents."""
    for at, day, result in _buckets(text, "starting_at"):
        amount = _at(f"{at}.amount", _amount, result.get("amount")) / 100
        currency = _at(f"{at}.currency", _currency, result.get("currency"))
        name = result.get("model") or result.get("description")
        model = _at(f"{at}.model", _name, name)
        kind = CREDIT if amount < 0 else USAGE
        yield Billed(day, model, kind, amount=amount, currency=currency, at=at)


_READERS: Final[Mapping[Form, Callable[[str], Iterator[Billed]]]] = {
    Form.CSV: _csv,
    Form.OPENAI_USAGE: _openai_usage,
    Form.OPENAI_COSTS: _openai_costs,
    Form.ANTHROPIC_USAGE: _anthropic_usage,
    Form.ANTHROPIC_COST: _anthropic_cost,
}


def _day(text: str) -> date:
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.ASCII) is None:
        raise ValueError(f'"{text[:20]}" is no day; write it like 2026-11-29')
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError(f'"{text}" is no day of the calendar') from None
    return _near(day)


def _near(day: date) -> date:
    if day.year not in _YEARS:
        raise ValueError(f"{day.isoformat()} is not of this time")
    return day


def _moment(value: Json) -> date:
    """The day that a bucket begins: seconds since 1970, or RFC 3339."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**10:
        return _near(datetime.fromtimestamp(value, UTC).date())
    if isinstance(value, str) and len(value) <= 40 and "T" in value:
        return _near(datetime.fromisoformat(value).astimezone(UTC).date())
    raise ValueError("must say when the bucket begins")


def _tokens(value: Json) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,16}", value, re.ASCII):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_TOKENS:
        raise ValueError("tokens are whole numbers, never below zero")
    return value


def _amount(value: Json) -> Decimal:
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    if isinstance(value, bool) or _AMOUNT.fullmatch(text) is None:
        raise ValueError(f'"{text[:40]}" is no amount; write it like 12.50')
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("this is no amount") from None


def _currency(value: Json) -> str:
    text = str(value).upper()
    if _CURRENCY.fullmatch(text) is None:
        raise ValueError(f'"{text[:20]}" is no currency; write it like USD')
    return text


def _attempt(text: str) -> str:
    if _ATTEMPT.fullmatch(text.lower()) is None:
        raise ValueError(f'"{text[:50]}" is no attempt; write it as x-mandate-attempt said it')
    return text.lower()


def _told_tier(at: str, found: Mapping[str, Json]) -> str:
    said = found.get("service_tier")
    return "" if said is None else str(_at(f"{at}.service_tier", _tier, said))


def _tier(value: Json) -> str:
    known = _TIERS.get(value.lower()) if isinstance(value, str) else None
    if known is None:
        listed = ", ".join((*SERVICE_TIERS, STANDARD))
        raise ValueError(f'"{str(value)[:20]}" is no service tier; use {listed}')
    return known


def _kind(text: str) -> str:
    if text.lower() not in KINDS:
        raise ValueError(f'"{text[:20]}" is no kind; use {", ".join(KINDS)}')
    return text.lower()


def _name(value: Json) -> str:
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise ValueError("must name a model in at most 200 characters")
    return value
