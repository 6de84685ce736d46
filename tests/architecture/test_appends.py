"""Every command of every room that changes something leads to an append; what does not is named here, with its reason."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOORS = {"append", "append_alone", "append_entry", "audit_append"}
SILENT = {
    "policies/changes/commands.py": {
        "content_digest": "reads",
        "dismiss": "a part of what its callers say: edited, rebased, returned",
        "locked": "reads, under a lock",
        "require_state": "reads",
        "said_why": "checks a reason",
    },
    "policies/identity/commands.py": {"find_key": "reads"},
    "policies/replay/commands.py": {"progress": "how far a job is"},
    "policies/stops/commands.py": {"place_of": "reads"},
    "routing/closing/commands.py": {"lock": "takes a lock"},
    "routing/files/commands.py": {
        "broke": "how a job ended; that the file was asked for is an entry",
        "claim": "which worker has a job",
        "expire": "what was made to be fetched is gone after a day, as its entry said",
        "finish": "how a job ended",
        "keep": "a piece of what was asked for",
        "ordered": "makes no row yet",
        "progress": "how far a job is",
    },
}
"""Public functions of commands.py that append nothing, and why they need not."""


def _module(dotted: str) -> Path | None:
    """The file of a module of ours."""
    base = ROOT.joinpath(*dotted.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _parsed(path: Path) -> tuple[dict[str, ast.AST], dict[str, tuple[Path, str]], dict[str, Path]]:
    """Functions and constants by name, names imported from modules of ours, and modules of ours by name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own: dict[str, ast.AST] = {}
    names: dict[str, tuple[Path, str]] = {}
    modules: dict[str, Path] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            own[node.name] = node
        elif isinstance(node, ast.Assign):
            own |= {target.id: node for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if whole := _module(f"{node.module}.{alias.name}"):
                    modules[alias.asname or alias.name] = whole
                elif part := _module(node.module):
                    names[alias.asname or alias.name] = (part, alias.name)
    return own, names, modules


def _leads_on(path: Path, name: str) -> set[tuple[Path, str]]:
    """What a function uses of ours."""
    own, names, modules = _parsed(path)
    found: set[tuple[Path, str]] = set()
    for node in ast.walk(own.get(name, ast.Pass())):
        if isinstance(node, ast.Name):
            found |= {(path, node.id)} if node.id in own else set()
            found |= {names[node.id]} if node.id in names else set()
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found |= {(modules[node.value.id], node.attr)} if node.value.id in modules else set()
    return found


def _says(path: Path, name: str) -> bool:
    """Whether this is a door to the log, or SQL that goes through it."""
    if name in DOORS:
        return True
    node = _parsed(path)[0].get(name, ast.Pass())
    texts = (
        n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)
    )
    return any("audit_append(" in text for text in texts)


def appends(path: Path, name: str) -> bool:
    """Whether something that a function uses, however far away, appends an entry."""
    seen: set[tuple[Path, str]] = set()
    waiting = {(path, name)}
    while waiting:
        one = waiting.pop()
        seen.add(one)
        if _says(*one):
            return True
        waiting |= _leads_on(*one) - seen
    return False


def commands() -> list[tuple[Path, str]]:
    """Every public function of every commands.py."""
    return [
        (path, node.name)
        for app in ("audit", "policies", "routing")
        for path in sorted((ROOT / app).rglob("commands.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
    ]


def test_every_command_leads_to_an_append_or_says_why_not() -> None:
    silent: dict[str, set[str]] = {}
    for path, name in commands():
        if not appends(path, name):
            silent.setdefault(str(path.relative_to(ROOT)), set()).add(name)
    assert silent == {file: set(names) for file, names in SILENT.items()}
    assert len(commands()) >= 50


def test_a_function_that_appends_nothing_is_told_from_one_that_does() -> None:
    identity = ROOT / "policies" / "identity" / "commands.py"
    assert appends(identity, "create_key")
    assert not appends(ROOT / "policies" / "order" / "ids.py", "new_id")
