"""`manage.py bench NAME [--json]`: the benchmarks, each bounded, one at a time on a machine."""

import fcntl
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from routing.bench import append, calls, decide, inflight, replay, report, reserve, verify


class Command(BaseCommand):
    help = "Run a benchmark and print its figures."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", choices=sorted(_RUNS))
        parser.add_argument("--json", action="store_true", help="one JSON object on one line")
        parser.add_argument("--quick", action="store_true", help="a tenth of the calls, to try it")

    def handle(self, *, name: str, json: bool, quick: bool, **_options: Any) -> None:
        with _alone():
            try:
                figures = self._run(name, quick=quick)
            except calls.Mismatch as error:
                raise CommandError(str(error)) from error
        self.stdout.write(_line(figures) if json else _table(figures))

    def _run(self, name: str, *, quick: bool) -> dict[str, object]:
        work, whole, part = _RUNS[name]
        return work(part if quick else whole, self.stderr.write)


_RUNS: dict[str, tuple[Callable[..., dict[str, object]], object, object]] = {
    "append": (append.run, append.Sizes(), append.Sizes(seconds=3.0)),
    "calls": (calls.run, calls.Sizes(), calls.Sizes(400, 100, 32)),
    "decide": (decide.run, 50, 5),
    "inflight": (inflight.run, inflight.Sizes(), inflight.Sizes(120, 100)),
    "replay": (replay.run, replay.Sizes(), replay.Sizes(5_000)),
    "report": (report.run, report.Sizes(), report.Sizes(10_000, 5)),
    "reserve": (reserve.run, reserve.Sizes(), reserve.Sizes(seconds=2.0)),
    "verify": (verify.run, verify.ENTRIES, verify.ENTRIES // 10),
}
"""What runs under each name, its sizes, and those of a quick try."""


def _line(figures: dict[str, object]) -> str:
    return json.dumps(figures)


def _table(figures: dict[str, object]) -> str:
    width = max(map(len, figures))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in figures.items())


@contextmanager
def _alone() -> Iterator[None]:
    """Figures of two benchmarks at once are worth nothing."""
    with (Path(tempfile.gettempdir()) / "mandate-bench.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError("another benchmark runs on this machine; wait for its end") from None
        yield
