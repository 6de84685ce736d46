"""Amounts parted by weight: every nano unit is somebody's, and the largest remainders get what rounding leaves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.kernel.money import apportion


@pytest.mark.parametrize(
    ("amount", "weights", "parts"),
    [
        (10, [1, 1, 1], [4, 3, 3]),
        (11, [1, 1, 1], [4, 4, 3]),
        (-10, [1, 1, 1], [-4, -3, -3]),
        (10, [1, 2], [3, 7]),
        (5, [0, 3], [0, 5]),
        (7, [0, 0], [0, 0]),
        (7, [], []),
    ],
)
def test_parts_by_weight(amount: int, weights: list[int], parts: list[int]) -> None:
    assert apportion(amount, weights) == parts


@given(
    st.integers(-(2**63), 2**63 - 1),
    st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=9).filter(any),
)
def test_the_parts_are_the_amount_and_none_is_a_unit_off(amount: int, weights: list[int]) -> None:
    parts = apportion(amount, weights)
    assert sum(parts) == amount
    whole = sum(weights)
    assert all(
        abs(part * whole - amount * w) < whole for part, w in zip(parts, weights, strict=True)
    )
