"""Every command is refused, in some test, by a log that takes no entry, and has then changed nothing (`tests/refusing.py`)."""

import ast

from tests.architecture.test_appends import ROOT
from tests.refusing import every_command


def refused() -> set[str]:
    """The commands that tests name to `refuses_first`."""
    return {
        str(word.value)
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if "refuses_first" in (text := path.read_text(encoding="utf-8"))
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef)
        for made in node.decorator_list
        if isinstance(made, ast.Call) and ast.unparse(made.func) == "refuses_first"
        for word in made.args
        if isinstance(word, ast.Constant)
    }


def test_every_command_that_appends_is_refused_without_its_entry() -> None:
    missing = set(every_command()) - refused()
    assert missing == set(), "put @refuses_first on a test that gives them"
    assert refused() - set(every_command()) == set(), "no such command"
    assert len(every_command()) >= 50
