"""`python -m tests.policies.engine.freeze N [FOLDER]`: copies the engine as it is, so that it stays runnable after a change.

The copy is a package of its own: it imports nothing of `policies`, and nothing of the checker.
"""

import re
import sys
from pathlib import Path

from controlplane import env

SOURCES = ("documents", "engine")
_LEFT_OUT = ("check.py", "bounds.py")
_OURS = re.compile(rf"\bpolicies\.({'|'.join(SOURCES)})\b")
_ENTRY = '''"""Engine {number}, as it was."""

from {package}.engine.compile import load_bundle
from {package}.engine.decide import decide
from {package}.engine.explain import trace
from {package}.engine.weigh import weigh

__all__ = ["decide", "load_bundle", "trace", "weigh"]
'''


def freeze(number: int, below: Path, inside: str = "policies.engine.older") -> Path:
    """Write `engine_N` below a folder; `inside` is the package that the folder is. Returns the copy."""
    package = f"{inside}.engine_{number}".removeprefix(".")
    copy = below / f"engine_{number}"
    for source in SOURCES:
        for path in sorted((env.ROOT / "policies" / source).glob("*.py")):
            if path.name not in _LEFT_OUT:
                text = _OURS.sub(rf"{package}.\1", path.read_text(encoding="utf-8"))
                _write(copy / source / path.name, text)
    none = (
        '"""An engine that was left behind decides its own bundles alone."""\n\nOLDER: dict = {}\n'
    )
    _write(copy / "engine" / "older" / "__init__.py", none)
    _write(copy / "__init__.py", _ENTRY.format(number=number, package=package))
    return copy


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    freeze(int(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else env.ROOT / "policies" / "engine" / "older")  # fmt: skip
