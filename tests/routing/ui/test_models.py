"""The page of models: what it says of a price."""

import pytest

from routing.ui.models import flex


@pytest.mark.parametrize(
    ("price", "told"),
    [
        ({}, ""),
        ({"batchFactor": "1"}, ""),
        ({"batchFactor": "1.00"}, ""),
        ({"batchFactor": "1.5"}, ""),
        ({"batchFactor": "0.5"}, "× 0.5 at service tier flex"),
    ],
)
def test_a_factor_for_service_tier_flex_is_told_where_it_is_one(
    price: dict[str, str], told: str
) -> None:
    assert flex(price) == told
