"""cel-spec's vectors: everything but messages, which are not part of the language of conditions."""

import subprocess
import sys
from pathlib import Path

import pytest

from policies.engine.values import UInt
from tests.conformance.cel import run, same
from tests.conformance.textproto import parse

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "vectors"


@pytest.mark.needs_shared
def test_every_vector_without_messages_passes() -> None:
    outcomes = list(run(VECTORS / "cel"))
    misses = [name for name, wrong in outcomes if wrong and "TestAllTypes" not in wrong]
    assert misses == []
    assert len([1 for _, wrong in outcomes if not wrong]) == 494


@pytest.mark.needs_shared
def test_the_command_lists_misses_and_ends_in_the_count() -> None:
    command = [sys.executable, "-m", "tests.conformance", "cel", str(VECTORS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[-1] == "494 passed, 26 failed"
    assert len([line for line in lines if line.startswith("MISS parse/")]) == 26


def test_an_unknown_suite_says_which_there_are() -> None:
    command = [sys.executable, "-m", "tests.conformance", "none", "."]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (
        2,
        "usage: python -m tests.conformance cel|jcs|merkle FOLDER\n",
    )


def test_a_folder_without_vectors_is_a_failure(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.conformance", "cel", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (1, "0 passed, 0 failed\n")


def test_the_text_format() -> None:
    text = "a: \"x\\303\\277\" 'y' # no\nb { c: 1; c: [2, 3] } [d.e/f.G] < h: TRUE >"
    assert parse(text) == [
        ("a", b"x\xc3\xbfy"),
        ("b", [("c", "1"), ("c", "2"), ("c", "3")]),
        ("d.e/f.G", [("h", "TRUE")]),
    ]


def test_numbers_of_different_types_are_different() -> None:
    assert not same(1, UInt(1))
    assert not same(1, 1.0)
    assert not same(True, 1)
    assert same((UInt(1), float("nan")), (UInt(1), float("nan")))
