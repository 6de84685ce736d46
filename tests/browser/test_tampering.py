"""In a demo an admin may damage the log to see it found; everywhere else there is no such thing."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from playwright.sync_api import Browser

from tests.browser.walking import looks_right, people, press, text
from tests.browser.world import Console

DAMAGED = """SELECT count(*) FROM audit_entry WHERE position('"at":"201'::bytea IN body) > 0"""
TOLD = "SELECT kind FROM audit_entry WHERE kind LIKE 'demo.%%' ORDER BY id"


@contextmanager
def _superuser(console: Console) -> Iterator[psycopg.Connection]:
    with psycopg.connect(_dsn(console), autocommit=True) as db:
        yield db


def _dsn(console: Console) -> str:
    name = urlsplit(console.environment["DATABASE_URL"]).path
    return urlsplit(os.environ["DATABASE_SUPERUSER_URL"])._replace(path=name).geturl()


@pytest.fixture
def demo(console: Console) -> Iterator[Console]:
    """What `make up` leaves behind in a demo: the superuser's address, and the owner's word that it is one."""
    services = Path(console.environment["MANDATE_HOME"]) / "services.json"
    services.write_text(json.dumps({"database_superuser_url": _dsn(console)}), encoding="utf-8")
    with _superuser(console) as db:
        db.execute("INSERT INTO demo_installation DEFAULT VALUES ON CONFLICT DO NOTHING")
        yield console
        services.unlink()
        db.execute("DELETE FROM demo_installation")


def test_verify_names_the_entry_that_a_superuser_changed(demo: Console, browser: Browser) -> None:
    demo.manage("sequencer", "--once")
    assert demo.rows(DAMAGED) == [(0,)]
    with people(demo, browser, "ada") as (ada,):
        page = ada.page
        page.goto("/log/state/")
        looks_right(ada)
        press(page, "text=Date one entry back")
        said = text(ada, "#messages")
        number = said.split()[1]
        assert "now says that it happened ten years earlier" in said
        assert demo.rows(DAMAGED) == [(1,)]
        looks_right(ada)
        press(page, "#main button:has-text('Verify the whole log')")
        assert "wrong with the log" in text(ada, "#verified .callout-bad")
        assert f"entry {number}:" in text(ada, "#verified .callout-bad")
        page.goto("/log/state/")
        press(page, "text=Put it back")
        assert text(ada, "#messages") == (
            f"Entry {number} says again what it said. Verify the whole log."
        )
        assert demo.rows(DAMAGED) == [(0,)]
        page.goto("/log/")
        page.click("button:has-text('Verify the whole log')")
        page.wait_for_selector("#verified .callout", timeout=20_000)
        assert text(ada, "#verified strong").endswith(": nothing is wrong")
    assert demo.rows(TOLD) == [("demo.tampered",), ("demo.restored",)]
    with _superuser(demo) as db:
        states = db.execute(
            "SELECT DISTINCT tgenabled::text FROM pg_trigger WHERE tgname = 'refuse_change'"
        ).fetchall()
    assert states == [("A",)]  # the guards are on again


def test_only_an_admin_and_only_once(demo: Console) -> None:
    demo.manage("sequencer", "--once")
    before = demo.rows(TOLD)
    with demo.signed_in("cleo") as cleo:
        assert "try to cheat" not in cleo.get("/log/state/").text
        assert demo.post(cleo, "/log/tamper/").status_code == 403
        assert demo.post(cleo, "/log/restore/").status_code == 403
    with demo.signed_in("ada") as ada:
        ada.get("/log/")
        assert demo.post(ada, "/log/restore/").status_code == 409
        assert demo.rows(DAMAGED) == [(0,)]
    assert demo.rows(TOLD) == before


@pytest.mark.parametrize("missing", ["the superuser", "the demo"])
def test_everywhere_else_there_is_no_such_thing(console: Console, missing: str) -> None:
    services = Path(console.environment["MANDATE_HOME"]) / "services.json"
    if missing == "the demo":
        services.write_text(json.dumps({"database_superuser_url": _dsn(console)}), encoding="utf-8")
    before = console.rows(TOLD)
    try:
        with console.signed_in("ada") as ada:
            assert "try to cheat" not in ada.get("/log/state/").text
            assert console.post(ada, "/log/tamper/").status_code == 404
            assert console.post(ada, "/log/restore/").status_code == 404
    finally:
        services.unlink(missing_ok=True)
    assert console.rows(DAMAGED) == [(0,)]
    assert console.rows(TOLD) == before
