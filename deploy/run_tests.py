"""`make test`: everything, against real services, worker processes and a browser.

The browser comes from whatever works: $CHROMIUM, the system's, Playwright's own, or apt as root. Without any, the rest
runs, and then the run fails and names the command that helps.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
HELP = "apt-get install chromium   (as root), or: .venv/bin/python -m playwright install chromium"


def _say(line: str) -> None:
    sys.stderr.write(f"mandate: {line}\n")
    sys.stderr.flush()


def _runs(program: str | None) -> bool:
    """Whether it is there and starts."""
    if not program:
        return False
    try:
        return (
            subprocess.run(
                [program, "--version"], capture_output=True, timeout=60, check=False
            ).returncode
            == 0
        )
    except OSError:
        return False


def _of_system() -> str | None:
    """The configured one, or one on the path."""
    found = [os.environ.get("CHROMIUM"), *(shutil.which(name) for name in NAMES)]
    return next((program for program in found if _runs(program)), None)


def _of_playwright() -> str | None:
    """The one Playwright has, or can fetch."""
    script = (
        "from playwright.sync_api import sync_playwright as s\n"
        "with s() as p: print(p.chromium.executable_path)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    path = told.stdout.strip()
    return path if _runs(path) else None


def _install_with_apt() -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    _say("installing chromium with apt-get")
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "chromium"]):
        subprocess.run(["apt-get", *arguments], timeout=900, capture_output=True, check=False)


def _install_with_playwright() -> None:
    _say("asking Playwright for its Chromium")
    subprocess.run(
        [sys.executable, "-m", "playwright", "install", "chromium"],
        timeout=300,
        capture_output=True,
        check=False,
    )


def browser() -> str | None:
    """A Chromium that starts, installed if need be."""
    found = _of_system() or _of_playwright()
    if found is None:
        _install_with_apt()
        found = _of_system()
    if found is None:
        _install_with_playwright()
        found = _of_playwright()
    return found


def main(arguments: list[str]) -> int:
    """Run pytest; without a browser all but its tests, and fail."""
    found = browser()
    command = [sys.executable, "-m", "pytest", *arguments]
    if found is None:
        command += ["-m", "not browser"]
    else:
        os.environ["CHROMIUM"] = found
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if found is None:
        _say(f"the browser tests did not run, so this run fails: no Chromium. Install one: {HELP}")
        return code or 1
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
