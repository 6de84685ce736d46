"""Run mutants: `python -m tests.mutants [NAME…]`, where a NAME selects patches whose file name holds it.

1. two hands get a copy of the tree (tracked files and new ones) each, and services of their own
2. the tests that patches name must pass there as it is, a share of them in each
3. each hand applies one patch and runs its test alone on a new database; it must fail by an assertion of its own, not by an error

A patch is a unified diff under header lines `# invariant: N` and `# test: path::name`.
"""

import argparse
import os
import queue
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from controlplane.supervisor import Supervisor
from tests.mutants.hands import Hand, hands_in

FOLDER = Path(__file__).resolve().parent
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


def patch(tree: Path, mutant: Mutant, *, back: bool = False) -> str:
    """Apply the patch or take it back; what git says against it, or nothing."""
    command = ["git", "apply", *(["--reverse"] if back else []), str(mutant.path)]
    # git must not take the copy for a part of a work tree around it
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    done = subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    return done.stderr if done.returncode else ""


def verdict(one: Hand, mutant: Mutant) -> str:
    """Empty when the mutant was caught, else what went wrong."""
    if refused := patch(one.tree, mutant):
        return f"does not apply: {refused}"
    try:
        code, output = one.run_tests([mutant.test], mutant.path.read_text(encoding="utf-8"))
    finally:
        patch(one.tree, mutant, back=True)
    if code == 1 and _ASSERTION.search(output):
        return ""
    return f"was not caught by an assertion (exit code {code}):\n{output[-2000:]}"


def verdicts(hands: Sequence[Hand], mutants: Sequence[Mutant]) -> Iterator[tuple[Mutant, str]]:
    """Each mutant with its verdict, in order; a hand does one at a time."""
    free: queue.SimpleQueue[Hand] = queue.SimpleQueue()
    for one in hands:
        free.put(one)

    def judge(mutant: Mutant) -> str:
        one = free.get()
        try:
            return verdict(one, mutant)
        finally:
            free.put(one)

    with ThreadPoolExecutor(len(hands)) as threads:
        yield from zip(mutants, threads.map(judge, mutants), strict=True)


def say(line: str) -> None:
    """One line of progress."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def without_any(hands: Sequence[Hand], tests: Sequence[str]) -> str:
    """Empty when the tests pass in the trees as they are, a share of them in each, else what they said."""
    shares = [tests[number :: len(hands)] for number in range(len(hands))]
    with ThreadPoolExecutor(len(hands)) as threads:
        ran = threads.map(
            lambda one, share: one.run_tests(share) if share else (0, ""), hands, shares
        )
        told = [f"(exit code {code}):\n{output[-4000:]}" for code, output in ran if code]
    return "\n".join(told)


def try_all(hands: Sequence[Hand], mutants: Sequence[Mutant]) -> int:
    """How many failed; none is tried where the tests fail without them."""
    if wrong := without_any(hands, sorted({mutant.test for mutant in mutants})):
        say(f"the tests fail without a mutant {wrong}")
        return len(mutants)
    failed = 0
    for mutant, wrong in verdicts(hands, mutants):
        failed += bool(wrong)
        word = "FAILED" if wrong else "caught"
        say(f"{word} {mutant.name} (invariant {mutant.invariant}) {wrong}")
    return failed


def main(arguments: Sequence[str]) -> int:
    """Run what is selected; 0 when every mutant was caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("names", nargs="*", help="parts of file names; all without any")
    mutants = select(parser.parse_args(arguments).names)
    supervisor = Supervisor()
    with tempfile.TemporaryDirectory(prefix="mandate-mutants-") as folder:
        try:
            hands = hands_in([Path(folder) / str(number) for number in range(HANDS)], supervisor)
            failed = try_all(hands, mutants)
            for one in hands:
                one.rest()
        finally:
            supervisor.stop({}, default=5.0)
    say(f"{len(mutants) - failed} passed, {failed} failed")
    return 1 if failed or not mutants else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
