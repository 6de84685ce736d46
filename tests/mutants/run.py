"""Run mutants: `python -m tests.mutants [NAME…]`, where a NAME selects patches whose file name holds it.

1. copy the tree (tracked files and new ones) to a temporary folder, once for each of two hands
2. the tests that patches name must pass there as it is
3. each hand applies one patch and runs its test alone, which must fail by an assertion of its own, not by an error

A patch is a unified diff under header lines `# invariant: N` and `# test: path::name`.
"""

import argparse
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent
SECONDS = 300
HANDS = 2
_HEADER = re.compile(r"^# (invariant|test): (.+)$", re.MULTILINE)
_ASSERTION = re.compile(r"^E\s+(AssertionError|assert )|: AssertionError$", re.MULTILINE)


@dataclass(frozen=True)
class Mutant:
    """One patch: the invariant whose guard it removes, and the test that must notice."""

    path: Path
    invariant: str
    test: str

    @property
    def name(self) -> str:
        return self.path.stem


def read(path: Path) -> Mutant:
    """Raises SystemExit where the header is not complete."""
    found = dict(_HEADER.findall(path.read_text(encoding="utf-8")))
    if found.keys() != {"invariant", "test"}:
        raise SystemExit(f"{path.name}: its header needs `# invariant:` and `# test:`")
    return Mutant(path, found["invariant"], found["test"])


def select(names: Sequence[str]) -> list[Mutant]:
    """The mutants whose name holds one of `names`; all without any."""
    every = [read(path) for path in sorted(FOLDER.glob("*.patch"))]
    return [one for one in every if not names or any(name in one.name for name in names)]


def copy_tree(to: Path) -> None:
    """What git tracks or would, as it lies in the work tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        source = ROOT / name
        if source.is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, to / name)
    shared = ROOT.parent / "shared"
    if shared.is_dir():
        (to.parent / "shared").symlink_to(shared)


def run_tests(tree: Path, tests: Sequence[str]) -> tuple[int, str]:
    """pytest's exit code and output; each run in a process of its own that finds only the copy."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-x", *tests]
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return 124, f"no end after {SECONDS} s\n{late.stdout!r}"
    return done.returncode, done.stdout + done.stderr


def patch(tree: Path, mutant: Mutant, *, back: bool = False) -> str:
    """Apply the patch or take it back; what git says against it, or nothing."""
    command = ["git", "apply", *(["--reverse"] if back else []), str(mutant.path)]
    # git must not take the copy for a part of a work tree around it
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    done = subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    return done.stderr if done.returncode else ""


def verdict(tree: Path, mutant: Mutant) -> str:
    """Empty when the mutant was caught, else what went wrong."""
    if refused := patch(tree, mutant):
        return f"does not apply: {refused}"
    try:
        code, output = run_tests(tree, [mutant.test])
    finally:
        patch(tree, mutant, back=True)
    if code == 1 and _ASSERTION.search(output):
        return ""
    return f"was not caught by an assertion (exit code {code}):\n{output[-2000:]}"


def verdicts(trees: Sequence[Path], mutants: Sequence[Mutant]) -> Iterator[tuple[Mutant, str]]:
    """Each mutant with its verdict, in order; a tree is in one hand at a time."""
    free: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for tree in trees:
        free.put(tree)

    def judge(mutant: Mutant) -> str:
        tree = free.get()
        try:
            return verdict(tree, mutant)
        finally:
            free.put(tree)

    with ThreadPoolExecutor(len(trees)) as hands:
        yield from zip(mutants, hands.map(judge, mutants), strict=True)


def say(line: str) -> None:
    """One line of progress."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Run what is selected; 0 when every mutant was caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("names", nargs="*", help="parts of file names; all without any")
    mutants = select(parser.parse_args(arguments).names)
    with tempfile.TemporaryDirectory(prefix="mandate-mutants-") as folder:
        trees = [Path(folder) / str(number) / "main" for number in range(HANDS)]
        for tree in trees:
            copy_tree(tree)
        code, output = run_tests(trees[0], sorted({mutant.test for mutant in mutants}))
        if code:
            say(f"the tests fail without a mutant (exit code {code}):\n{output[-4000:]}")
            say(f"0 passed, {len(mutants)} failed")
            return 1
        failed = 0
        for mutant, wrong in verdicts(trees, mutants):
            failed += bool(wrong)
            say(
                f"{'FAILED' if wrong else 'caught'} {mutant.name} (invariant {mutant.invariant}) {wrong}",
            )
    say(f"{len(mutants) - failed} passed, {failed} failed")
    return 1 if failed or not mutants else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
