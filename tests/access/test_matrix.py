"""The role matrix: every address answers every asker as the table says, and no address is missing from it."""

from pathlib import Path
from typing import Any

import pytest

from tests.access.observe import observed
from tests.access.table import ASKERS, NOT_FOUND, Row, rows, written


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return observed(tmp_path_factory.mktemp("access"))


def test_every_address_answers_every_role_as_the_table_says(report: dict[str, Any]) -> None:
    wrong = [
        f"{row.name}: {asker} gets {got}, not {row.expected(asker)}"
        for row in rows()
        for asker, got in zip(ASKERS, report["outcomes"][row.name], strict=True)
        if got != row.expected(asker)
    ]
    assert wrong == []


def test_no_page_and_no_operation_is_missing_from_the_table(report: dict[str, Any]) -> None:
    assert report["missing"] == []


def test_who_belongs_to_another_tenant_reads_nothing_of_this_one(report: dict[str, Any]) -> None:
    assert report["leaks"] == []


def test_no_address_breaks_for_anybody(report: dict[str, Any]) -> None:
    assert report["broken"] == []


def test_the_table_names_each_row_once() -> None:
    names = [row.name for row in rows()]
    assert sorted(names) == sorted(set(names))


def test_no_object_of_a_tenant_is_open_to_another_tenants_roles() -> None:
    """What the table may say at all: an address with an object of this tenant never lets another tenant's role in."""
    wrong = [
        f"{row.name}: {asker}"
        for row in rows()
        if any(
            f"{{{name}}}" in row.address
            for name in (
                *("call", "waiting", "stop", "tenant", "person", "apikey", "invitation"),
                *("draft", "handed", "change"),
            )
        )
        for asker in ASKERS
        if asker.startswith(("there:", "foreign")) and row.expected(asker) == "+"
    ]
    assert wrong == []


def test_a_row_is_written_as_it_is_read() -> None:
    row = Row("pages.txt", "POST", "/x/", NOT_FOUND * len(ASKERS), {"reason": "why"})
    line = written(row, row.outcomes)
    assert line.endswith('nnnnnnn nnnnnnn nnnnnnn nnnn {"reason": "why"}')


def test_the_files_are_text(tmp_path: Path) -> None:
    assert [
        row.method for row in rows() if row.method not in {"GET", "POST", "PUT", "PATCH", "DELETE"}
    ] == []
