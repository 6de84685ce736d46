"""PURE: a published Model beside a snapshot: the text with a price from a day on, or why there is none.

INVARIANT: no row that stands is changed or taken away; what was charged stays explained by the row it was charged at.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from policies.documents.document import Document
from policies.documents.kinds import KINDS
from policies.documents.parse import parse_text
from policies.engine.prices import DatedPrice, price
from policies.folders.pricebook.snapshot import CURRENCY, Row, Snapshot
from policies.forms.form import opened, posted
from policies.forms.shapes import ROW

Key = tuple[str, str]
"""Tenant and name."""


@dataclass(frozen=True, slots=True)
class Source:
    """One published document as its author wrote it; `kept` is where, when only Git may change it."""

    kind: str
    tenant: str
    name: str
    text: str
    kept: str = ""


@dataclass(frozen=True, slots=True)
class New:
    """One Model that gets a price: its whole text, and the row."""

    tenant: str
    name: str
    text: str
    row: Row


@dataclass(frozen=True, slots=True)
class Left:
    """One Model that gets none, and why."""

    tenant: str
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Compared:
    """Every Model is in one of these; `same` have the snapshot's price already."""

    new: tuple[New, ...]
    same: tuple[Key, ...]
    left: tuple[Left, ...]


class _Skipped(Exception):
    """This Model gets no price; why."""


def compare(sources: Iterable[Source], snapshot: Snapshot, day: str) -> Compared:
    """Every Model, by tenant and name, beside the snapshot's price of the day."""
    found = list(sources)
    providers = {(s.tenant, s.name): s for s in found if s.kind == "Provider"}
    new: list[New] = []
    same: list[Key] = []
    left: list[Left] = []
    for model in sorted((s for s in found if s.kind == "Model"), key=lambda s: (s.tenant, s.name)):
        try:
            made = _one(model, providers, snapshot, day)
        except _Skipped as skipped:
            left.append(Left(model.tenant, model.name, str(skipped)))
            continue
        if made is None:
            same.append((model.tenant, model.name))
        else:
            new.append(made)
    return Compared(tuple(new), tuple(same), tuple(left))


def _one(
    model: Source, providers: Mapping[Key, Source], snapshot: Snapshot, day: str
) -> New | None:
    """The new text; None where nothing differs. Raises _Skipped."""
    document = _read(model)
    spec = document.filled()
    listed = _listed(model, spec, providers, snapshot, day)
    row = {"from": day, **listed}
    rows = [price(row) for row in spec["prices"]]
    now = max((p for p in rows if p.since <= day), key=lambda p: p.since, default=None)
    if now is not None and _stands(now, row, day):
        return None
    if model.kept:
        raise _Skipped(f"it is kept in Git, {model.kept}: add there {_flow(row)}")
    text = _with(document, row)
    if text == document.source:
        raise _Skipped(f"its text cannot be written by position: add there {_flow(row)}")
    return New(model.tenant, model.name, text, row)


def _stands(now: DatedPrice, row: Row, day: str) -> bool:
    """Whether the price in force says the same. Raises _Skipped where another cannot be put beside it."""
    if now.currency != CURRENCY:
        raise _Skipped(f"it is priced in {now.currency}, the snapshot in {CURRENCY}")
    filled = KINDS["Model"].filled({"prices": [row]})["prices"][0]
    if _said(now) == _said(price(filled)):
        return True
    if now.since == day:
        raise _Skipped(f"it has a price from {day} already; no price that stands is changed")
    return False


def _listed(
    model: Source,
    spec: Mapping[str, Any],
    providers: Mapping[Key, Source],
    snapshot: Snapshot,
    day: str,
) -> Row:
    """The snapshot's price of a model. Raises _Skipped."""
    bought = spec.get("capacity")
    if bought and bought["from"] <= day <= (bought["until"] or day):
        raise _Skipped("it is bought by the hour: its tokens cost nothing")
    name = str(spec["provider"])
    found = providers.get((model.tenant, name)) or providers.get(("", name))
    if found is None:
        raise _Skipped(f'there is no provider "{name}"')
    at = _read(found).spec
    upstream = spec["upstreamName"] or model.name
    listed = snapshot.listed(at["type"], at.get("baseUrl", ""), upstream, day)
    if listed.row is None:
        raise _Skipped(listed.why)
    return listed.row


def _said(found: DatedPrice) -> tuple[object, ...]:
    """What it says in numbers, whatever they are written as; not since when."""
    ref = found.ref
    tiers = [
        (t.above, *map(Decimal, (t.input, t.cached_input, t.cache_write, t.output)))
        for t in ref.tiers
    ]
    media = [
        Decimal(own or usual)
        for own, usual in (
            (ref.image_input, ref.input),
            (ref.audio_input, ref.input),
            (ref.audio_output, ref.output),
        )
    ]
    return (
        *map(Decimal, (ref.input, ref.cached_input, ref.cache_write, ref.output)),
        *media,
        tiers,
    )


def _with(document: Document, row: Row) -> str:
    """The author's own text with one row more, everything else as it stands."""
    flat = dict(opened(document.source).flat)
    number = 1 + max(
        (
            int(n)
            for key in flat
            if (n := key.removeprefix("spec.prices.").removesuffix(ROW)).isdecimal()
        ),
        default=-1,
    )
    flat |= _posted(f"spec.prices.{number}", row)
    return posted("Model", document.source, flat).text


def _posted(name: str, row: Mapping[str, Any]) -> dict[str, list[str]]:
    flat = {name + ROW: [""]}
    for key, value in row.items():
        if isinstance(value, list):
            for number, inner in enumerate(value):
                flat |= _posted(f"{name}.{key}.{number}", inner)
        else:
            flat[f"{name}.{key}"] = [str(value)]
    return flat


def _flow(row: Mapping[str, Any]) -> str:
    """The row on one line, for people to copy."""
    parts = []
    for key, value in row.items():
        if isinstance(value, list):
            parts.append(f"{key}: [{', '.join(map(_flow, value))}]")
        else:
            bare = key in ("from", "currency", "aboveInputTokens")
            parts.append(f"{key}: {value}" if bare else f'{key}: "{value}"')
    return f"{{{', '.join(parts)}}}"


def _read(source: Source) -> Document:
    return parse_text(source.text, f"{source.kind}/{source.name}")[0]
