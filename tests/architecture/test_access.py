"""Who may do what is said in `access.py` alone, and every command asks there again."""

import ast

from tests.architecture.source import modules

ASKS = {"holds", "tenants_with", "require"}
MAY_ASK = {
    "controlplane.kernel.principal": "where the questions are made",
    "controlplane.menu": "what the menu shows; every page asks its own guard",
    "routing.ui.overview": "which lines the overview shows; each links to a page with its own guard",
}
COMMANDS = ("commands", "members")


def _asks(tree: ast.AST) -> list[str]:
    """Questions about roles: `principal.holds("admin")`, `principal.tenants_with(…)`, `require(…)`, `raise Forbidden`."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            of_role = bool(node.args) or name == "tenants_with"
            owner = node.func.value if isinstance(node.func, ast.Attribute) else None
            named = getattr(owner, "id", getattr(owner, "attr", ""))
            if name in ASKS and of_role and named in {"", "principal"}:
                found.append(f"{name}:{node.lineno}")
        if isinstance(node, ast.Raise) and "Forbidden" in ast.dump(node):
            found.append(f"Forbidden:{node.lineno}")
    return found


def test_roles_are_asked_in_access_modules_alone() -> None:
    found = [
        f"{name}.{question}"
        for name, tree in modules().items()
        if not name.endswith(".access") and name not in MAY_ASK
        for question in _asks(tree)
    ]
    assert found == []


def _public_commands() -> list[tuple[str, ast.FunctionDef]]:
    """Functions of command modules that are told who asks."""
    return [
        (f"{name}.{node.name}", node)
        for name, tree in modules().items()
        if name.rsplit(".", 1)[-1] in COMMANDS and name.startswith("policies.")
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and any(argument.arg == "principal" for argument in node.args.args)
    ]


def _calls_access(node: ast.AST) -> bool:
    return any(
        isinstance(part, ast.Attribute) and getattr(part.value, "id", "") == "access"
        for part in ast.walk(node)
    )


def test_every_command_asks_again() -> None:
    commands = _public_commands()
    assert len(commands) >= 12
    assert [name for name, node in commands if not _calls_access(node)] == []


def test_a_question_outside_would_be_found() -> None:
    assert _asks(ast.parse('x = principal.holds("admin", place)')) == ["holds:1"]
    assert _asks(ast.parse('raise Forbidden("no")')) == ["Forbidden:1"]
    assert _asks(ast.parse("share.holds()")) == []
