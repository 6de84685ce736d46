"""Errors in each SDK's own shape, exact."""

import json
from datetime import UTC, datetime

import pytest

from controlplane.kernel.errors import (
    BudgetExhausted,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    InvalidRequest,
    MandateError,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UpstreamFailed,
)
from tests.routing.dialects.material import CALL, CALL_NAME, CHAT, MESSAGES

TABLE: list[tuple[type[MandateError], int, tuple[str, str], str, bool]] = [
    # error, status, OpenAI's type and code, Anthropic's type, whether a client may try again
    (
        InvalidRequest,
        400,
        ("invalid_request_error", "invalid_request"),
        "invalid_request_error",
        False,
    ),
    (
        Unauthenticated,
        401,
        ("authentication_error", "invalid_api_key"),
        "authentication_error",
        False,
    ),
    (Forbidden, 403, ("permission_error", "forbidden"), "permission_error", False),
    (NotFound, 404, ("invalid_request_error", "model_not_found"), "not_found_error", False),
    (Conflict, 409, ("conflict_error", "conflict"), "invalid_request_error", False),
    (TooLarge, 413, ("invalid_request_error", "too_large"), "invalid_request_error", False),
    (BudgetExhausted, 429, ("insufficient_quota", "insufficient_quota"), "billing_error", False),
    (MandateError, 500, ("server_error", "internal_error"), "api_error", False),
    (UpstreamFailed, 502, ("server_error", "upstream_failed"), "api_error", True),
    (Unavailable, 503, ("service_unavailable_error", "unavailable"), "overloaded_error", True),
    (DeadlineExceeded, 504, ("timeout_error", "deadline_exceeded"), "timeout_error", True),
]


@pytest.mark.parametrize(("error", "status", "ours", "theirs", "again"), TABLE)
def test_every_error_has_its_status_headers_and_shape(
    error: type[MandateError], status: int, ours: tuple[str, str], theirs: str, again: bool
) -> None:
    headers = {
        "content-type": "application/json",
        "x-request-id": CALL_NAME,
        "request-id": CALL_NAME,
    }
    headers |= {} if again else {"x-should-retry": "false"}
    headers |= {"retry-after": "1"} if status == 503 else {}
    found = CHAT.error_body(error("no"), CALL)
    assert found[:2] == (status, headers)
    assert json.loads(found[2]) == {
        "error": {"message": "no", "type": ours[0], "param": None, "code": ours[1]}
    }
    found = MESSAGES.error_body(error("no"), CALL)
    assert found[:2] == (status, headers)
    assert json.loads(found[2]) == {
        "type": "error",
        "error": {"type": theirs, "message": "no", "details": {"error_code": error.code}},
        "request_id": CALL_NAME,
    }


def test_a_denial_carries_its_rules_and_owner() -> None:
    error = Forbidden(
        "rule eu-data denies this",
        code="policy_denied",
        rules=["eu-data"],
        owner="cleo@acme.example",
        secret="x",
    )
    body = json.loads(CHAT.error_body(error, CALL)[2])["error"]
    assert body == {
        "message": "rule eu-data denies this",
        "type": "permission_error",
        "param": None,
        "code": "policy_denied",
        "rules": ["eu-data"],
        "owner": "cleo@acme.example",
    }
    details = json.loads(MESSAGES.error_body(error, CALL)[2])["error"]["details"]
    assert details == {
        "error_code": "policy_denied",
        "rules": ["eu-data"],
        "owner": "cleo@acme.example",
    }


@pytest.mark.parametrize(("routes", "tail"), [(["a", "b"], '"a", "b"'), ([], "none")])
def test_an_unknown_route_lists_those_the_key_may_call(routes: list[str], tail: str) -> None:
    error = NotFound('there is no route "x"', routes=routes)
    message = f'there is no route "x"; the routes this key may call: {tail}'
    assert json.loads(CHAT.error_body(error, None)[2])["error"]["message"] == message
    assert json.loads(MESSAGES.error_body(error, None)[2])["error"]["message"] == message


def test_without_a_call_there_is_no_request_id() -> None:
    assert CHAT.error_body(Unauthenticated("no"), None)[1] == {
        "content-type": "application/json",
        "x-should-retry": "false",
    }
    assert json.loads(MESSAGES.error_body(Unauthenticated("no"), None)[2])["request_id"] is None


@pytest.mark.parametrize(("seconds", "header"), [(0.2, "1"), (7, "7"), (7.6, "8")])
def test_retry_after_is_whole_seconds_and_never_zero(seconds: float, header: str) -> None:
    error = Unavailable("busy", retry_after_seconds=seconds)
    assert CHAT.error_body(error, None)[1]["retry-after"] == header


def test_an_open_stream_ends_with_the_error() -> None:
    error = UpstreamFailed("every model failed")
    assert CHAT.error_event(error, CALL) == (
        b'data: {"error":{"message":"every model failed","type":"server_error","param":null,"code":"upstream_failed"}}\n\n'
    )
    assert MESSAGES.error_event(error, CALL) == (
        b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"every model failed",'
        b'"details":{"error_code":"upstream_failed"}},"request_id":"%b"}\n\n' % CALL_NAME.encode()
    )


def test_details_that_are_no_json_are_written_as_text() -> None:
    error = Forbidden("no", rules=[CALL], owner=datetime(2026, 1, 1, tzinfo=UTC))
    body = json.loads(CHAT.error_body(error, None)[2])["error"]
    assert body["rules"] == [str(CALL)]


def test_a_parameter_is_named() -> None:
    body = json.loads(CHAT.error_body(InvalidRequest("no", param="n"), None)[2])["error"]
    assert body["param"] == "n"


def test_lists_of_models() -> None:
    model = {"id": "a", "object": "model", "created": 5, "owned_by": "mandate"}
    assert json.loads(CHAT.models_body(["a"], created=5)) == {"object": "list", "data": [model]}
    assert json.loads(CHAT.model_body("a", created=5)) == model
    theirs = {
        "type": "model",
        "id": "a",
        "display_name": "a",
        "created_at": "1970-01-01T00:00:05Z",
        "lifecycle": "active",
    }
    assert json.loads(MESSAGES.models_body(["a", "b"], created=5)) == {
        "data": [theirs, theirs | {"id": "b", "display_name": "b"}],
        "has_more": False,
        "first_id": "a",
        "last_id": "b",
    }
    assert json.loads(MESSAGES.model_body("a", created=5)) == theirs
    assert json.loads(MESSAGES.models_body([])) == {
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }
