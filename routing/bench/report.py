"""`bench report`: how long finance waits for a page over a year of calls, and how much memory an export of them holds.

An installation of its own; a process beside it lays down 100,000 calls of thirteen months by COPY (`routing.bench.history`).
Then its pages over HTTP as a signed-in finance member, one after the other, and exports made by the jobs worker: a month
first, then twelve, in the same run. A run fails where a page, a file, the ledger's windows and the postings tell other sums,
or where an entry is left without its place in the log. Tables are analysed first, as autovacuum does within minutes.
"""

import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Final

import psycopg

from controlplane.kernel.money import parse_nano
from routing.bench.browsing import Browser
from routing.bench.calls import Mismatch
from routing.bench.site import ROOT, environment, free_port, process, ready
from routing.bench.usage import peak_kib, reset_peaks

READER: Final = "finn@acme.example"
SECONDS: Final = 300.0
_FILES: Final = (("calls", "csv"), ("calls", "xlsx"), ("calls", "json"), ("focus-1.2", "csv"))
_OUTSIDE: Final = "SELECT (SELECT count(*) FROM audit_entry) - (SELECT count(*) FROM audit_leaf)"
_WINDOWS: Final = (
    "SELECT to_char(starts AT TIME ZONE 'Europe/Berlin', 'YYYY-MM'), posted_nano + overrun_nano "
    "FROM routing_ledger_window WHERE budget = 'organisation-monthly' AND subject = ''"
)
_POSTED: Final = "SELECT sum(posted_nano + overrun_nano)::bigint FROM routing_posting"
_EXPORT: Final = "SELECT id, state, rows, told FROM routing_file ORDER BY id DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many calls there have been, and how often each page is asked for."""

    calls: int = 100_000
    rounds: int = 20


@dataclass(frozen=True, slots=True)
class Bench:
    """A running installation with its past, and a browser that finance is signed in with."""

    told: Mapping[str, str]
    up: int
    db: psycopg.Connection
    browser: Browser
    say: Callable[[str], object]


@dataclass(slots=True)
class Exported:
    """One export's figures."""

    rows: int = 0
    seconds: float = 0.0
    peak_kib: int = 0
    body: bytes = field(default=b"", repr=False)


def run(sizes: Sizes, say: Callable[[str], object]) -> dict[str, object]:
    """The figures. Raises Mismatch."""
    with _started(say) as bench:
        say(f"laying down {sizes.calls:,} calls")
        laid = json.loads(_beside(str(sizes.calls), bench.told, ""))
        _settle(bench)
        pages = pages_of(laid)
        say(f"{len(pages)} pages, {sizes.rounds} times each")
        took = timed(bench.browser, pages, sizes.rounds)
        asked = json.loads(_beside("-", bench.told, json.dumps(list(pages.values()))))
        _check_months(bench, laid["nano"])
        say("exports")
        made = {(what, form): _both(bench, what, form, laid) for what, form in _FILES}
        return {
            "calls": laid["calls"],
            "entries": laid["entries"],
            **told_of_pages(took, {name: asked[path] for name, path in pages.items()}),
            **told_of_exports(made),
        }


@contextmanager
def _started(say: Callable[[str], object]) -> Iterator[Bench]:
    with TemporaryDirectory(prefix="mandate-bench-") as folder, ExitStack() as stack:
        home, port = Path(folder) / "home", free_port()
        up = stack.enter_context(process(["manage.py", "up"], home, port))
        ready(home, port)
        services: dict[str, str] = json.loads((home / "services.json").read_text())
        people = json.loads((home / "welcome.json").read_text())["people"]
        password = next(one["password"] for one in people if one["email"] == READER)
        browser = Browser(f"http://127.0.0.1:{port}")
        browser.sign_in(READER, password)
        owner = psycopg.connect(services["database_superuser_url"], autocommit=True)
        db = stack.enter_context(owner)
        yield Bench({**environment(home, port), **services}, up, db, browser, say)


def _beside(asked: str, told: Mapping[str, str], given: str) -> str:
    """Run the program beside the installation. Raises Mismatch where it fails."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "routing.bench.history", asked],
        cwd=ROOT,
        env=dict(told),
        input=given,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        raise Mismatch(f"the history did not end well: {done.stderr.strip()[-400:]}")
    return done.stdout.splitlines()[-1]


def _settle(bench: Bench) -> None:
    """Every entry has its place in the log, and the planner knows the tables. Raises Mismatch."""
    until = time.monotonic() + SECONDS
    while outside := _one(bench.db, _OUTSIDE):
        if time.monotonic() > until:
            raise Mismatch(f"{outside} entries are not sequenced")
        time.sleep(0.5)
    bench.db.execute("VACUUM ANALYZE")


def pages_of(laid: Mapping[str, str]) -> dict[str, str]:
    """The pages that finance opens, by what they are called in the figures."""
    first, last = laid["first"], str(date.fromisoformat(laid["first"]) + timedelta(days=399))
    whole = f"from={first}&to={last}"
    month = (date.fromisoformat(first) + timedelta(days=100)).replace(day=1)
    days = f"from={month}&to={month + timedelta(days=27)}"
    return {
        "overview": "/",
        "budgets": "/budgets/",
        "month": "/reports/spend/",
        "quarter by model": "/reports/spend/?period=last-quarter&by=model&then=tenant",
        "year by team": f"/reports/spend/?{whole}&by=team&then=route&compare=-",
        "year by key": f"/reports/spend/?{whole}&by=key&then=route&compare=-",
        "year by cost centre": f"/reports/spend/?{whole}&by=costCentre&then=team&compare=-",
        "year by use case": f"/reports/spend/?{whole}&by=useCase&then=model&compare=-",
        "year by provider": f"/reports/spend/?{whole}&by=provider&then=model&compare=-",
        "year by user": f"/reports/spend/?{whole}&by=user&then=route&compare=-",
        "year by run": f"/reports/spend/?{whole}&by=run&then=model&compare=-",
        "year by label": f"/reports/spend/?{whole}&by=label&label=project&then=team&compare=-",
        "year against year": "/reports/spend/?period=year&by=tenant&then=team&compare=year",
        "one team": f"/reports/spend/?{days}&by=route&then=-&tenant=bench-a&team=claims",
        "calls": "/calls/",
        "calls of a team": f"/calls/?{days}&tenant=bench-a&team=claims&route=sort",
        "calls of a model": f"/calls/?{days}&model=bench-large",
        "calls of a year": f"/calls/?{whole}&provider=bench-two",
        "calls that failed": "/calls/?state=failed",
        "calls of one key": "/calls/?key=aclaims00",
        "one call": f"/calls/call_{laid['call']}/",
        "statements": "/reports/statements/",
        "exports": "/reports/exports/",
    }


def timed(browser: Browser, pages: Mapping[str, str], rounds: int) -> dict[str, list[float]]:
    """Milliseconds by page, after one round that is not counted. Raises Mismatch where one is not there."""
    took: dict[str, list[float]] = {name: [] for name in pages}
    for number in range(rounds + 1):
        for name, path in pages.items():
            began = time.perf_counter()
            browser.get(path)
            if number:
                took[name].append((time.perf_counter() - began) * 1000)
    return took


def told_of_pages(
    took: Mapping[str, Sequence[float]], asked: Mapping[str, int]
) -> dict[str, object]:
    """`page_p95_ms` is that of the slowest page."""
    ranked = sorted(((_p95(found), name) for name, found in took.items()), reverse=True)
    everything = [one for found in took.values() for one in found]
    return {
        "page_p95_ms": ranked[0][0],
        "slowest": ranked[0][1],
        "all_pages_p95_ms": _p95(everything),
        "pages_p95_ms": {name: figure for figure, name in ranked},
        "queries_most": max(asked.values()),
        "queries": dict(sorted(asked.items(), key=lambda one: (-one[1], one[0]))),
    }


def told_of_exports(made: Mapping[tuple[str, str], tuple[Exported, Exported]]) -> dict[str, object]:
    """Peaks of the exporting process; the growth is that from the export of one month to that of twelve."""
    small, large = zip(*made.values(), strict=True)
    growth = [(more.peak_kib - less.peak_kib) / 1024 for less, more in made.values()]
    return {
        "export_peak_mib": round(max(one.peak_kib for one in large) / 1024, 1),
        "export_growth_mib": round(max(growth), 1),
        "export_rows": max(one.rows for one in large),
        "export_rows_before": max(one.rows for one in small),
        "export_seconds": {
            f"{what} {form}": round(more.seconds, 1) for (what, form), (_, more) in made.items()
        },
    }


def _p95(values: Sequence[float]) -> float:
    return round(quantiles(values, n=100, method="inclusive")[94], 1)


def _check_months(bench: Bench, laid: Mapping[str, int]) -> None:
    """Windows, postings and the report's own file say the same of every month. Raises Mismatch."""
    windows = {str(month): int(nano) for month, nano in bench.db.execute(_WINDOWS)}
    if windows != dict(laid):
        raise Mismatch(f"the windows say {windows}, laid down were {dict(laid)}")
    if (posted := _one(bench.db, _POSTED)) != sum(laid.values()):
        raise Mismatch(f"posted were {posted} nano, laid down {sum(laid.values())}")
    for month, nano in laid.items():
        first = date.fromisoformat(f"{month}-01")
        last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
        for by in ("route", "provider"):
            body = browser_csv(bench, f"from={first}&to={last}&by={by}&then=-&compare=-")
            if (told := spent_in(body)) != nano:
                raise Mismatch(f"the report by {by} of {month} says {told} nano, not {nano}")


