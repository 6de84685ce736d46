"""Decisions of the committed corpus have the bytes they always had; also in a fresh process, and under other hash seeds."""

import json
import subprocess
import sys

import pytest

from tests.policies.engine.corpus import DECISIONS, misses


def test_the_corpus_is_large_and_varied() -> None:
    cases = json.loads(DECISIONS.read_text(encoding="utf-8"))
    assert len(cases) >= 100
    assert len({case["digest"] for case in cases}) >= 100
    effects = [case["effect"] for case in cases]
    assert min(effects.count("permit"), effects.count("deny")) >= 40


def test_every_decision_has_the_bytes_it_always_had() -> None:
    assert misses() == []


@pytest.mark.parametrize("seed", ["0", "4711"])
def test_a_fresh_process_decides_the_same(seed: str) -> None:
    code = "from tests.policies.engine.corpus import misses; print(misses())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo"},
    )
    assert done.stdout == "[]\n"
