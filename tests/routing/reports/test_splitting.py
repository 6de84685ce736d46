"""A shared cost is laid over others to the last nano unit, by the key that is stated."""

from hypothesis import given
from hypothesis import strategies as st

from routing.reports.splitting import KEYS, Part, split

PARTS = [Part(calls=1, spent_nano=50), Part(calls=2, spent_nano=50), Part(calls=0, spent_nano=0)]


def test_by_each_key() -> None:
    assert split(10, PARTS, "calls") == [3, 7, 0]
    assert split(10, PARTS, "spend") == [5, 5, 0]
    assert split(10, PARTS, "equal") == [4, 3, 3]


def test_where_there_is_nobody_nothing_is_laid() -> None:
    assert split(10, [], "equal") == []
    assert split(10, [Part(0, 0)], "spend") == [0]


@given(
    st.integers(0, 2**62),
    st.lists(st.builds(Part, st.integers(0, 10**6), st.integers(0, 2**60)), max_size=8),
    st.sampled_from(list(KEYS)),
)
def test_the_parts_come_to_the_amount(amount: int, parts: list[Part], key: str) -> None:
    found = split(amount, parts, key)
    assert len(found) == len(parts)
    assert min(found, default=0) >= 0
    assert sum(found) in ({amount} if any(found) else {0, amount})
