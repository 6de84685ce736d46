"""Errors of the API as RFC 9457 problems."""

import json

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions

from controlplane.kernel.errors import Conflict, NotFound
from controlplane.problems import handle


@pytest.mark.parametrize(
    ("error", "status", "code", "detail"),
    [
        (NotFound('there is no call "x"'), 404, "not_found", 'there is no call "x"'),
        (Conflict("it moved"), 409, "conflict", "it moved"),
        (Http404("secret path"), 404, "not_found", "there is no such thing"),
        (PermissionDenied("secret rule"), 403, "forbidden", "this is not yours to do"),
        (
            exceptions.NotAuthenticated(),
            401,
            "not_authenticated",
            "Authentication credentials were not provided.",
        ),
        (
            exceptions.Throttled(wait=3),
            429,
            "throttled",
            "Request was throttled. Expected available in 3 seconds.",
        ),
    ],
)
def test_every_error_is_a_problem(error: Exception, status: int, code: str, detail: str) -> None:
    answer = handle(error, {})
    assert answer is not None
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert (answer.data["status"], answer.data["code"], answer.data["detail"]) == (
        status,
        code,
        detail,
    )
    json.dumps(answer.data)


def test_fields_are_named() -> None:
    answer = handle(
        exceptions.ValidationError({"model": ["unknown"], "limit": ["too small", "odd"]}), {}
    )
    assert answer is not None
    assert answer.data["errors"] == {"model": ["unknown"], "limit": ["too small", "odd"]}


def test_how_long_to_wait_is_kept_as_a_header() -> None:
    answer = handle(exceptions.Throttled(wait=3), {})
    assert answer is not None
    assert answer["Retry-After"] == "3"


def test_what_nobody_expected_stays_an_error() -> None:
    assert handle(RuntimeError("inside"), {}) is None