def browser_csv(bench: Bench, asked: str) -> bytes:
    """The report as a file."""
    return bench.browser.get(f"/reports/spend/?{asked}&as=csv")


def spent_in(body: bytes, column: str = "spent EUR") -> int:
    """The sum of a column of a file, in nano units."""
    rows = csv.DictReader(StringIO(body.decode("utf-8-sig")))
    return sum(parse_nano(format(Decimal(row[column]), "f")) for row in rows)


def _both(
    bench: Bench, what: str, form: str, laid: Mapping[str, Mapping[str, int]]
) -> tuple[Exported, Exported]:
    """An export of one month, then one of twelve; sums are checked where the file is a table of text. Raises Mismatch."""
    months = sorted(laid["nano"])[:12]
    both = (_export(bench, what, form, months[:1]), _export(bench, what, form, months))
    for made, span in zip(both, (months[:1], months), strict=True):
        if form == "csv":
            column = "spent EUR" if what == "calls" else "BilledCost"
            nano = sum(laid["nano"][month] for month in span)
            if (told := spent_in(made.body, column)) != nano:
                raise Mismatch(f"the {what} of {span} say {told} nano, not {nano}")
    return both


def _export(bench: Bench, what: str, form: str, months: Sequence[str]) -> Exported:
    reset_peaks(bench.up, "jobs")
    began = time.monotonic()
    asked = {"what": what, "form": form, "tenant": "", "first": months[0], "last": months[-1]}
    bench.browser.post("/reports/exports/", asked)
    while True:
        row = bench.db.execute(_EXPORT).fetchone()
        if row is not None and row[1] not in ("waiting", "running"):
            break
        if time.monotonic() > began + SECONDS:
            raise Mismatch(f"the export of {what} as {form} did not end")
        time.sleep(0.05)
    identity, state, rows, told = row
    if state != "ready":
        raise Mismatch(f"the export of {what} as {form} is {state}: {told}")
    seconds, peak = time.monotonic() - began, peak_kib(bench.up, "jobs")
    body = bench.browser.get(f"/reports/exports/{identity}/")
    return Exported(int(rows), seconds, peak, body)


def _one(db: psycopg.Connection, statement: str) -> int:
    row = db.execute(statement).fetchone()
    return int(row[0] or 0) if row else 0
