"""A log that takes no entry: each command of a test is refused first, must have changed nothing, and is then carried out.

`refuses_first("stops.set_stop", …)` on a test names the commands for which this must be so, as room and function. The entry
is one byte longer than the log takes, so that it is PostgreSQL which refuses it, wherever the command appends it.
`tests/architecture/test_refused.py` holds these names against the table of all commands.
"""

import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any, ParamSpec

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction
from psycopg.errors import CheckViolation

from audit.log import entry
from tests.architecture.test_appends import ROOT, SILENT, commands

OURS = ("audit", "policies", "routing", "controlplane", "tests")
TOO_LONG = b" " * (entry.MAX_BODY_BYTES + 1)
Given = ParamSpec("Given")
REAL = entry.Entry
_TABLES = """
SELECT string_agg(
         format('SELECT %L, count(*), coalesce(sum(xmin::text::bigint), 0) FROM %I', relname, relname),
         ' UNION ALL ' ORDER BY relname)
  FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
   AND has_table_privilege(oid, 'SELECT')
"""


@functools.cache
def every_command() -> dict[str, tuple[str, str]]:
    """Each command that appends, as `room.function`: its module and its name."""
    found: dict[str, tuple[str, str]] = {}
    for path, name in commands():
        file = path.relative_to(ROOT)
        if name not in SILENT.get(str(file), {}):
            found[f"{file.parent.name}.{name}"] = (".".join(file.with_suffix("").parts), name)
    return found


def stored() -> list[tuple[Any, ...]]:
    """How many rows each table has, and by which transactions they were written: any change of any row shows."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        cursor.execute(cursor.fetchone()[0])
        return list(cursor.fetchall())


@dataclass
class Refusing:
    """Which commands were refused, and whether one is being given now."""

    refused: set[str] = field(default_factory=set)
    built: int = 0
    inside: bool = False

    def too_long(self, *columns: Any) -> entry.Entry:
        """In the place of the entry's class, while a command is refused."""
        self.built += 1
        return replace(REAL(*columns), body=TOO_LONG)

    def first(self, name: str, command: Callable[..., Any]) -> Callable[..., Any]:
        """The command, refused before it is carried out. What ends before it appends is its own affair."""

        @functools.wraps(command)
        def given(*args: Any, **options: Any) -> Any:
            if self.inside:
                return command(*args, **options)
            before, self.built = stored(), 0
            with self.without_a_log() as met:
                met.answer = command(*args, **options)
            if not met.refused:
                assert not self.built, f"{name} goes on without its entry"
                return met.answer
            changed = sorted(set(stored()) ^ set(before))
            assert changed == [], f"{name} changed without its entry: {changed}"
            self.refused.add(name)
            return command(*args, **options)

        return given

    @contextmanager
    def without_a_log(self) -> Iterator["Met"]:
        """What is appended in it is refused by PostgreSQL; any other error goes on."""
        met = Met()
        self.inside = True
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(entry, "Entry", self.too_long)
                with transaction.atomic() if connection.in_atomic_block else nullcontext():
                    yield met
        except (DatabaseError, psycopg.DatabaseError) as error:
            if not isinstance(error.__cause__ or error, CheckViolation):
                raise
            met.refused = True
        finally:
            self.inside = False


@dataclass
class Met:
    """What a command without a log came to."""

    answer: Any = None
    refused: bool = False


@contextmanager
def refusing() -> Iterator[set[str]]:
    """Every command of every room, wherever it is known by name."""
    it, stands_for = Refusing(), {}
    with pytest.MonkeyPatch.context() as patch:
        for name, (module, function) in every_command().items():
            real = getattr(import_module(module), function)
            stands_for[real] = it.first(name, real)
        _exchange(stands_for, patch.setattr)
        yield it.refused
    # what was loaded meanwhile knows the command by its stand-in
    _exchange({wrapped: real for real, wrapped in stands_for.items()}, setattr)


def _exchange(
    commands: Mapping[Callable[..., Any], Callable[..., Any]],
    put: Callable[[ModuleType, str, Callable[..., Any]], None],
) -> None:
    for place in ours():
        for name, value in list(vars(place).items()):
            if isinstance(value, FunctionType) and value in commands:
                put(place, name, commands[value])


def ours() -> list[ModuleType]:
    """Our modules that are loaded."""
    return [module for name, module in list(sys.modules.items()) if name.partition(".")[0] in OURS]


def refuses_first(*names: str) -> Callable[[Callable[Given, None]], Callable[Given, None]]:
    """Of a test that gives these commands: each is refused first."""

    def decorate(test: Callable[Given, None]) -> Callable[Given, None]:
        @functools.wraps(test)
        def walked(*args: Given.args, **options: Given.kwargs) -> None:
            with refusing() as refused:
                test(*args, **options)
            assert set(names) - refused == set(), "not refused for want of their entry"

        return walked

    return decorate
