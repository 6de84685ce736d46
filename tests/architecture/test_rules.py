"""House rules that no linter of others knows: length, parameters, names, roads for tables in SQL."""

import ast
import re

from tests.architecture.source import APPS, ROOT, modules

LONGEST_FUNCTION, LONGEST_MODULE, MOST_PARAMETERS = 60, 400, 5
FORBIDDEN_NAMES = {"utils", "helpers", "common", "services", "_types", "v2", "misc"}
SQL_OF = {
    "audit": ("audit_", "vault_", "partitioned_table"),
    "policies": ("policies_",),
    "routing": ("routing_",),
}


def test_functions_fit_on_a_screen() -> None:
    long = [
        f"{name}.{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert long == []


def test_functions_take_at_most_five_parameters() -> None:
    many = [
        f"{name}.{node.name}"
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and len(
            [a for a in (*node.args.posonlyargs, *node.args.args) if a.arg not in {"self", "cls"}]
        )
        > MOST_PARAMETERS
    ]
    assert many == []


def test_modules_are_at_most_four_hundred_lines() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {count}"
        for app in APPS
        for path in (ROOT / app).rglob("*.py")
        if "migrations" not in path.parts
        and (count := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_MODULE
    ]
    assert long == []


def test_no_module_is_called_utils() -> None:
    assert [name for name in modules() if FORBIDDEN_NAMES & set(name.split("."))] == []


def test_no_blind_except() -> None:
    blind = [
        f"{name}:{node.lineno}"
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in {"Exception", "BaseException"})
    ]
    assert blind == []


def test_every_ignore_carries_its_reason() -> None:
    bare = re.compile(r"#\s*(noqa(:\s*[A-Z0-9, ]+)?|type:\s*ignore(\[[a-z, -]+\])?)\s*$")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for app in APPS
        for path in (ROOT / app).rglob("*.py")
        if "migrations" not in path.parts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if bare.search(line)
    ]
    assert found == []


def test_each_apps_sql_names_its_own_tables() -> None:
    """A room's functions write its own tables; another app's are reached through that app's functions."""
    wrong = []
    for app in SQL_OF:
        others = {prefix for name, own in SQL_OF.items() if name != app for prefix in own}
        for path in (ROOT / app).rglob("*.sql"):
            text = re.sub(r"--.*", "", path.read_text(encoding="utf-8"))
            for verb, table in re.findall(r"\b(INSERT INTO|UPDATE|DELETE FROM)\s+([a-z_]+)", text):
                if table.startswith(tuple(others)) and table != "partitioned_table":
                    wrong.append(f"{path.relative_to(ROOT)}: {verb} {table}")
    assert wrong == []


CLOCKS = {"monotonic", "perf_counter"}
TIMED = {"tests/routing/calls/test_pool.py"}
"""Eight seconds or two after an outage: there is nothing else to see it by."""


def test_no_test_asserts_that_a_thing_was_quick() -> None:
    timed = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert) and _bounds_a_duration(node.test)
    }
    assert timed == TIMED


def _bounds_a_duration(test: ast.expr) -> bool:
    return any(
        isinstance(one, ast.Compare)
        and isinstance(one.ops[-1], ast.Lt | ast.LtE)
        and any(
            isinstance(part, ast.BinOp)
            and isinstance(part.op, ast.Sub)
            and any(getattr(of, "attr", "") in CLOCKS for of in ast.walk(part))
            for part in ast.walk(one)
        )
        for one in ast.walk(test)
    )
