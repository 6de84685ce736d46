"""Changed documents, conditions, facts, answers and bundles come to a result or to one of our errors, and to nothing else."""

from random import Random

import pytest

from tests.policies.engine import fuzz

CASES = 20_000


@pytest.mark.parametrize("part", range(4))
def test_no_input_raises_what_is_not_drawn(part: int) -> None:
    results = fuzz.run(CASES // 4, seed=20261128 + part)
    # each target gets far enough to come to something
    assert set(results) == {target.__name__ for target in fuzz.WEIGHTS}
    assert results["facts_of_a_call"] > 1000


def test_what_is_not_drawn_ends_the_run_with_its_case(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(random: Random) -> None:
        raise KeyError(random.random())

    monkeypatch.setattr(fuzz, "WEIGHTS", {broken: 1})
    with pytest.raises(KeyError) as caught:
        fuzz.run(1, seed=1)
    assert caught.value.__notes__[0].startswith("fuzz: broken(Random(")
