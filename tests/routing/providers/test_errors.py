"""Statuses and Retry-After, exactly."""

from datetime import UTC, datetime

import pytest

from routing.providers import errors

NOW = datetime(2026, 11, 24, 9, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (302, "refused_account"),
        (400, "refused_request"),
        (401, "refused_account"),
        (402, "refused_account"),
        (403, "refused_account"),
        (404, "refused_account"),
        (408, "timeout"),
        (413, "refused_request"),
        (418, "refused_request"),
        (422, "refused_request"),
        (429, "rate_limited"),
        (500, "server_error"),
        (502, "server_error"),
        (503, "overloaded"),
        (504, "timeout"),
        (520, "server_error"),
        (529, "overloaded"),
    ],
)
def test_classes(status: int, error_class: str) -> None:
    assert errors.class_of(status) == error_class


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "999999"}, 3600.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Tue, 24 Nov 2026 09:00:30 GMT"}, 30.0),
        ({"retry-after": "Tue, 24 Nov 2026 08:00:00 GMT"}, 0.0),
        ({"retry-after": "Tue, 24 Nov 2026 09:00:30"}, 30.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "٣"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert errors.retry_after(headers, NOW) == seconds


def test_only_a_gateway_that_gave_up_may_have_cost() -> None:
    maybe = [
        status for status in range(300, 600) if errors.refused("p", status, {}).maybe_processed
    ]
    assert maybe == [408, 409, 499, 502, 504, 520, 522, 524]


def test_only_a_refused_request_explains_itself() -> None:
    shown = [errors.refused("p", status, {}, b"{}").body for status in (400, 401, 404, 429, 500)]
    assert shown == [b"{}", None, None, None, None]
