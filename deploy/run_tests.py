"""`make test`: everything, against real services, worker processes and a browser.

The browser comes from whatever works: $CHROMIUM, the system's, Playwright's own, or apt as root. Without any, the rest
runs, and then the run fails and names the command that helps.

1. two hands, three runs of pytest, each with services of its own: the rooms; what needs a whole installation; and, for
   the hand that is free first, installations on strange machines
2. alone, since they kill and time things: faults
3. the names of what failed, and the sum

With arguments: one run of pytest with these.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WHOLE = ("tests/browser", "tests/journeys")
_COUNTS = re.compile(r"(\d+) (passed|failed|errors?|skipped|deselected|warnings?)")
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


@dataclass
class Part:
    """One run of pytest: its name before each line it prints, and what it came to."""

    name: str
    arguments: list[str]
    code: int = 0
    lines: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Run it, and show each line as it comes."""
        command = [sys.executable, "-m", "pytest", *self.arguments]
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            for line in process.stdout or ():
                self.lines.append(line)
                sys.stdout.write(f"{self.name:<8} {line}")
                sys.stdout.flush()
        self.code = process.returncode

    def counts(self) -> Counter[str]:
        """How many passed, failed and so on, by the last line."""
        last = self.lines[-1] if self.lines else ""
        return Counter({what.removesuffix("s"): int(n) for n, what in _COUNTS.findall(last)})

    def failed(self) -> list[str]:
        """The lines of its summary."""
        return [line for line in self.lines if line.startswith(("FAILED ", "ERROR "))]


def parts(without: str) -> tuple[list[Part], Part]:
    """Those for two hands, the longest first, and the one to run alone; `without` is what else to leave out of each."""
    together = f"not (faults or machines){without}"
    ignored = [f"--ignore={folder}" for folder in WHOLE]
    beside = [
        Part("rooms", [*ignored, "-m", together]),
        Part("whole", [*WHOLE, "-m", together]),
        Part("machines", ["-m", f"(machines and not faults){without}"]),
    ]
    return beside, Part("alone", ["-m", f"faults{without}"])


def run_all(without: str) -> int:
    """Every part; 0 when all passed. The sum is the last line."""
    began = time.monotonic()
    beside, alone = parts(without)
    with ThreadPoolExecutor(2) as hands:
        list(hands.map(Part.run, beside))
    alone.run()
    found = [*beside, alone]
    counts = sum((part.counts() for part in found), Counter[str]())
    del counts["deselected"]
    for part in found:
        sys.stdout.writelines(part.failed())
    told = ", ".join(f"{number} {what}" for what, number in sorted(counts.items()))
    sys.stdout.write(f"{told or 'nothing ran'} in {time.monotonic() - began:.2f}s\n")
    sys.stdout.flush()
    return next((part.code for part in found if part.code), 0)


def main(arguments: list[str]) -> int:
    """Run pytest; without a browser all but its tests, and fail."""
    found = browser()
    if found is not None:
        os.environ["CHROMIUM"] = found
    # a process that must compile all it imports takes a second more to start, and hundreds start
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    without = "" if found else " and not browser"
    if arguments:
        command = [sys.executable, "-m", "pytest", *arguments]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
    else:
        code = run_all(without)
    if found is None:
        _say(f"the browser tests did not run, so this run fails: no Chromium. Install one: {HELP}")
        return code or 1
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
