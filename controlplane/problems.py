"""Errors of `/api/v1` as RFC 9457 problems: type, title, status, detail, and a stable code."""

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework.exceptions import APIException
from rest_framework.response import Response
from rest_framework.views import exception_handler

from controlplane.kernel.errors import Forbidden, MandateError, NotFound
from policies.documents.problems import InvalidDocuments

CONTENT_TYPE = "application/problem+json"


def problem(status: int, code: str, detail: str, **more: object) -> dict[str, object]:
    """The body of a problem."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **more,
    }


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. None lets an unknown error become a 500 that says nothing."""
    if isinstance(error, MandateError):
        answer = _answer(problem(error.status, error.code, error.message, **_details(error)))
        if "retry_after_seconds" in error.details:
            answer["Retry-After"] = str(error.details["retry_after_seconds"])
        return answer
    if isinstance(error, Http404):
        return _answer(problem(404, NotFound.code, "there is no such thing"))
    if isinstance(error, PermissionDenied):
        return _answer(problem(403, Forbidden.code, "this is not yours to do"))
    found = exception_handler(error, context)
    if found is None or not isinstance(error, APIException):
        return found
    headers = {name: value for name, value in found.items() if name != "Content-Type"}
    answer = _answer(_of_framework(error))
    for name, value in headers.items():
        answer[name] = value
    return answer


def _details(error: MandateError) -> dict[str, object]:
    """What a program needs to point at the place: the problems of documents, what others changed or wrote."""
    found: dict[str, object] = {}
    if isinstance(error, InvalidDocuments):
        found["problems"] = [p._asdict() for p in error.problems]
    return found | {
        name: error.details[name]
        for name in ("conflicts", "fields", "theirs")
        if name in error.details
    }


def _of_framework(error: APIException) -> dict[str, object]:
    if isinstance(error.detail, dict):
        fields = {
            name: [str(part) for part in _as_list(said)] for name, said in error.detail.items()
        }
        return problem(
            error.status_code, "invalid_request", "some fields are not right", errors=fields
        )
    said = "; ".join(str(part) for part in _as_list(error.detail))
    return problem(error.status_code, str(error.default_code), said)


def _as_list(said: object) -> list[object]:
    return list(said) if isinstance(said, list) else [said]


def _answer(body: dict[str, object]) -> Response:
    return Response(body, status=int(str(body["status"])), content_type=CONTENT_TYPE)
