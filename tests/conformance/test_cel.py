"""cel-spec's vectors. Messages are not part of the language of conditions; those the vectors build are lowered by the runner."""

import subprocess
import sys
from pathlib import Path

import pytest

from policies.engine.values import UInt
from tests.conformance.cel import run, same
from tests.conformance.textproto import parse

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "vectors"


@pytest.mark.needs_shared
def test_every_vector_passes() -> None:
    outcomes = list(run(VECTORS / "cel"))
    assert [name for name, wrong in outcomes if wrong] == []
    assert len(outcomes) == 520


@pytest.mark.needs_shared
def test_the_command_ends_in_the_count() -> None:
    command = [sys.executable, "-m", "tests.conformance", "cel", str(VECTORS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (0, "520 passed, 0 failed\n")


VECTOR = """
section { name: "s" test { name: "t" container: "cel.expr.conformance.proto3" expr: "%s" value { %s } } }
"""


@pytest.mark.parametrize(
    ("expression", "value", "wrong"),
    [
        ("TestAllTypes{single_int64: 17}.single_int64", "int64_value: 17", ""),
        ("TestAllTypes{}.single_int64", "int64_value: 0", ""),
        ("NestedTestAllTypes{}.child.payload.single_bool", "bool_value: false", ""),
        ("TestAllTypes{}.single_int64", "int64_value: 1", "gave 0, wanted 1"),
        ("TestAllTypes{nothing: 1}.nothing", "int64_value: 1", "has no fields ['nothing']"),
        ("TestAllTypes{}.nothing", "int64_value: 1", "not compiled: 'nothing'"),
        ("google.protobuf.Timestamp{seconds: 1}", "int64_value: 1", "messages are not part"),
    ],
)
def test_only_messages_of_the_vectors_are_lowered(
    tmp_path: Path, expression: str, value: str, wrong: str
) -> None:
    (tmp_path / "a.textproto").write_text(VECTOR % (expression, value))
    ((name, told),) = run(tmp_path)
    assert name == "a/s/t"
    assert wrong in told
    assert bool(wrong) == bool(told)


def test_a_miss_is_listed_and_counted(tmp_path: Path) -> None:
    (tmp_path / "a.textproto").write_text(VECTOR % ("1 + 1", "int64_value: 3"))
    command = [sys.executable, "-m", "tests.conformance", "cel", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert done.stdout == "MISS a/s/t: gave 2, wanted 3\n0 passed, 1 failed\n"


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
