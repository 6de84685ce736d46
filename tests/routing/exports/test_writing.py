"""Files of figures: exact amounts, and no cell that is a formula."""

import csv
import json
import re
from io import BytesIO
from zipfile import ZipFile

import pytest

from routing.exports import writing
from routing.exports.writing import Column, Form, Is, write

COLUMNS = [Column("=name"), Column("calls", Is.NUMBER), Column("spent", Is.MONEY)]
EVIL = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x","y")')
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def made(form: Form, *rows: tuple[str | int | None, ...]) -> bytes:
    out = BytesIO()
    assert write(form, COLUMNS, iter(rows), out) == len(rows)
    return out.getvalue()


def sheet(data: bytes, no: int = 1) -> str:
    with ZipFile(BytesIO(data)) as book:
        return book.read(f"xl/worksheets/sheet{no}.xml").decode()


@pytest.mark.parametrize("evil", EVIL)
def test_no_cell_is_a_formula(evil: str) -> None:
    lines = list(csv.reader(made(Form.CSV, (evil, -3, -5)).decode().splitlines(keepends=True)))
    cells = [cell for line in lines for cell in line]
    assert [c for c in cells if c.startswith(writing.FORMULA) and not NUMBER.fullmatch(c)] == []
    assert lines[1][1:] == ["-3", "-0.000000005"]
    told = sheet(made(Form.XLSX, (evil, -3, -5)))
    assert "<f>" not in told
    assert told.count('t="inlineStr"') == 4, "three heads and the name"
    assert "<v>-3</v>" in told


def test_amounts_are_exact_in_every_form() -> None:
    row = ("claims", 2, 12_345_678_123_456_789)
    assert made(Form.CSV, row).decode() == "'=name,calls,spent\r\nclaims,2,12345678.123456789\r\n"
    assert json.loads(made(Form.JSON, row, ("none", None, None))) == [
        {"=name": "claims", "calls": 2, "spent": "12345678.123456789"},
        {"=name": "none", "calls": None, "spent": None},
    ]
    told = sheet(made(Form.XLSX, row, ("small", 1, 1_480_000)))
    assert "12345678.123456789</t>" in told, "more digits than a spreadsheet keeps are text"
    assert "<v>0.00148</v>" in told
    assert json.loads(made(Form.JSON)) == []


def test_a_small_amount_is_shown_in_full_by_a_spreadsheet() -> None:
    data = made(Form.XLSX, ("small", 1, 89_930))
    with ZipFile(BytesIO(data)) as book:
        styles = book.read("xl/styles.xml").decode()
    number = re.search(r'numFmtId="([0-9]+)" formatCode="#,##0\.00#######"', styles)
    assert number is not None
    formats = re.findall(r'<xf numFmtId="([0-9]+)"', styles.partition("<cellXfs")[2])
    cell = re.search(r'<c r="C2" s="([0-9]+)"><v>8.993e-05</v>', sheet(data), re.IGNORECASE)
    assert cell is not None
    assert formats[int(cell[1])] == number[1]
    assert 'state="frozen"' in sheet(data)


def test_a_workbook_goes_on_in_another_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "ROWS_OF_A_SHEET", 2)
    data = made(Form.XLSX, *(("x", n, n) for n in range(3)))
    assert sheet(data).count("<row ") == 3
    assert sheet(data, 2).count("<row ") == 2
