"""No page takes more queries with ten thousand rows than with a hundred, and none takes more than a bound."""

import json
import subprocess
import sys

import pytest

from controlplane import env
from tests.browser.test_browser import PAGES, path_of
from tests.browser.world import Console

MOST = 26
"""Fifteen is the aim; the overview and a call's page are above it (docs/STATUS.md)."""
pytestmark = pytest.mark.slow


def _counts(console: Console, many: int) -> dict[str, int]:
    pages = [(who, path_of(console, path)) for who, path in PAGES]
    done = subprocess.run(
        [sys.executable, "-m", "tests.browser.count_queries", str(many)],
        cwd=env.ROOT,
        env={**console.environment, "MANDATE_ROLE": "command"},
        input=json.dumps(pages),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])
    return {f"{who} {path}": n for (who, path), n in zip(PAGES, counts, strict=True)}


def test_no_page_asks_for_each_row(lone_console: Console) -> None:
    few = _counts(lone_console, 40)
    many = _counts(lone_console, 9_900)
    ((rows,),) = lone_console.rows("SELECT count(*) FROM routing_call")
    assert rows > 10_000
    assert {page: n for page, n in many.items() if n > MOST} == {}
    assert {page: n for page, n in many.items() if n > few[page]} == {}
