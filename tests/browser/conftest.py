"""One console for the session."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser import world
from tests.browser.walking import Jobs, jobs_beside, taken_away
from tests.browser.world import Console
from tests.four_eyes import four_eyes

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    running = world.start(tmp_path_factory.mktemp("console"))
    yield running.console
    running.stop()


@pytest.fixture
def lone_console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A console whose calls are a test's own: what is laid into it disturbs no figure of others."""
    running = world.start(tmp_path_factory.mktemp("lone"))
    yield running.console
    running.stop()


@pytest.fixture(scope="package")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A console in four-eyes mode, for what is published and stays, and for decisions that other tests do not expect."""
    running = world.start(tmp_path_factory.mktemp("two"))
    console, folder = running.console, tmp_path_factory.mktemp("four-eyes")
    with four_eyes(console.manage, lambda role: console.bearer(console.tokens[role]), folder):
        yield console
    running.stop()


@pytest.fixture(scope="package")
def jobs(two: Console) -> Iterator[Jobs]:
    """The jobs of that console, over calls that nothing of other tests forbids."""
    taken_away(two, "Permission", "triage-rests")
    with jobs_beside(two) as found:
        yield found


def _chromium() -> str | None:
    """`make test` says which one works; else the system's; None lets Playwright take its own."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = (os.environ.get("CHROMIUM"), *map(shutil.which, names))
    return next((path for path in found if path), None)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        expect.set_options(timeout=30_000)  # as patient as everything else, on a busy machine too
        chromium = playwright.chromium.launch(executable_path=_chromium(), args=list(ARGUMENTS))
        yield chromium
        chromium.close()
