"""`make check`: formatting, rules, types, arrows, migrations, API schema. Runs all, then fails if any did."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import schema_changes

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
SCHEMA = ROOT / "docs" / "openapi.yaml"
APPS = ("controlplane", "audit", "policies", "routing")
SPECTACULAR = (sys.executable, "manage.py", "spectacular")
STEPS = (
    ("format", [str(BIN / "ruff"), "format", "--check", "."]),
    ("rules", [str(BIN / "ruff"), "check", "."]),
    ("types", [str(BIN / "mypy"), "manage.py", *APPS, "tests"]),
    ("arrows", [str(BIN / "lint-imports")]),
    ("migrations", [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"]),
)


def run(name: str, command: list[str]) -> bool:
    """One step; its output is shown when it fails."""
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    verdict = "ok" if done.returncode == 0 else "FAILED"
    sys.stdout.write(f"{name:<11} {verdict:<7} {time.monotonic() - began:5.1f} s\n")
    if done.returncode != 0:
        sys.stdout.write(done.stdout[-8000:] + done.stderr[-8000:])
    sys.stdout.flush()
    return done.returncode == 0


def schema_unchanged() -> bool:
    """The committed OpenAPI schema is what the code serves; `manage.py spectacular --file docs/openapi.yaml` writes it."""
    if not SCHEMA.is_file():
        return True
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "openapi.yaml"
        if not run(
            "schema",
            [*SPECTACULAR, "--validate", "--fail-on-warn", "--file", str(made)],
        ):
            return False
        if made.read_bytes() == SCHEMA.read_bytes():
            return True
    sys.stdout.write("docs/openapi.yaml is not what the code serves; write it anew with\n")
    sys.stdout.write("  .venv/bin/python manage.py spectacular --file docs/openapi.yaml\n")
    return False


def schema_kept() -> bool:
    """No difference to the released schema breaks a caller, but for those that are meant; each is named on its line."""
    return run("promises", [sys.executable, schema_changes.__file__])


def main() -> int:
    """Run every step; a home of its own keeps the developer's services out of it."""
    with tempfile.TemporaryDirectory(prefix="mandate-check-") as home:
        os.environ["MANDATE_HOME"] = home
        verdicts = [run(name, command) for name, command in STEPS]
        verdicts += [schema_unchanged(), schema_kept()]
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
