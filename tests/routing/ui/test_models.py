"""The page of models: what it says of a price."""

import pytest

from routing.ui.models import at_tiers


@pytest.mark.parametrize(
    ("price", "told"),
    [
        ({}, ""),
        ({"batchFactor": "1"}, ""),
        ({"batchFactor": "1.00"}, ""),
        ({"batchFactor": "1.5"}, ""),
        ({"batchFactor": "0.5"}, "× 0.5 at service tier flex"),
        ({"priorityFactor": "2"}, "× 2 at priority"),
        (
            {"batchFactor": "0.5", "priorityFactor": "2"},
            "× 0.5 at service tier flex, × 2 at priority",
        ),
    ],
)
def test_the_factors_of_service_tiers_are_told_where_they_are_some(
    price: dict[str, str], told: str
) -> None:
    assert at_tiers(price) == told
