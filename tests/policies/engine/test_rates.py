"""Which rate limits a call counts against: those whose whole scope it lies in, never another tenant's."""

from typing import Any

import pytest

from policies.engine.rates import RateClaim, rate_claims
from tests.policies.engine.small import EVERYONE, bundle, call, document, model, route

WORLD = (EVERYONE, model("m1"), route("r", "m1"))


def limit(name: str, tenant: str = "", **spec: Any) -> str:
    return document("RateLimit", name, {"requestsPerMinute": 60, **spec}, tenant)


def test_a_limit_as_a_call_counts_against_it() -> None:
    of = bundle(*WORLD, limit("b", "a", tokensPerMinute=900, onStoreDown="permit"),
                limit("a", scope={"team": "t", "tenant": "a"}, concurrent=5))  # fmt: skip
    assert rate_claims(of, call()) == (
        RateClaim("a", 60, 0, 5, deny_when_down=True),
        RateClaim("a/b", 60, 900, 0, deny_when_down=False),
    )


@pytest.mark.parametrize(
    "scope", [{"tenant": "b"}, {"key": "k2"}, {"labels": {"x": "y"}}, {"user": "ada"}, {"team": "t", "key": "k2"}]
)  # fmt: skip
def test_a_limit_of_others_does_not_count(scope: dict[str, Any]) -> None:
    assert rate_claims(bundle(*WORLD, limit("a", scope=scope)), call()) == ()


def test_another_tenants_limit_and_an_unknown_route() -> None:
    assert rate_claims(bundle(*WORLD, limit("a", "b")), call()) == ()
    assert rate_claims(bundle(*WORLD, limit("a")), call(route="none")) == ()
    assert rate_claims(bundle(*WORLD), call()) == ()
