"""What the walks through the console share: the jobs beside it, and whether a page is right in the looks that differ most."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, Page

from controlplane import env
from tests.browser.test_browser import DESK, PHONE, Looker, violations
from tests.browser.world import Console
from tests.four_eyes import approved, done

SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass
class Jobs:
    """The jobs of a console, in a process of their own as in every installation."""

    process: "subprocess.Popen[str]"

    def __call__(self, name: str) -> Any:
        """Do one, to its end."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the jobs ended over {name}"
        return json.loads(line)


@contextmanager
def jobs_beside(console: Console) -> Iterator[Jobs]:
    """Until the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.browser.jobs"],
        cwd=env.ROOT,
        env={**console.environment, "MANDATE_ROLE": "command"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Jobs(process)


@contextmanager
def people(console: Console, browser: Browser, *names: str) -> Iterator[list[Looker]]:
    """A browser for each; none of them may have had anything to complain of."""
    lookers = [Looker(console, browser, name) for name in names]
    yield lookers
    for name, looker in zip(names, lookers, strict=True):
        assert looker.said == [], name
        looker.context.close()


def press(page: Page, selector: str) -> None:
    """Press what brings a new page, and wait for the whole of it: a click comes back when the page only begins to come."""
    with page.expect_navigation():
        page.click(selector)


def looks_right(looker: Looker) -> None:
    """Nothing for axe to find and no sideways scroll: light at a desk, dark on a phone. The page stays as it is."""
    page, theme = looker.page, "document.documentElement.dataset.theme"
    for size, name in ((PHONE, "dark"), (DESK, "light")):
        page.set_viewport_size(size)  # type: ignore[arg-type] # a plain dict of two numbers
        page.evaluate(f"{theme} = '{name}'")
        assert violations(page) == [], f"{page.url} {name}"
        assert page.evaluate(SIDEWAYS) == 0, f"{page.url} {name}"


def state(looker: Looker) -> str:
    """The badge beside the title."""
    return looker.page.locator(".page-head .badge").first.inner_text()


def message(looker: Looker) -> str:
    """What the page says of the step that was taken."""
    return looker.page.locator("#messages").inner_text()


def text(looker: Looker, what: str) -> str:
    """What stands in an element, its white space folded."""
    return " ".join(looker.page.locator(what).inner_text().split())


def begun(console: Console, title: str, documents: str, tenant: str = "insurance") -> str:
    """A change request of Tariq's, handed in by API; the address of its page."""
    with console.bearer(console.tokens["developer"]) as tariq:
        wanted = {"title": title, "tenant": tenant, "documents": documents, "submit": True}
        return f"/change-requests/{done(tariq.post('/change-requests/', json=wanted), 201)['id']}/"


def decided(console: Console, route: str) -> str:
    """What a call of the claims team would get on a route."""
    with console.bearer(console.tokens["developer"]) as tariq:
        wanted = {"tenant": "insurance", "team": "claims", "route": route}
        return str(done(tariq.post("/decide/", json=wanted))["effect"])


def withdrawn(console: Console, address: str, role: str = "developer") -> None:
    """The end of one that was only walked through."""
    with console.bearer(console.tokens[role]) as api:
        done(api.post(f"{address}withdraw/", json={}))


def published(console: Console, address: str) -> None:
    """Approved by Cleo, by API."""
    with console.bearer(console.tokens["approver"]) as cleo:
        assert approved(cleo, address)["state"] == "published"


def taken_away(console: Console, kind: str, name: str) -> None:
    """A document of insurance, where it is published: others did not reckon with it."""
    with console.bearer(console.tokens["developer"]) as tariq:
        read = tariq.get(f"/documents/{kind}/{name}/?tenant=insurance")
        if read.status_code != 200:
            return
        seen = {"If-Match": read.json()["digest"]}
        wanted = {"title": f"No {name} any more", "tenant": "insurance"}
        one = f"/change-requests/{done(tariq.post('/change-requests/', json=wanted), 201)['id']}/"
        edit = f"{one}edits/{kind}/{name}/?tenant=insurance"
        done(tariq.put(edit, json={"deletes": True}, headers=seen))
        done(tariq.post(f"{one}submit/"))
    published(console, one)
