"""Amounts as they are typed, and parted by weight: every nano unit is somebody's; the largest remainders get what is left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.kernel.money import MAX_NANO, apportion, parse_nano, typed_nano


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


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("0", 0),
        ("25000.00", 25_000 * 10**9),
        ("0.000000001", 1),
        ("9223372036.854775807", MAX_NANO),
        ("1.500000000000", 1_500_000_000),
    ],
)
def test_a_plain_decimal_is_an_amount(text: str, nano: int) -> None:
    assert parse_nano(text) == typed_nano(text) == nano


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1e9",
        "1E+3",
        "1_000",
        "+5",
        ".5",
        "5.",
        "\u0663",
        "\uff15",
        "1,5",
        "1 000",
        "30000€",
        "NaN",
        "Infinity",
        "1.0\n",
    ],
)
def test_anything_else_is_refused_and_told_how_to_write_it(text: str) -> None:
    with pytest.raises(ValueError, match=r'is not an amount; write it like "25000\.00"'):
        parse_nano(text)


@pytest.mark.parametrize("text", ["-1", "9223372036.854775808", "0.0000000001", "1" * 300])
def test_an_amount_has_bounds(text: str) -> None:
    with pytest.raises(ValueError, match="between 0 and 9 billion with at most nine decimals"):
        parse_nano(text)


@pytest.mark.parametrize(
    ("text", "nano"), [(" 30000 ", 30_000), ("25,000.00", 25_000), ("1,234,567", 1_234_567)]
)
def test_thousands_may_be_typed_in_groups(text: str, nano: int) -> None:
    assert typed_nano(text) == nano * 10**9


@pytest.mark.parametrize(
    "text", ["1,5", "1.000,50", "1,50", "12,34,567", "1,0000", ",500", "1,000,", "1e9"]
)
def test_a_comma_that_parts_no_thousands_is_never_left_out(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        typed_nano(text)
