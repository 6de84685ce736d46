"""Rows as files. Whatever a caller, a document or a provider named becomes text: no cell of any file is ever a formula."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from io import StringIO
from typing import BinaryIO, Final

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from audit.export import FORMULA, cell
from controlplane.kernel.money import format_nano

__all__ = ["FORMULA", "TYPES", "Column", "Form", "Is", "Row", "Value", "shown", "write"]
Value = str | int | None
ROWS_OF_A_SHEET: Final = 1_000_000
"""Excel takes 1,048,576; what is more goes on in another sheet."""
EXACT_DIGITS: Final = 15
"""What a spreadsheet keeps of a number; an amount with more digits is written as text."""
LONGEST_CELL: Final = 32_767
MONEY_FORMAT: Final = "#,##0.00#######"
"""Two places at least, and all nine where there are: a small amount is no power of ten."""
_NARROWEST: Final = 10


class Form(StrEnum):
    """How a file is written."""

    CSV = "csv"
    JSON = "json"
    XLSX = "xlsx"


TYPES: Final = {
    Form.CSV: "text/csv; charset=utf-8",
    Form.JSON: "application/json",
    Form.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class Is(StrEnum):
    """What a column holds: words, whole numbers, or nano units of money."""

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    holds: Is = Is.TEXT


Row = Sequence[Value]


def write(form: Form, columns: Sequence[Column], rows: Iterable[Row], out: BinaryIO) -> int:
    """Write all of it and return how many rows there were; one row is in memory at a time."""
    match form:
        case Form.CSV:
            return _csv(columns, rows, out)
        case Form.JSON:
            return _json(columns, rows, out)
        case Form.XLSX:
            return _xlsx(columns, rows, out)


def shown(column: Column, value: Value) -> str:
    """A value as exact text; empty for none."""
    if value is None:
        return ""
    return format_nano(int(value)) if column.holds is Is.MONEY else str(value)


def _csv(columns: Sequence[Column], rows: Iterable[Row], out: BinaryIO) -> int:
    number = 0
    for number, line in enumerate(_lines(columns, rows)):  # noqa: B007 - the last one says how many
        held = StringIO()
        csv.writer(held, lineterminator="\r\n").writerow(line)
        out.write(held.getvalue().encode())
    return number


def _lines(columns: Sequence[Column], rows: Iterable[Row]) -> Iterator[list[str]]:
    yield [cell(column.name) for column in columns]
    for row in rows:
        yield [
            # INVARIANT: only text can be a formula; numbers are ours, a minus included
            cell(shown(column, value)) if column.holds is Is.TEXT else shown(column, value)
            for column, value in zip(columns, row, strict=True)
        ]


def _json(columns: Sequence[Column], rows: Iterable[Row], out: BinaryIO) -> int:
    """A list of objects; money is text, so that no reader makes a float of it."""
    number = 0
    out.write(b"[")
    for row in rows:
        said = {
            column.name: value
            if value is None or column.holds is not Is.MONEY
            else shown(column, value)
            for column, value in zip(columns, row, strict=True)
        }
        out.write(b",\n" if number else b"\n")
        out.write(json.dumps(said, ensure_ascii=False).encode())
        number += 1
    out.write(b"\n]\n")
    return number


def _xlsx(columns: Sequence[Column], rows: Iterable[Row], out: BinaryIO) -> int:
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    number = 0
    with xlsxwriter.Workbook(out, options) as book:
        head, money = book.add_format({"bold": True}), book.add_format({"num_format": MONEY_FORMAT})
        sheet = _sheet(book, columns, head, money)
        for row in rows:
            if number and number % ROWS_OF_A_SHEET == 0:
                sheet = _sheet(book, columns, head, money)
            line = number % ROWS_OF_A_SHEET + 1
            for place, (column, value) in enumerate(zip(columns, row, strict=True)):
                _put(sheet, line, place, column, value)
            number += 1
    return number


def _sheet(
    book: xlsxwriter.Workbook, columns: Sequence[Column], head: Format, money: Format
) -> Worksheet:
    """A sheet with its heads, which stay in sight. Cells are formatted as their column is."""
    sheet = book.add_worksheet()
    sheet.freeze_panes(1, 0)
    for place, column in enumerate(columns):
        width = max(len(column.name) + 2, _NARROWEST)
        sheet.set_column(place, place, width, money if column.holds is Is.MONEY else None)
        sheet.write_string(0, place, column.name, head)
    return sheet


def _put(sheet: Worksheet, line: int, place: int, column: Column, value: Value) -> None:
    if value is None:
        return
    text = shown(column, value)
    digits = sum(mark.isdigit() for mark in text)
    if column.holds is Is.TEXT or digits > EXACT_DIGITS:
        # INVARIANT: written as text whatever it begins with
        sheet.write_string(line, place, text[:LONGEST_CELL])
    else:
        sheet.write_number(line, place, float(text))
