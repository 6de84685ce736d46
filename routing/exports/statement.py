"""A statement as a table: lines, accruals, adjustments, its share of hours. The JSON is the statement itself, byte for byte."""

import json
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any, Final

from routing.closing.adjusting import signed_nano
from routing.closing.models import Statement
from routing.exports.writing import Column, Form, Is, Row, write

_TOKENS: Final = ("tokensInput", "tokensCached", "tokensCacheWrite", "tokensOutput")
_TEXTS: Final = ("what", "cost centre", "team", "route", "model", "provider", "call", "note")
_NUMBERS: Final = ("calls", "attempts", *_TOKENS)
COLUMNS: Final = (
    *(Column(name) for name in _TEXTS),
    *(Column(name, Is.NUMBER) for name in _NUMBERS),
    Column("amount", Is.MONEY),
)


def file_of(row: Statement, form: Form) -> bytes:
    """The bytes to take along."""
    if form is Form.JSON:
        return bytes(row.body)
    out = BytesIO()
    write(form, COLUMNS, rows(json.loads(bytes(row.body))), out)
    return out.getvalue()


def rows(told: Mapping[str, Any]) -> Iterator[Row]:
    """The sum of `amount` is the statement's total, with what models cost that are bought by the hour."""
    for line in told["lines"]:
        yield _row("spent", line, line["spent"])
    for one in told["accrued"]:
        yield _row(
            "accrued",
            {"call": one["call"], "note": f"attempt {one['attempt']}, {one['state']}"},
            one["reserved"],
        )
    for one in told["adjustments"]:
        note = f"corrects {one['corrects']}: {one.get('note', '')}".rstrip(": ")
        yield _row(one["kind"], {**one, "note": note, "attempts": None}, one["amount"])
    for one in told.get("capacity", ()):
        note = f"{one['hours']} hours, {one['tokens']} tokens"
        yield _row("capacity", {**one, "note": note}, one["amount"])


def _row(what: str, said: Mapping[str, Any], amount: str) -> Row:
    texts = (what, said.get("costCentre", ""), *(said.get(name, "") for name in _TEXTS[2:]))
    return (*texts, *(said.get(name) for name in _NUMBERS), signed_nano(amount))
