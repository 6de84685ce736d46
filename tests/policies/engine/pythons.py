"""`python -m tests.policies.engine.pythons`: the corpus under every other Python that this machine has.

An interpreter is looked for on the path and where pyenv keeps them. Each gets a small environment with what the engine needs,
of the same pinned and hashed packages as everything else, made once and kept in the user's cache.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from controlplane import env

VERSIONS = ("3.11", "3.12", "3.13")
PACKAGES = ("msgspec", "rfc8785", "pyyaml", "tzdata", "jsonschema-rs")
"""What `policies.documents` and `policies.engine` load without the checker."""
_SECONDS = 240


class NotMade(Exception):
    """The environment of an interpreter could not be made; the words say why."""


def found(version: str) -> Path | None:
    """An interpreter of a version, other than the running one."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return Path(sys.executable)
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    named = shutil.which(f"python{version}")
    candidates = [*sorted(kept.glob(f"{version}.*/bin/python{version}")), *([Path(named)] if named else [])]  # fmt: skip
    return next((path for path in candidates if _is(path, version)), None)


def _is(path: Path, version: str) -> bool:
    """Whether it starts and is what it is called: pyenv puts shims on the path that only say what to set."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() == version


def environment(python: Path) -> Path:
    """The interpreter of its environment, made where it is not there yet. Raises NotMade."""
    if python == Path(sys.executable):
        return python
    wanted = requirements()
    mark = hashlib.sha256(f"{python.resolve()}\n{wanted}".encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mandate-pythons"
    made = cache / mark
    if (made / "ready").exists():
        return made / "bin" / "python"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    (made / "requirements.txt").write_text(wanted, encoding="utf-8")
    listed = str(made / "requirements.txt")
    _run([str(python), "-m", "venv", str(made)])
    pip = [str(made / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps"]
    _run([*pip, "--only-binary", ":all:", "--require-hashes", "-r", listed])
    (made / "ready").touch()
    return made / "bin" / "python"


def requirements() -> str:
    """The lines of base.txt for the packages, with their hashes."""
    whole = (env.ROOT / "requirements" / "base.txt").read_text(encoding="utf-8")
    blocks = re.findall(r"^([a-z0-9-]+)==[^\n]*(?:\n    --hash[^\n]*)+", whole, re.MULTILINE)
    texts = {name: re.search(rf"^{name}==[^\n]*(?:\n    --hash[^\n]*)+", whole, re.MULTILINE) for name in blocks}  # fmt: skip
    return "\n".join(text[0] for name in PACKAGES if (text := texts[name])) + "\n"


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotMade(str(error)) from error
    if done.returncode:
        raise NotMade(done.stderr.strip()[-500:] or done.stdout.strip()[-500:])


def corpus_under(python: Path) -> subprocess.CompletedProcess[str]:
    """Run the corpus with that interpreter; nothing of this process is handed on."""
    return subprocess.run(
        [python, "-m", "tests.policies.engine.corpus"],
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
        cwd=env.ROOT,
        env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "random"},
    )


def main() -> int:
    """Every version: what it says, or that it is not here. Ends with 1 where one misses a decision or could not be prepared."""
    status = 0
    for version in VERSIONS:
        python = found(version)
        if python is None:
            sys.stdout.write(f"Python {version} is not here\n")
            continue
        try:
            done = corpus_under(environment(python))
        except NotMade as error:
            sys.stdout.write(f"Python {version}: {error}\n")
            status = 1
            continue
        sys.stdout.write(done.stdout + done.stderr)
        status = status or done.returncode
    return status


if __name__ == "__main__":
    sys.exit(main())
